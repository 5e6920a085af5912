#!/bin/sh
# pare tokenize: its three ways to take a text, what it prints, and what it refuses.
PARE=${PARE:-build/release/pare}
model=recipes/demo
[ -f $model/tokenizer.json ] || { echo "ok - tokenize # SKIP no demo checkpoint"; exit 0; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
gives() { # gives WHAT STATUS WANTED ARGUMENTS...: exactly that on stdout
    what=$1 status=$2 wanted=$3
    shift 3
    got=$("$PARE" tokenize "$@" 2>"$dir/err" </dev/null)
    rc=$?
    if [ "$got" = "$wanted" ] && [ $rc = "$status" ]; then
        echo "ok - $what"
    else
        echo "not ok - $what: exit $rc, \"$got\", expected \"$wanted\""
        cat "$dir/err"
    fi
}
refuses() { # refuses STATUS WORDS ARGUMENTS...: that exit status, and one line with those words
    status=$1 words=$2
    shift 2
    "$PARE" tokenize "$@" >"$dir/out" 2>"$dir/err" </dev/null
    rc=$?
    if [ $rc = "$status" ] && grep -q -e "$words" "$dir/err" && [ "$(wc -l <"$dir/err")" = 1 ]; then
        echo "ok - refuses: $words"
    else
        echo "not ok - exit $rc, expected $status and \"$words\": $*"
        cat "$dir/err"
    fi
}
ids='[40,691,79,569,343]'
printf 'Hello world' >"$dir/text"
printf '%s\n' '{"text": "Hello world"}' '{"text":"","more":1}' '{"text":"\u0048ello world"}' >"$dir/lines"
gives "-p" 0 "$ids" $model --ids -p "Hello world"
gives "--file" 0 "$ids" $model --ids --file "$dir/text"
gives "empty stdin" 0 "[]" $model --ids
gives "--jsonl" 0 "$ids
[]
$ids" $model --jsonl "$dir/lines"
gives "tokens" 0 "569	\" wor\"
343	\"ld\"" $model -p " world"
gives "special text as text" 0 "[28,92,347,79,70,84,868,84,92,30]" $model --ids -p "<|endoftext|>"
gives "special text parsed" 0 "[0]" $model --ids --special -p "<|endoftext|>"
piped=$(printf 'Hello world' | "$PARE" tokenize $model --ids --file -)
[ "$piped" = "$ids" ] && echo "ok - stdin" || echo "not ok - stdin: $piped"
if "$PARE" convert $model "$dir/m.gguf" >"$dir/log" 2>&1; then
    gives "a GGUF gives the same" 0 "$ids" "$dir/m.gguf" --ids -p "Hello world"
    "$PARE" tokenize $model --ids --file $model/evaluation.txt >"$dir/a"
    "$PARE" tokenize "$dir/m.gguf" --ids --file $model/evaluation.txt >"$dir/b"
    cmp "$dir/a" "$dir/b" && echo "ok - and the same for a long text" || echo "not ok - another for a long text"
else
    echo "not ok - convert"; cat "$dir/log"
fi
gives "another pre-tokenizer" 0 "$ids" $model --ids --pre-tokenizer gpt-2 -p "Hello world"
printf '{"text":"a"}\n{"txt":"a"}\n' >"$dir/bad"
refuses 1 'bad: line 2: expected an object with a string "text"' $model --jsonl "$dir/bad"
printf '{"text":"a"}\n{"text\n' >"$dir/bad"
refuses 1 "bad: line 2: " $model --jsonl "$dir/bad"
refuses 1 "no-file" $model --file "$dir/no-file"
refuses 1 "no-model" "$dir/no-model" -p a
refuses 2 "three ways" $model -p a --file "$dir/text"
refuses 2 "no such" $model -p a --pre-tokenizer "no such"
refuses 2 "usage"
