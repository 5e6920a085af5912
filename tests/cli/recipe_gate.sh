#!/bin/sh
# Gates in recipes: exit status 3, a line each, JUnit; what is wrong with them by line and column.
# shellcheck source=tests/lib.sh
. tests/lib.sh

# recipe GATE: with what gate: says
recipe() {
    printf 'name: x\nmodel: "%s"\nquantize: [Q8_0, Q4_0]\nevaluate: {text: text, ctx: 64, chunks: 6}\nreport: {json: r.json, junit: j.xml}\ngate: %s\n' \
        "$PWD/$demo" "$1" >"$d/r.yaml"
}
# gated STATUS LINES: exit status, and that many lines of failed gates
gated() {
    pare run "$d/r.yaml" --out "$d/to/x" --json "$d/run.json"
    got=$?
    [ $got = "$1" ] && [ "$(grep -c '^failed: ' "$d/out")" = "$2" ] && return 0
    echo "# exit $got: $(tail -3 "$d/err") $(cat "$d/out")" | tr '\n' '|' && echo
    return 1
}
recipe '{Q8_0: {kld: "<= 0.5", size_ratio: "<= 0.9"}, Q4_0: [kld <= 3]}'
gated 0 0 && grep -q '"status": "met"' "$d/run.json" && grep -q '<testcase' "$d/to/x/j.xml"
ok $? "gates that are met"
cp "$d/to/x/r.json" "$d/base.json"
recipe '{Q8_0: {kld: "<= 0.5"}, Q4_0: {kld: "<= 0.000001", ppl_ratio: "<= 0.5"}}'
gated 3 2 && grep -q '<failure' "$d/to/x/j.xml" && grep -q '"status": "failed"' "$d/run.json"
ok $? "two that are not: exit status 3 and a line each"
[ -s "$d/to/x/r.json" ] && [ "$(grep -c ' cached$' "$d/err")" -ge 6 ]
ok $? "reports are written, nothing is measured again"
recipe '["kld <= 3", "Q4_0: kld <= 0.000001", {Q4_0: "bytes <= 1"}]'
gated 3 2
ok $? "as a list"
recipe '[not worse than base.json]'
gated 0 0
ok $? "a baseline from the recipe's folder"

# wrong WORDS GATE
wrong() {
    recipe "$2"
    fails 1 "r.yaml: line 6, column $1" run "$d/r.yaml" --out "$d/to/y" && [ ! -e "$d/to/y/x-Q8_0.gguf" ]
    ok $? "wrong: $1"
}
wrong '7: gate: expected a list' 'kld'
wrong '8: gate "kdl' '["kdl <= 3"]' | sed 's/: gate "kdl//'
wrong '20: gate' '{Q8_0: {kld: "about 3"}}' | sed 's/: gate//'
wrong '20: gate "Q9_0: kld <= 3": there is no model' '{Q9_0: {kld: "<= 3"}}'
wrong '20: gate: expected a condition' '{Q8_0: {kld: [1]}}' | sed 's/: gate//'
recipe '["not worse than none.json"]'
fails 1 "r.yaml: line 6, column 8: gate: $d/none.json: No such file" run "$d/r.yaml" --out "$d/to/n" && [ ! -e "$d/to/n" ]
ok $? "a baseline that is not there"
