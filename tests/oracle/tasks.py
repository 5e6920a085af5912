#!/usr/bin/env python3
"""Tasks: `pare eval --task` against lm-evaluation-harness on the same items and model.

    nice python3 tests/oracle/tasks.py PARE MODEL-FOLDER WORK [ITEMS [MAX-LENGTH [as-filed]]]

Makes ITEMS (50) items in the layout of each data set that pare knows, seeded, with the odd ones
among them (white space, brackets, letters beyond ASCII, empty contexts, items longer than the
model's context), and runs both on them in F32: pare as a user would, lm-eval with its own tasks'
templates, included from the installed package, on local files. Compares each choice's
log-likelihood (1e-3 nats), acc and acc_norm of every item, the means and their errors, and for
cloze tasks the greedy match and the perplexity. as-filed: lm-eval gets tokenizer.json as it is,
which transformers' LlamaTokenizer rebuilds (one space ahead of a text becomes part of the one it
adds itself; tokenizer.json and tokenizer.model give two). A line each: ok or BAD; exit status 1 for BAD.
Needs lm_eval (0.4.13 was used), torch, transformers, datasets; run by hand, not by `make test`.
"""
import json, math, os, random, subprocess, sys, warnings

warnings.filterwarnings("ignore")
os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false",
                  HF_HOME=os.path.abspath(os.path.join(sys.argv[3], "hf")))
import lm_eval, torch
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from transformers import PreTrainedTokenizerFast

torch.set_num_threads(1)
pare, model, work = sys.argv[1:4]
n_items = int(sys.argv[4]) if len(sys.argv) > 4 else 50
os.makedirs(work, exist_ok=True)
rng = random.Random(6)
TASKS = os.path.join(os.path.dirname(lm_eval.__file__), "tasks")

# ---- items ---------------------------------------------------------------------------------

NAMES = ["Lily", "Tom", "Sue", "Max", "Anna", "Ben", "Zoë", "Łukasz", "Émile", "小明"]
THINGS = ["ball", "red kite", "little boat", "cake", "book", "stone", "naïve drawing", "box of pens"]
PLACES = ["park", "house", "forest", "garden", "school", "café", "old mill by the river"]
ACTS = ["found", "lost", "wanted", "broke", "painted", "gave away", "looked for"]
ENDS = ["was very happy", "started to cry", "went home to eat", "said thank you", "ran to the tree",
        "put it under the bed", "asked mom for help", "did not know what to do",
        "laughed and laughed…", "heard 3.5 loud noises"]


def some(words):
    return rng.choice(words)


def sentence():
    return f"{some(NAMES)} {some(ACTS)} a {some(THINGS)} in the {some(PLACES)}."


def story(n):
    return " ".join(sentence() for _ in range(n))


def ending():
    return f"{some(NAMES)} {some(ENDS)}."


def hellaswag(i):
    odd = ["", " [substeps] ", " [title] How to begin", "  two  spaces   here ", "[a [b] c] x", "\t[x\ny] z "]
    return {"ind": i, "activity_label": some(["Playing outside", "Home and Garden "]),
            "ctx_a": story(1 + i % 3) + (some(odd) if i % 3 == 0 else ""),
            "ctx_b": some(["", "then She", "the Boy  and McDonald", "éCOLE is", "he"]),
            "ctx": "not used",
            "endings": [some(odd) + ending() if (i + k) % 5 == 0 else ending() for k in range(4)],
            "label": str(i % 4)}


def labelled(i):
    n = 3 + i % 3
    labels = [str(k + 1) for k in range(n)] if i % 4 == 0 else list("ABCDE")[:n]
    return {"text": [some([ending(), some(THINGS), some(PLACES) + " "]) for _ in range(n)],
            "label": labels}, labels[i % n]


def arc(i):
    c, key = labelled(i)
    return {"id": f"q{i}", "question": story(1) + " What happened next?" + (" " if i % 7 == 0 else ""),
            "choices": c, "answerKey": key}


def openbookqa(i):
    c, key = labelled(i)
    return {"id": f"q{i}", "question_stem": f"In the {some(PLACES)} {some(NAMES)} can see the" +
            (some([" ", "  ", "\u00a0", "\n"]) if i % 5 == 0 else ""), "choices": c, "answerKey": key}


def piqa(i):
    return {"goal": story(1 + i % 2), "sol1": ending(), "sol2": ending(), "label": i % 2}


def winogrande(i):
    gap = some(["_", "_", "the _"])
    return {"sentence": f"{sentence()} {some(NAMES)} was sad because {gap} {some(ENDS)}" +
            (" for _ too." if i % 6 == 0 else "."),
            "option1": some(NAMES), "option2": some(THINGS) + (" " if i % 9 == 0 else ""),
            "answer": str(1 + i % 2)}


def mmlu(i):
    return {"question": some(["", "\n", " "]) + sentence() + " Where was it?" + some(["", " \n"]),
            "subject": some(["high_school_us_history"]),
            "choices": [some(PLACES) for _ in range(4)] if i % 8 else ["", "1,5", " x", "0.5"],
            "answer": i % 4}


def lambada(i):
    return {"text": story(2) + " " + sentence().rsplit(" ", 1)[0] + " " + some(PLACES).split()[0]
            if i % 10 else " " + some(PLACES).split()[0]}


def choices(i):
    return {"context": (story(1 + i % 4) + " " + some(NAMES)) if i % 10 else "",
            "choices": [some(ENDS) + some(["", "."]) for _ in range(2 + i % 3 if False else 3)],
            "answer": i % 3}


def cloze(i):
    return {"context": story(2) + some(["", " "]), "target": ending().split(" ")[0]}


def long(i, item):
    """Make item i longer than any context this is run with."""
    for key in ("ctx_a", "question", "question_stem", "goal", "sentence", "text", "context"):
        if key in item:
            item[key] = story(120) + " " + item[key]
            return item


# ---- lm-eval's own tasks on local files -----------------------------------------------------

def include(path, **more):
    return {"include": os.path.join(TASKS, path), "dataset_name": None, "training_split": None,
            "test_split": None, "fewshot_split": None, **more}


OWN = {"output_type": "multiple_choice", "doc_to_text": "{{context}}", "doc_to_choice": "choices",
       "doc_to_target": "answer",
       "metric_list": [{"metric": m, "aggregation": "mean", "higher_is_better": True}
                       for m in ("acc", "acc_norm")]}
CLOZE = {"output_type": "loglikelihood", "doc_to_text": "{{context}}", "doc_to_target": "{{' '+target}}",
         "metric_list": [{"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False},
                         {"metric": "acc", "aggregation": "mean", "higher_is_better": True}]}
LAYOUTS = {
    "hellaswag": (hellaswag, include("hellaswag/hellaswag.yaml")),
    "arc": (arc, include("arc/arc_easy.yaml")),
    "openbookqa": (openbookqa, include("openbookqa/openbookqa.yaml")),
    "piqa": (piqa, include("piqa/piqa.yaml")),
    "winogrande": (winogrande, include("winogrande/default.yaml")),
    "mmlu": (mmlu, include("mmlu/default/mmlu_high_school_us_history.yaml")),
    "lambada": (lambada, include("lambada/lambada_openai.yaml")),
    "choices": (choices, OWN),
    "cloze": (cloze, CLOZE),
}


def make(name):
    maker, config = LAYOUTS[name]
    path = os.path.join(work, f"{name}.jsonl")
    items = [maker(i) for i in range(n_items)]
    items[n_items // 2] = long(n_items // 2, items[n_items // 2])
    with open(path, "w") as f:
        for item in items:
            f.write(json.dumps(item, ensure_ascii=rng.random() < 0.5) + "\n")
    config = {**config, "task": f"pare_{name}", "dataset_path": "json", "validation_split": "validation",
              "dataset_kwargs": {"data_files": {"validation": path}}, "num_fewshot": 0}
    config.pop("tag", None)
    with open(os.path.join(work, f"{name}.yaml"), "w") as f:
        json.dump(config, f)  # JSON is YAML
    return path


paths = {name: make(name) for name in LAYOUTS}

# ---- both --------------------------------------------------------------------------------------

samples, report = os.path.join(work, "samples.jsonl"), os.path.join(work, "report.json")
subprocess.run([pare, "eval", model, "--kernels", "f32", "--samples", samples, "--json", report]
               + [a for p in paths.values() for a in ("--task", p)], check=True)
ours = {}
for line in open(samples):
    s = json.loads(line)
    ours.setdefault(s["task"], []).append(s)
results = {t["name"]: t for t in json.load(open(report))["models"][0]["tasks"]}

# where a config names no length lm-eval takes 2048, pare what its GGUF would say
most = {"max_length": int(sys.argv[5])} if len(sys.argv) > 5 else {}
if "as-filed" in sys.argv:
    most["tokenizer"] = PreTrainedTokenizerFast.from_pretrained(model)
lm = HFLM(pretrained=model, dtype="float32", device="cpu", batch_size=1, **most)
theirs = lm_eval.simple_evaluate(
    model=lm, tasks=[f"pare_{n}" for n in LAYOUTS], log_samples=True, bootstrap_iters=100,
    task_manager=TaskManager(include_path=work, include_defaults=False))

# ---- beside each other ---------------------------------------------------------------------------

bad = False


def check(name, what, good, detail):
    global bad
    bad = bad or not good
    print(f"{'ok ' if good else 'BAD'} {name}: {what}: {detail}")


for name in LAYOUTS:
    them = sorted(theirs["samples"][f"pare_{name}"], key=lambda s: s["doc_id"])
    r, mean = results[name], theirs["results"][f"pare_{name}"]
    worst, differ, where = 0.0, 0, ""
    for mine, its in zip(ours[name], them, strict=True):
        got = [x[0] for x in its["filtered_resps"]] if isinstance(its["filtered_resps"][0], (list, tuple)) \
            else [its["filtered_resps"][0]]
        got = [float(x) for x in got]
        assert len(got) == len(mine["ll"]), (name, its["doc_id"])
        off = max(abs(a - b) for a, b in zip(got, mine["ll"]))
        if off > worst:
            worst, where = off, f"line {mine['line']}: {mine['ll']}, theirs {got}"
        differ += mine["correct"] != bool(its["acc"])
        if "acc_norm" in its:
            differ += mine["correct_norm"] != bool(its["acc_norm"])
    check(name, "log-likelihoods", worst < 1e-3,
          f"{len(them)} items, {sum(len(s['ll']) for s in ours[name])} choices, differ by at most {worst:.2e}"
          + (f": {where}" if worst >= 1e-3 else ""))
    check(name, "items judged otherwise", differ == 0, differ)
    for key in ("acc", "acc_norm"):
        if f"{key},none" in mean or key in r:
            a, b = r[key], (mean[f"{key},none"], mean[f"{key}_stderr,none"])
            check(name, key, abs(a["value"] - b[0]) < 1e-12 and abs(a["error"] - b[1]) < 1e-9,
                  f"{a['value']:.4f} ± {a['error']:.4f}, theirs {b[0]:.4f} ± {b[1]:.4f}")
    if "ppl" in r:
        a, b = r["ppl"]["value"], mean["perplexity,none"]
        check(name, "ppl", math.isclose(a, b, rel_tol=1e-3), f"{a:.6g}, theirs {b:.6g}")
    print(f"    {r['truncated']} of {r['items']} items truncated")
sys.exit(bad)
