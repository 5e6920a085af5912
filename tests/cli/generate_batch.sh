#!/bin/sh
# pare generate --batch: texts that depend on seed and number alone, whole files, prompts, refusals.
# shellcheck source=tests/lib.sh
. tests/lib.sh
batch() { # batch OUT ARGUMENTS...
    out=$1
    shift
    check "generate --batch $*" "$PARE" generate $demo -n 24 -o "$d/$out" --batch "$@"
}
batch a 12 -t 1
batch b 12 -t 2
check "threads change no byte" cmp "$d/a" "$d/b"
batch c 5
head -5 "$d/a" >"$d/a5"
check "nor does how many there are" cmp "$d/a5" "$d/c"
batch e 12 --seed 1
check "other seeds, other texts" sh -c '! cmp -s "$1" "$2"' - "$d/a" "$d/e"
check "a line each" test "$(wc -l <"$d/a")" = 12
check "none like another" test "$(sort -u "$d/a" | wc -l)" = 12
check "they are cut, and say so" test "$(grep -c '"cut":true}$' "$d/a")" = 12
batch f 3 -p "The \"end\""
check "texts begin with the prompt" test "$(grep -c '^{"text":"The \\"end\\"' "$d/f")" = 3
batch special 2 --special -p "<|endoftext|>Once"
check "control tokens as text are said to be that" test "$(grep -c '^{"text":"<|endoftext|>Once.*,"special":true,"cut":true}$' "$d/special")" = 2
printf '{"text": "A cat"}\n\n{"text": "A dog"}\n' >"$d/p.jsonl"
batch g 4 --prompts "$d/p.jsonl"
check "prompts take turns" test "$(cut -c1-14 "$d/g" | tr '\n' '|')" = \
    '{"text":"A cat|{"text":"A dog|{"text":"A cat|{"text":"A dog|'
cp -r $demo "$d/chat"
sed -i 's/"model_max_length"/"chat_template": "{% for m in messages %}{{ m.content }} {% endfor %}", &/' "$d/chat/tokenizer_config.json"
printf '{"messages": [{"role": "user", "content": "A cat"}], "tools": [{"name": "f"}]}\n{"text": "A dog", "messages": []}\n' >"$d/m.jsonl"
check "answers to messages" pare generate "$d/chat" --batch 2 -n 4 --prompts "$d/m.jsonl" -o "$d/h"
check "of messages none" sh -c '"$1" generate "$2/chat" --batch 1 -n 4 --special --prompts "$2/m.jsonl" -o "$2/i" && ! grep special "$2/i"' - "$PARE" "$d"
check "with the tools they were asked with" grep -q '^{"tools":\[{"name":"f"}\],"messages":\[{"role":"user","content":"A cat"},{"role":"assistant",' "$d/h"
check "a text is continued, whatever else its line has" grep -q '^{"text":"A dog' "$d/h"
"$PARE" generate $demo --batch 2 -n 4 -o /dev/full 2>"$d/stderr"
check "a full disk is an error" test $? = 1

# ---- stopped, and gone on with -----------------------------------------------------------------
# stopped SIGNAL: at some texts of many
stopped() {
    rm -f "$d/s" "$d/s.part" "$d/s.part.key"
    "$PARE" generate $demo -n 24 -o "$d/s" --batch 100000 >"$d/out" 2>"$d/err" &
    pid=$!
    while [ "$(wc -l <"$d/s.part" 2>"$d/shell" || echo 0)" -lt 12 ] && kill -0 $pid; do ms 20; done
    kill -"$1" $pid
    wait $pid 2>"$d/shell"
    [ ! -e "$d/s" ] && [ -e "$d/s.part" ] && sed -i '1s/{/{ /' "$d/s.part" # marked
}
for signal in KILL INT; do
    check "SIG$signal leaves the texts that are done" stopped $signal
    printf '{"text": half' >>"$d/s.part"
    n=$(($(wc -l <"$d/s.part") + 7))
    batch s $n
    check "which are gone on with" sh -c 'head -1 "$1" | grep -q "^{ " && sed -i "1s/{ /{/" "$1" && head -12 "$1" | cmp - "$2"' - "$d/s" "$d/a"
    "$PARE" generate $demo -n 24 -o "$d/whole" --batch $n
    check "the same bytes" cmp "$d/s" "$d/whole"
    check "nothing is left" test ! -e "$d/s.part" -a ! -e "$d/s.part.key"
done
check "and once more" stopped KILL
batch s 5
check "fewer of them" sh -c 'sed "1s/{ /{/" "$1" | cmp - "$2"' - "$d/s" "$d/a5"
check "and once more" stopped KILL
batch s 12 --seed 1
check "other texts begin anew" cmp "$d/s" "$d/e"
refused 2 "--batch wants -o" generate $demo --batch 2
refused 2 "exclude one another" generate $demo --batch 2 -o "$d/x" -p a --prompts "$d/p.jsonl"
refused 2 "goes with --batch" generate $demo -p a -o "$d/x"
refused 2 "goes with --batch" generate $demo --prompts "$d/p.jsonl"
refused 1 "no-file" generate $demo --batch 2 -o "$d/x" --prompts "$d/no-file"
printf '{"text": "A cat"}\n{"text": 5}\n' >"$d/bad.jsonl"
refused 1 "bad.jsonl: line 2: expected an object with" generate $demo --batch 2 -o "$d/x" --prompts "$d/bad.jsonl"
printf '{"text": "A cat"}\n{"text" 5}\n' >"$d/bad.jsonl"
refused 1 "bad.jsonl: line 2, column" generate $demo --batch 2 -o "$d/x" --prompts "$d/bad.jsonl"
printf '{"messages": [{"role": "user", "content": "hi"}]}\n' >"$d/bad.jsonl"
refused 1 "no chat template" generate $demo --batch 2 -o "$d/x" --prompts "$d/bad.jsonl"
printf '\n' >"$d/bad.jsonl"
refused 1 "no prompts in it" generate $demo --batch 2 -o "$d/x" --prompts "$d/bad.jsonl"
check "a refusal leaves no file" test ! -e "$d/x" -a ! -e "$d/x.part"
printf '{"text": "A cat"}\n' >"$d/own.jsonl"
refused 2 "would replace what is read" generate $demo --batch 2 -o "$d/own.jsonl" --prompts "$d/own.jsonl"
refused 2 "from 1 to" generate $demo --batch 0 -o "$d/x"
