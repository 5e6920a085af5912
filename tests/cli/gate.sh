#!/bin/sh
# Gates of pare eval and pare compare: lines, exit status 3, JUnit XML, and what is misuse.
# shellcheck source=tests/lib.sh
. tests/lib.sh
text=$demo/evaluation.txt

# expect STATUS WORDS ARGUMENTS...: pare's exit status, and the words in what it prints
expect() {
    want=$1 words=$2
    shift 2
    pare "$@"
    got=$?
    [ $got = "$want" ] && cat "$d/out" "$d/err" | grep -qF -- "$words"
    good=$?
    [ $good = 0 ] || echo "# $*: exit $got: $(cat "$d/out" "$d/err" | tail -n 3 | tr '\n' '|')"
    ok $good "gate: $words"
}

"$PARE" quantize $demo "$d/q4.gguf" Q4_0 >/dev/null && "$PARE" quantize $demo "$d/q8.gguf" Q8_0 >/dev/null
eval="eval $d/q4.gguf --against $demo --text $text --ctx 64 --chunks 12"
# shellcheck disable=SC2086  # options in words
{
    expect 0 "met: q4.gguf: kld <= 0.03: 0.00" $eval --gate "kld <= 0.03" --json "$d/q4.json"
    expect 3 "failed: q4.gguf: kld <= 0.0001: 0.00" $eval --gate "kld <= 0.0001"
    grep -qx "pare eval: gate not met: q4.gguf: kld <= 0.0001: 0.00.*" "$d/err" && [ "$(wc -l <"$d/err")" = 1 ]
    ok $? "one line on stderr"
    expect 3 "pare eval: 2 of 3 gates not met, first q4.gguf: bytes <= 1MiB" $eval --gate "bytes <= 1MiB" --gate "bpw < 5" --gate "q4.gguf: top1 >= 99.9%" --junit "$d/j.xml" --json "$d/after.json"
    [ "$(grep -c '^failed: ' "$d/out")" = 2 ] && [ "$(grep -c '^met: ' "$d/out")" = 1 ]
    ok $? "a line for each"
    cmp -s "$d/q4.json" "$d/after.json" || diff "$d/q4.json" "$d/after.json" | grep -q seconds
    ok $? "the report is written also when a gate fails"
    expect 3 "can't be decided with 12 windows" $eval --gate "ppl_ratio <= 1.001 at 99.9%"
    grep -qE 'about [0-9]+ windows would|no number of windows would' "$d/out"
    ok $? "and says how many would do"
    expect 3 "can't be decided: the report has no fast.kld (--kernels both gives it)" $eval --gate "fast.kld < 1"
    expect 2 'gate "kdl <= 1", column 1: there is no metric "kdl"; did you mean "kld"?' $eval --gate "kdl <= 1"
    expect 2 'gate "kld <= ", column 8: expected a number' $eval --gate "kld <= "
    expect 2 'there is no model "q5.gguf"; did you mean "q4.gguf"?' $eval --gate "q5.gguf: kld <= 1"
    expect 1 "$d/none.json: No such file" $eval --gate "not worse than $d/none.json"
    expect 2 "is read" $eval --gate "kld < 1" --junit "$text"
    expect 2 "is read" $eval --gate "not worse than $d/q4.json" --json "$d/q4.json"
}
if command -v python3 >/dev/null; then
    python3 - "$d/j.xml" <<'EOF'
import sys, xml.etree.ElementTree as e
r = e.parse(sys.argv[1]).getroot()
s = r.find("testsuite")
assert r.tag == "testsuites" and s.get("name") == "q4.gguf" and s.get("tests") == "3" and s.get("failures") == "2"
c = s.findall("testcase")
assert [x.get("name") for x in c] == ["bytes <= 1MiB", "bpw < 5", "top1 >= 99.9%"]
assert [x.find("failure") is not None for x in c] == [True, False, True]
assert "MiB" in c[0].find("failure").get("message")
EOF
    ok $? "JUnit XML holds them"
else
    echo "ok - JUnit XML # SKIP no python3"
fi

"$PARE" eval "$d/q8.gguf" --against $demo --text $text --ctx 64 --chunks 12 --json "$d/q8.json" >/dev/null
expect 0 "no sign of worse in 4 figures" compare "$d/q4.json" "$d/q8.json" --gate "not worse than $d/q4.json"
expect 3 "failed: q4.gguf: not worse than $d/q8.json: kld: 0.00" compare "$d/q8.json" "$d/q4.json" --gate "not worse than $d/q8.json" --junit "$d/k.xml"
grep -q '<failure type="not met"' "$d/k.xml"
ok $? "compare writes JUnit XML"
expect 0 "met: q4.gguf: kld not worse than" compare "$d/q8.json" "$d/q4.json" --gate "kld not worse than $d/q8.json by 0.02"
expect 2 "column 10: this is no unit of that metric" compare "$d/q8.json" "$d/q4.json" --gate "kld <= 3 MiB"
