#!/bin/sh
# pare eval --task on the embedded demo model: the shipped files, what is printed and written,
# that threads and other items change nothing, and what it says of bad files.
# shellcheck source=tests/lib.sh
. tests/lib.sh
shipped="--task tasks/story-endings.jsonl --task tasks/story-words.jsonl --task tasks/story-who.jsonl"

# bad WORDS LINE...: a file of these lines is refused in the place
bad() {
    words=$1
    shift
    printf '%s\n' "$@" >"$d/bad.jsonl"
    refused 1 "bad.jsonl: $words" eval $demo --task "$d/bad.jsonl"
}

# shellcheck disable=SC2086  # options in words
"$PARE" eval $demo $shipped --json "$d/a.json" --samples "$d/a.jsonl" -t 1 >"$d/a" 2>"$d/err"
ok $? "the shipped tasks run"
[ ! -s "$d/err" ]
ok $? "nothing on stderr"
grep -qE '^story-endings +recipes/demo +40 ' "$d/a" && grep -qE '^story-words +.* 30 ' "$d/a" &&
    grep -qE '^story-who +.* 24 ' "$d/a" && ! grep -q ' $' "$d/a"
ok $? "a line for each task"
awk '/^story-endings/ { good = $4 > 45 } END { exit !good }' "$d/a"
ok $? "the demo model finds endings better than chance (33 %)"
[ "$(wc -l <"$d/a.jsonl")" = 94 ]
ok $? "a line for each item with --samples"
grep -q '"tokens": 0' "$d/a.json" && grep -q '"layout": "winogrande"' "$d/a.json" &&
    ! grep -q seconds "$d/a.json"
ok $? "the report has tasks without a text"

# shellcheck disable=SC2086
"$PARE" eval $demo $shipped --json "$d/b.json" --samples "$d/b.jsonl" -t 2 >"$d/b" 2>>"$d/err"
cmp -s "$d/a" "$d/b" && cmp -s "$d/a.json" "$d/b.json" && cmp -s "$d/a.jsonl" "$d/b.jsonl"
ok $? "two threads give the bytes of one"

sed -n '7,9p' tasks/story-endings.jsonl >"$d/story-endings.jsonl"
"$PARE" eval $demo --task "$d/story-endings.jsonl" --samples "$d/few.jsonl" >"$d/out" 2>>"$d/err"
sed 's/"line":[0-9]*/"line":N/' "$d/few.jsonl" >"$d/few"
sed -n '7,9p' "$d/a.jsonl" | sed 's/"line":[0-9]*/"line":N/' | cmp -s - "$d/few"
ok $? "an item scores the same among others"

"$PARE" eval $demo --task tasks/story-who.jsonl --items 5 --samples "$d/five" >"$d/out" 2>>"$d/err"
grep -q 'story-who' "$d/a.jsonl" && grep story-who "$d/a.jsonl" | head -n 5 | cmp -s - "$d/five"
ok $? "--items takes the first"

"$PARE" quantize $demo "$d/q.gguf" Q2_K >"$d/out" 2>&1
"$PARE" eval "$d/q.gguf" $demo --against $demo --text $demo/evaluation.txt --ctx 64 --chunks 2 \
    --task tasks/story-endings.jsonl --json "$d/c.json" >"$d/c" 2>>"$d/err"
ok $? "tasks and text against an original"
awk '$2 == "recipes/demo" && / 40 / && $(NF) == "0" && $(NF - 1) == "0" { same = 1 } END { exit !same }' "$d/c"
ok $? "a model answers as it does itself"
grep -q '"flips": {' "$d/c.json" && grep -q '"window_kld"' "$d/c.json"
ok $? "the report has both"

for i in $(seq 300); do printf 'word%s ' "$i"; done >"$d/words"
printf '{"context": "%s", "choices": ["a", "b"]}\n{"context": "x", "choices": ["a", "b"]}\n' \
    "$(cat "$d/words")" >"$d/long.jsonl"
"$PARE" eval $demo --task "$d/long.jsonl" --json "$d/long.json" >"$d/out" 2>"$d/warn" &&
    grep -q "1 of 2 items are longer than the model's context" "$d/warn" &&
    grep -q '"truncated": 1' "$d/long.json"
ok $? "items longer than the context lose their beginning, and are counted"

refused 1 "$d/none.jsonl" eval $demo --task "$d/none.jsonl"
refused 2 "two tasks named \"story-who\"" eval $demo --task tasks/story-who.jsonl --task ./tasks/story-who.jsonl
refused 2 "--items is of tasks" eval $demo --text $demo/evaluation.txt --items 3
refused 2 "--samples is of tasks" eval $demo --text $demo/evaluation.txt --samples "$d/x"
cp tasks/story-who.jsonl "$d/own.jsonl"
refused 2 "$d/own.jsonl" eval $demo --task "$d/own.jsonl" --samples "$d/own.jsonl"
cmp -s tasks/story-who.jsonl "$d/own.jsonl"
ok $? "a task file is not overwritten"
refused 1 "/dev/full: No space left" eval $demo --task "$d/own.jsonl" --samples /dev/full

item='{"context": "a", "choices": ["b", "c"], "answer": 1}'
bad "line 1, column 1: expected items" ""
bad "line 2, column 1: not valid JSON" "$item" "nonsense"
bad "line 1, column 1: expected an object on every line (JSON Lines), found [{" "[$item]"
bad "line 1, column 1: expected the keys of a known layout" '{"prompt": "a"}'
bad 'line 2, column 51: expected a number 0 to 1 as "answer", found 2' "$item" \
    '{"context": "a", "choices": ["b", "c"], "answer": 2}'
bad 'line 1, column 29: expected a list of 2 to 256 as "choices", found []' '{"context": "a", "choices": []}'
bad 'line 2, column 1: expected "choices" in an item of choices' "$item" '{"context": "a"}'
bad 'line 1, column 13: expected a text as "context", found 5' '{"context": 5, "choices": ["b", "c"]}'
printf '{"text": "a \377 b"}\n' >"$d/bytes.jsonl"
refused 1 "bytes.jsonl: line 1, column 13: expected UTF-8, found byte 0xff" eval $demo --task "$d/bytes.jsonl"
