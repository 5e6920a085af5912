#!/usr/bin/env python3
"""runtime/chat beside transformers' apply_chat_template: the same templates, the same messages.

    python tests/oracle/chat.py [TEMPLATE_OR_FOLDER...]

Templates: those of tests/chat/*.jinja and files and folders that are named (*.jinja, and the chat_template
of tokenizer_config.json). Each is rendered with conversations of many kinds, with and without tools and
generation prompt. Where transformers refuses, pare has to refuse, too, but for two things: lists may be appended to (its
sandbox forbids that), and what map and select give is a list. Needs transformers and a built
libpare.a; a line for each difference, and a sum.
"""

import datetime
import json
import pathlib
import subprocess
import sys
import tempfile

from transformers.utils import chat_template_utils as ctu

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOW = 1721996130  # 2024-07-26

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": 'The weather "now" <there>.',
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "A city, e.g. Zürich"},
                "days": {"type": "integer", "enum": [1, 2]},
            },
            "required": ["city"],
        },
    },
}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {"id": "call00001", "type": "function",
         "function": {"name": "get_weather", "arguments": {"city": "Zürich", "days": 2, "x": 1.5, "y": None, "z": True}}}
    ],
}
CASES = {
    "user": [{"role": "user", "content": "Hello"}],
    "system": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    "turns": [
        {"role": "user", "content": " What is 1+1?\n"},
        {"role": "assistant", "content": "2 \n"},
        {"role": "user", "content": "And 2+2?"},
        {"role": "assistant", "content": "4"},
    ],
    "all": [
        {"role": "system", "content": "You know sums.\n\n"},
        {"role": "user", "content": "It's \"one\" & <two> — ünï 日本 🙂"},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nyes"},
        {"role": "user", "content": "Why?"},
    ],
    "thought": [
        {"role": "user", "content": "Q"},
        {"role": "assistant", "content": "A", "reasoning_content": "because\n"},
        {"role": "user", "content": "Q2"},
        {"role": "assistant", "content": "A2", "reasoning_content": "again"},
    ],
    "tool": [
        {"role": "user", "content": "Weather?"},
        CALL,
        {"role": "tool", "content": "sunny", "name": "get_weather", "tool_call_id": "call00001"},
        {"role": "assistant", "content": "Sunny."},
        {"role": "user", "content": "Thanks"},
    ],
    "parts": [{"role": "user", "content": [{"type": "text", "text": "In"}, {"type": "text", "text": " parts"}]}],
    "image": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}],
    "assistant": [{"role": "assistant", "content": "I begin"}, {"role": "user", "content": "no"}],
    "empty": [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}],
    "developer": [{"role": "developer", "content": "Rules"}, {"role": "user", "content": "u"}],
    "none": [{"role": "user", "content": "u"}, {"role": "assistant", "content": None}],
    "odd": [{"role": "narrator", "content": "?"}],
    "null": [],
}
MORE = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


def reference(template, case):
    class Fixed(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc)

    ctu.datetime = Fixed
    compiled = ctu._compile_jinja_template(template)
    values = dict(case["more"], messages=case["messages"], tools=case["tools"], documents=None)
    blocks, marks = [], []
    with compiled.environment.activate_tracker(blocks, marks):
        for b in compiled.generate(add_generation_prompt=case["prompt"], **values):
            blocks.append(b)
    return "".join(blocks), marks


def ours(exe, template, case, folder):
    (folder / "t").write_bytes(template.encode())
    (folder / "c.json").write_text(json.dumps(case, ensure_ascii=False))
    run = subprocess.run([exe, folder / "t", folder / "c.json"], capture_output=True)
    text = run.stdout.decode(errors="replace")
    if run.returncode:
        return None, text.strip() or f"exit status {run.returncode}: {run.stderr.decode()[-300:]}"
    spans, text = text.split("\n", 1)
    n = [int(x) for x in spans.split()]
    data = text.encode()
    return text, [(len(data[:a].decode()), len(data[: a + k].decode())) for a, k in zip(n[::2], n[1::2])]


def templates(args):
    for name in [str(ROOT / "tests" / "chat")] + args:
        path = pathlib.Path(name)
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for f in files:
            if f.suffix == ".jinja":
                yield f.name, f.read_text()
            elif f.name == "tokenizer_config.json":
                t = json.loads(f.read_text()).get("chat_template")
                if isinstance(t, str):
                    yield f"{f.parent.name}/{f.name}", t


def main():
    n = bad = refused = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        exe = folder / "chat"
        libs = "libcjson yaml-0.1 libpcre2-8 libutf8proc libcrypto zlib sqlite3 openblas"
        flags = subprocess.check_output(["pkg-config", "--libs", *libs.split()], text=True).split()
        subprocess.check_call(
            ["gcc", "-std=c11", f"-I{ROOT}", "-D_POSIX_C_SOURCE=200809L", "-o", exe, ROOT / "tests/oracle/chat.c",
             ROOT / "build/release/libpare.a", "-fopenmp", *flags, "-lmvec", "-lm", "-lpthread"])
        for name, template in templates(sys.argv[1:]):
            for key, messages in CASES.items():
                for tools in (None, [TOOL]):
                    for prompt in (False, True):
                        case = {"messages": messages, "tools": tools, "prompt": prompt, "more": MORE, "now": NOW}
                        try:
                            want, marks = reference(template, case)
                        except Exception as e:
                            want, marks = None, f"{type(e).__name__}: {e}"
                        got, spans = ours(exe, template, case, folder)
                        n += 1
                        refused += want is None
                        if want is None and got is not None and ("SecurityError" in marks or "generator" in marks):
                            continue
                        if want == got and (want is None or marks == spans):
                            continue
                        bad += 1
                        print(f"{name} {key} tools={bool(tools)} prompt={prompt}: differs")
                        at = 0
                        while want and got and at < min(len(want), len(got)) and want[at] == got[at]:
                            at += 1
                        print(f"  wanted {want and want[max(at - 40, 0) : at + 80]!r} {marks}")
                        print(f"  found  {got and got[max(at - 40, 0) : at + 80]!r} {spans}")
    print(f"{n} renderings, {refused} refused by both or one, {bad} differ")
    return bad != 0


sys.exit(main())
