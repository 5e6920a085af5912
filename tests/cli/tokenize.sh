#!/bin/sh
# pare tokenize: its three ways to take a text, what it prints, and what it refuses.
# shellcheck source=tests/lib.sh
. tests/lib.sh
gives() { # gives WHAT STATUS WANTED ARGUMENTS...: exactly that on stdout
    what=$1 status=$2 wanted=$3
    shift 3
    got=$("$PARE" tokenize "$@" 2>"$d/err" </dev/null)
    rc=$?
    if [ "$got" = "$wanted" ] && [ $rc = "$status" ]; then
        echo "ok - $what"
    else
        echo "not ok - $what: exit $rc, \"$got\", expected \"$wanted\""
        cat "$d/err"
    fi
}
ids='[40,691,79,569,343]'
printf 'Hello world' >"$d/text"
printf '%s\n' '{"text": "Hello world"}' '{"text":"","more":1}' '{"text":"\u0048ello world"}' >"$d/lines"
gives "-p" 0 "$ids" $demo --ids -p "Hello world"
gives "--file" 0 "$ids" $demo --ids --file "$d/text"
gives "empty stdin" 0 "[]" $demo --ids
gives "--jsonl" 0 "$ids
[]
$ids" $demo --jsonl "$d/lines"
gives "tokens" 0 "569	\" wor\"
343	\"ld\"" $demo -p " world"
gives "special text as text" 0 "[28,92,347,79,70,84,868,84,92,30]" $demo --ids -p "<|endoftext|>"
gives "special text parsed" 0 "[0]" $demo --ids --special -p "<|endoftext|>"
piped=$(printf 'Hello world' | "$PARE" tokenize $demo --ids --file -)
[ "$piped" = "$ids" ] && echo "ok - stdin" || echo "not ok - stdin: $piped"
if "$PARE" convert $demo "$d/m.gguf" >"$d/log" 2>&1; then
    gives "a GGUF gives the same" 0 "$ids" "$d/m.gguf" --ids -p "Hello world"
    "$PARE" tokenize $demo --ids --file $demo/evaluation.txt >"$d/a"
    "$PARE" tokenize "$d/m.gguf" --ids --file $demo/evaluation.txt >"$d/b"
    cmp "$d/a" "$d/b" && echo "ok - and the same for a long text" || echo "not ok - another for a long text"
else
    echo "not ok - convert"; cat "$d/log"
fi
gives "another pre-tokenizer" 0 "$ids" $demo --ids --pre-tokenizer gpt-2 -p "Hello world"
printf '{"text":"a"}\n{"txt":"a"}\n' >"$d/bad"
refused 1 'bad: line 2: expected an object with a string "text"' tokenize $demo --jsonl "$d/bad"
printf '{"text":"a"}\n{"text\n' >"$d/bad"
refused 1 "bad: line 2: " tokenize $demo --jsonl "$d/bad"
refused 1 "no-file" tokenize $demo --file "$d/no-file"
refused 1 "no-model" tokenize "$d/no-model" -p a
refused 2 "three ways" tokenize $demo -p a --file "$d/text"
refused 2 "no such" tokenize $demo -p a --pre-tokenizer "no such"
refused 2 "usage" tokenize
