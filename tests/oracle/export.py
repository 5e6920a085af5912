"""What transformers makes of exported folders: the logits of the golden checkpoints, and the ids
of their tokenizers. By hand, where torch and transformers are installed:

    python tests/oracle/export.py build/release/pare ../shared/golden/models TEXT [NAME...]

Prints for each model the NMSE of the exported folder's logits (F32) against the original's, weights
that are missing or too many, and how many of the text's lines get other ids. Exits 1 when a folder
does not load or its NMSE exceeds 1e-9.
"""

import os
import subprocess
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402


def load(folder):
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True)
    odd = {k: sorted(v)[:4] for k, v in info.items() if v and k != "error_msgs"}
    return model.eval(), odd


def export(pare, checkpoint, work):
    gguf, folder = os.path.join(work, "m.gguf"), os.path.join(work, "folder")
    subprocess.run([pare, "convert", checkpoint, gguf, "--type", "f32"], check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run([pare, "export", gguf, folder], check=True, stdout=subprocess.DEVNULL)
    return folder


def other_ids(a, b, lines):
    a, b = AutoTokenizer.from_pretrained(a), AutoTokenizer.from_pretrained(b)
    return sum(a(t)["input_ids"] != b(t)["input_ids"] for t in lines)


def compare(pare, checkpoint, lines):
    """(NMSE, what is odd); the original's own failure is None."""
    try:
        original, _ = load(checkpoint)
        ids = torch.randint(0, original.config.get_text_config().vocab_size, (1, 60))
        with torch.no_grad():
            want = original(ids).logits
    except Exception as e:  # a class this transformers lacks
        return None, "the original does not run: %s" % str(e).splitlines()[0][:80]
    with tempfile.TemporaryDirectory() as work:
        folder = export(pare, checkpoint, work)
        exported, odd = load(folder)
        with torch.no_grad():
            found = exported(ids).logits
        nmse = ((want - found).pow(2).sum() / want.pow(2).sum()).item()
        try:
            other = other_ids(checkpoint, folder, lines)
        except Exception as e:
            other = str(e)[:80]
    return nmse, "%s; other ids in %s lines" % (odd or "every weight", other)


def main(pare, root, text, names):
    torch.manual_seed(0)
    lines = open(text).read()[:20000].split("\n")
    bad = 0
    for name in names or sorted(os.listdir(root)):
        checkpoint = os.path.join(root, name)
        if not os.path.exists(os.path.join(checkpoint, "config.json")):
            continue
        try:
            nmse, what = compare(pare, checkpoint, lines)
        except Exception as e:
            nmse, what = 1.0, "%s: %s" % (type(e).__name__, str(e)[:200])
        bad += nmse is not None and not nmse <= 1e-9
        print("%-40s %-9s %s" % (name, "-" if nmse is None else "%.2g" % nmse, what), flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))
