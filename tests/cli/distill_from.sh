#!/bin/sh
# Students from a config.json: what lies beside it.
# shellcheck source=tests/lib.sh
. tests/lib.sh

fresh
ck="$d/ck"
rm "$ck/model.safetensors"
sed -i 's/"num_hidden_layers": 3/"num_hidden_layers": 1/' "$ck/config.json"

# from WORDS...: a step of training a student from $ck/config.json, in $d/to
from() {
    rm -rf "$d/to" && mkdir "$d/to"
    pare distill $demo "$d/to/o.gguf" --text $demo/calibration.txt --from "$ck/config.json" --steps 1 --batch 1 --ctx 64 --held-tokens 64 "$@"
}
# refuses WORDS: it does not, and leaves nothing
refuses() {
    rm -rf "$d/to" && mkdir "$d/to"
    fails "$1" "$2" distill $demo "$d/to/o.gguf" --text $demo/calibration.txt --from "$ck/config.json" --steps 1 && clean
}

from && grep -q '^student: 1 layers' "$d/out"
ok $? "a config.json with the teacher's tokenizer beside it"
mv "$ck/tokenizer.json" "$d/keep.json"
from
ok $? "one without a tokenizer takes the teacher's"

# ---- what lies there is another one by now -----------------------------------------------
# on OPTIONS...: the same, once more, where the last one left its folder
on() {
    pare distill $demo "$d/to/o.gguf" --text $demo/calibration.txt --steps 1 --batch 1 --ctx 64 --held-tokens 64 --keep "$@"
}
from --keep && cp "$ck/config.json" "$d/keep.config" && sed -i 's/"num_hidden_layers": 1/"num_hidden_layers": 2/' "$ck/config.json" &&
    ! on --from "$ck/config.json" && grep -q "of a run with other options or inputs" "$d/err"
ok $? "a checkpoint of another config.json of this name"
rm "$d/to/o.gguf.train/state" && on --from "$ck/config.json" && pare inspect "$d/to/o.gguf.train/start.gguf" && grep -q 'block_count .* 2$' "$d/out"
ok $? "without a checkpoint the student is made anew"
cp "$d/keep.config" "$ck/config.json"
cp "$d/to/o.gguf" "$d/start.gguf" && rm -rf "$d/to/"* && on --from "$d/start.gguf" && cp "$d/to/o.gguf" "$d/start.gguf" &&
    ! on --from "$d/start.gguf" && grep -q "of a run with other options or inputs" "$d/err"
ok $? "a checkpoint of other weights of this name"

# ---- the tokenizer -----------------------------------------------------------------------
perl -e 'undef $/; $_ = <STDIN>; s/"#"(\s*:)/"~~"$1/; print' <"$d/keep.json" >"$ck/tokenizer.json"
refuses 2 "$ck/config.json: the tokenizer beside it is not the teacher's, which the student takes: token 3 is \"#\" in the teacher's vocabulary and \"~~\" in the student's"
ok $? "another token"
perl -e 'undef $/; $_ = <STDIN>; /"merges"\s*:\s*\[\s*(\[[^]]*\]|"[^"]*")\s*,\s*(\[[^]]*\]|"[^"]*")/ or die; substr($_, $-[1], $+[2] - $-[1]) = "$2, $1"; print' <"$d/keep.json" >"$ck/tokenizer.json"
refuses 2 "merge 0 is \"Ġ t\" in the teacher's vocabulary and \"h e\" in the student's"
ok $? "merges in another order"
head -c 1000 "$d/keep.json" >"$ck/tokenizer.json"
refuses 1 "$ck/tokenizer.json: line"
ok $? "half a tokenizer.json"
