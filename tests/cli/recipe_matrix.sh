#!/bin/sh
# Recipes put together: include, variables, matrix, and what is wrong with them by file, line and
# column.
# shellcheck source=tests/lib.sh
. tests/lib.sh

cp "$demo"/*.json "$demo"/model.safetensors "$d/"
mkdir "$d/ck" && mv "$d"/*.json "$d/model.safetensors" "$d/ck/" && cp -r "$d/ck" "$d/ck2"
mv "$d/ck/ids.json" "$d/" 2>/dev/null
text='evaluate: {text: text, ctx: 32, chunks: 1}'

# recipe NAME TEXT: $d/NAME.yaml
recipe() {
    # shellcheck disable=SC2059  # the format is the text
    printf "$2" >"$d/$1.yaml"
}

# plan NAME: its steps as "kind name" lines in $d/steps
plan() {
    pare run "$d/$1.yaml" --plan --json "$d/plan.json" && perl -ne \
        'if (/"kind": "(.*)"/) { $k = $1; $b = "" } $b = "$1:" if /"branch": "(.*)"/; print "$k $b$1\n" if /"name": "(.*)"/' \
        "$d/plan.json" | tr '\n' ' ' >"$d/steps"
}

# steps NAME EXPECTED
steps() {
    plan "$1" && [ "$(cat "$d/steps")" = "$2" ] && return 0
    echo "# $(cat "$d/err") $(cat "$d/steps")"
    return 1
}

# ---- matrix ----------------------------------------------------------------------------------
recipe m "model: ck\nmatrix: {mix: [Q8_0, Q4_0]}\n"
steps m "quantize Q8_0 quantize Q4_0 "
ok $? "a matrix of mixes is a list of variants"
recipe m "matrix: {model: [ck, ck2], mix: [Q8_0, Q4_0]}\n$text\nreport: {json: r.json}\n"
one="evaluate X:original evaluate X:Q8_0 evaluate X:Q4_0 report X:r.json"
steps m "quantize ck:Q8_0 quantize ck:Q4_0 $(echo "$one" | sed s/X/ck/g) quantize ck2:Q8_0 quantize ck2:Q4_0 $(echo "$one" | sed s/X/ck2/g) "
ok $? "a matrix of models is a report each"
pare run "$d/m.yaml" --out "$d/to/m" && [ -s "$d/to/m/ck/r.json" ] && [ -s "$d/to/m/ck2/r.json" ] &&
    [ -s "$d/to/m/ck/m-ck-Q8_0.gguf" ] && cmp "$d/to/m/ck/m-ck-Q4_0.gguf" "$d/to/m/ck2/m-ck2-Q4_0.gguf" >"$d/shell"
[ -s "$d/to/m/ck/m-ck-Q8_0.gguf" ] && [ -s "$d/to/m/ck2/r.json" ] && grep -q '^m-ck2:' "$d/out"
ok $? "each in its folder"
recipe m 'model: ck\nmatrix: {mix: [Q8_0, Q4_0], effort: [fast, best], exclude: [{mix: Q8_0, effort: best}]}
quantize:\n- {mix: "${matrix.mix}", effort: "${{ matrix.effort }}"}\n- Q6_K\n'
steps m "quantize Q8_0-fast quantize Q4_0-fast quantize Q4_0-best quantize Q6_K "
ok $? "two keys, exclude, names of both"
recipe m 'name: own-${matrix.size}\nmodel: ck\nmatrix: {size: [32, 64]}\nquantize: [Q8_0]\nevaluate:\n  text: text\n  ctx: ${matrix.size}\n  chunks: 1\n'
steps m "quantize 32:Q8_0 evaluate 32:original evaluate 32:Q8_0 quantize 64:Q8_0 evaluate 64:original evaluate 64:Q8_0 " &&
    grep -q '"own.out/64/own-64-Q8_0.gguf"' "$d/plan.json"
ok $? "a matrix over contexts, named by the recipe"

# ---- include ----------------------------------------------------------------------------------
mkdir "$d/sub"
printf 'model: ../ck\nquantize: [Q8_0]\nevaluate: {text: ../text, ctx: 32, chunks: 2}\nreport: {json: base.json}\n' >"$d/sub/base.yaml"
recipe i 'include: sub/base.yaml\nquantize: [Q4_0]\nevaluate: {chunks: 1}\n'
steps i "quantize Q4_0 evaluate original evaluate Q4_0 report base.json "
ok $? "include: its paths begin in its folder, later keys win"
printf 'evaluate: {chunks: x}\n' >"$d/sub/over.yaml"
recipe i 'include: [sub/base.yaml, sub/over.yaml]\n'
fails 1 "$d/sub/over.yaml: line 1, column 20: chunks: expected a whole number" run "$d/i.yaml" --plan
ok $? "an error in an included file names that file"
recipe i 'include: i.yaml\n'
fails 1 "i.yaml: line 1, column 10: include: i.yaml is included by itself" run "$d/i.yaml" --plan
ok $? "a cycle of one"
recipe i 'include: j.yaml\n' && recipe j 'model: ck\ninclude: [sub/../i.yaml]\n'
fails 1 "j.yaml: line 2, column 11: include: sub/../i.yaml is included by itself" run "$d/i.yaml" --plan
ok $? "a cycle of two"
recipe i 'model: ck\ninclude: none.yaml\n'
fails 1 "i.yaml: line 2, column 10: include: $d/none.yaml: No such file" run "$d/i.yaml" --plan
ok $? "an included file that is not there"
for i in 0 1 2 3 4 5 6 7 8 9; do recipe "c$i" "include: c$((i + 1)).yaml\n"; done
recipe c10 'model: ck\nquantize: [Q8_0]\n'
fails 1 "include: more than 8 levels deep" run "$d/c0.yaml" --plan && pare run "$d/c3.yaml" --plan
ok $? "levels are counted"
recipe leaf 'name: x\n'
list=$(for i in 0 1 2 3 4 5 6 7 8 9; do printf '%s, ' leaf.yaml; done)
recipe b1 "include: [${list}leaf.yaml]\n" && recipe b2 "include: [$(echo "$list" | sed s/leaf/b1/g)leaf.yaml]\n"
fails 1 "include: more than 64 files" run "$d/b2.yaml" --plan
ok $? "files are counted"

# ---- variables --------------------------------------------------------------------------------
recipe v 'name: ${VN:-def}\nmodel: ${VM}\nquantize: [Q8_0]\n'
VM=ck steps v "quantize Q8_0 " && grep -q 'def.out/def-Q8_0.gguf' "$d/plan.json"
ok $? "a variable and a default"
VM=ck VN=set steps v "quantize Q8_0 " && grep -q 'set.out/set-Q8_0.gguf' "$d/plan.json"
ok $? "a variable that is set"
fails 1 "v.yaml: line 2, column 8: the environment has no VM" run "$d/v.yaml" --plan
ok $? "a variable that is not"
recipe v 'model: "$${VM}"\nquantize: [Q8_0]\n'
fails 1 "$d/\${VM}: No such file" run "$d/v.yaml" --plan
ok $? "\$\${ stands for \${"
recipe v 'model: ${V M}\nquantize: [Q8_0]\n'
fails 1 "v.yaml: line 1, column 8: \"\${V M}\": expected \${NAME}" run "$d/v.yaml" --plan
ok $? "a name that is none"

# ---- wrong ------------------------------------------------------------------------------------
# wrong WORDS TEXT
wrong() {
    recipe w "$2"
    fails 1 "w.yaml: $1" run "$d/w.yaml" --plan
    ok $? "wrong: $1"
}
wrong 'line 2, column 9: matrix: expected keys with lists' 'model: ck\nmatrix: [a]\n'
wrong 'line 2, column 15: matrix: mix: expected a list' 'model: ck\nmatrix: {mix: Q8_0}\n'
wrong 'line 2, column 22: matrix: mix: "Q8_0" twice' 'model: ck\nmatrix: {mix: [Q8_0, Q8_0]}\n'
wrong 'line 2, column 16: matrix: mix: expected text' 'model: ck\nmatrix: {mix: [[Q8_0]]}\n'
wrong 'line 2, column 15: matrix: nothing names ${matrix.abc}' 'model: ck\nmatrix: {abc: [Q8_0]}\nquantize: [Q4_0]\n'
wrong 'line 3, column 12: "${matrix.x}": matrix: has no such key' 'model: ck\nmatrix: {mix: [Q8_0]}\nquantize: ["${matrix.x}", "${matrix.mix}"]\n'
wrong 'line 2, column 37: matrix: exclude: "x": expected one of' 'model: ck\nmatrix: {mix: [Q8_0], exclude: [{x: 1}]}\n'
wrong 'line 2, column 83: matrix: expected at most 256 combinations' "model: ck\nmatrix: {mix: [Q8_0], a: [$(seq -s, 1 20)], b: [$(seq -s, 1 20)]}\nname: \${matrix.a}-\${matrix.b}\n"
wrong 'line 5, column 3: two variants named "Q8_0"' 'model: ck\nquantize:\n- {mix: Q8_0, name: x}\n- Q8_0\n- Q8_0\n'
wrong 'line 2, column 38: tensor_type: "Q9" is no type' 'model: ck\nquantize: [{mix: Q8_0, tensor_type: ["x=Q9"]}]\n'
wrong 'line 2, column 38: tensor_type: pattern "[": missing terminating ]' 'model: ck\nquantize: [{mix: Q8_0, tensor_type: ["[=Q4_0"]}]\n'
wrong 'line 2, column 38: tensor_type: expected PATTERN=TYPE' 'model: ck\nquantize: [{mix: Q8_0, tensor_type: ["Q8_0"]}]\n'
wrong 'line 2, column 32: effort: ' 'model: ck\nquantize: [{mix: Q8_0, effort: much}]\n'
wrong 'line 2, column 32: method is not supported yet' 'model: ck\nquantize: [{mix: Q8_0, method: feedback}]\n'
wrong 'line 3, column 11: expected a name:' 'model: ck\nquantize: [Q8_0]\ndistill: [{layers: 2}]\n'
wrong 'line 3, column 12: calibrate: expected either text: or imatrix:' 'model: ck\nquantize: [Q8_0]\ncalibrate: {text: text, imatrix: text}\n'
wrong 'line 2, column 52: tasks: no file is named' 'model: ck\nevaluate: {text: text, ctx: 32, chunks: 1, tasks: [none*.jsonl]}\n'
wrong 'line 2, column 33: kernels: expected bf16' 'model: ck\nevaluate: {text: text, kernels: f16}\n'
wrong 'line 2, column 8: model: expected one' 'name: x\nmodel: [ck, ck2]\nquantize: [Q8_0]\n'
for path in ../x ./x a//b a/ a/../b .cache/lock .; do
    wrong 'line 3, column 16: json: expected a plain path' "model: ck\n$text\nreport: {json: $path}\n"
done
recipe w "name: w\nmodel: ck\nquantize: [Q8_0]\n$text\nreport: {json: w-Q8_0.gguf.json}\n"
fails 1 "w.out/w-Q8_0.gguf.json: two steps would write it" run "$d/w.yaml" --plan
ok $? "a report in place of what a variant writes"
pare quantize $demo "$d/q.gguf" Q4_0
recipe w 'model: q.gguf\nquantize: [Q8_0]\n'
fails 1 "q.gguf: tensor token_embd.weight is already quantized" run "$d/w.yaml" --out "$d/to/w"
ok $? "a quantized model is not quantized again"
recipe w 'model: q.gguf\nquantize: [{mix: Q8_0, allow_requantize: true}]\n'
pare run "$d/w.yaml" --out "$d/to/w"
ok $? "but with allow_requantize"

# ---- small files that stand for large ones -----------------------------------------------------
bomb() {
    fails 1 "$1" run "$d/w.yaml" --plan
    ok $? "bomb: $1"
}
recipe w 'a: &a [x, x]\nb: &b [*a, *a]\n'
bomb 'w.yaml: line 1, column 4: anchors are not supported'
perl -e 'print "model: x\nquantize: ", "[" x 100000' >"$d/w.yaml"
bomb 'w.yaml: line 2, column 43: nested more than 32 levels deep'
perl -e 'print "model: x\nquantize: [", "Q8_0, " x 100000, "Q4_0]\n"' >"$d/w.yaml"
bomb 'w.yaml: a recipe of more than 256 KiB'
perl -e 'print "include: big.yaml\nmodel: x\n"' >"$d/w.yaml"
perl -e 'print "#" x 300000, "\n"' >"$d/big.yaml"
bomb 'big.yaml: a recipe of more than 256 KiB'
perl -e 'print "model: x\nquantize: [", join(", ", map {"{mix: Q8_0, name: n$_}"} 1 .. 1001), "]\n"' >"$d/w.yaml"
bomb 'quantize: more than 1000 variants'
perl -e 'print "model: x\nmatrix: {mix: [", join(", ", map {"v$_"} 1 .. 20000), "]}\n"' >"$d/w.yaml"
bomb 'matrix: expected at most 256 combinations'
perl -e 'print "model: x\nmatrix: {a: [", join(", ", map {"v$_"} 1 .. 256), "]}\nname: \"\${matrix.a}\"\nevaluate: {text: t, tasks: [", join(", ", ("t") x 50000), "]}\n"' >"$d/w.yaml"
bomb 'matrix and variables make more than 64 MiB of this recipe'
perl -e 'print "model: x\nmatrix: {a: [", "x" x 60000, "]}\nevaluate: {text: t, tasks: [", join(", ", ("\"\${matrix.a}\"") x 10000), "]}\n"' >"$d/w.yaml"
bomb 'matrix and variables make more than 64 MiB of this recipe'
