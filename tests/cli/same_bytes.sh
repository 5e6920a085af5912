#!/bin/sh
# The same bytes from every encoder: with the processor masked to scalar, AVX2 and AVX-512, with 1, 2
# and 7 threads, and from a build by clang, with importance and without.
. tests/steps.sh
CLANG=${CLANG:-build/clang/pare}
demo=recipes/demo

# 24 rows of 768 of the demo's weights; then zeros, denormals, tiny numbers, a constant
header=$(od -An -tu8 -N8 $demo/model.safetensors)
tail -c +$((header + 9 + 400000)) $demo/model.safetensors | head -c $((24 * 768 * 2)) >"$tmp/w.bf16"
"$PARE" codec decode BF16 "$tmp/w.bf16" "$tmp/w.f32" --columns 768 || echo "not ok - rows of the demo"
head -c 3072 /dev/zero >>"$tmp/w.f32"
for pattern in '\001\000\000\000\007\001\000\200' '\275\067\206\065\000\000\040\264' '\315\314\314\075'; do
    # shellcheck disable=SC2059  # octal bytes
    printf "$pattern%.0s" $(seq 768) | head -c 3072 >>"$tmp/w.f32"
done
# importance: magnitudes of other weights, a run of zeros among them
head -c 3072 "$tmp/w.f32" | perl -0777 -ne 'print pack("f<*", map { $i++ % 64 < 16 && $i > 256 && $i < 512 ? 0 : $_ * $_ } unpack("f<*", $_))' >"$tmp/imp"

encode() { # encode PROGRAM OUT OPTION...: every type, one file after another
    program=$1 out=$2
    shift 2
    for type in $types; do
        "$program" codec encode "$type" "$tmp/w.f32" "$tmp/one" --columns 768 "$@" || return 1
        cat "$tmp/one"
        rm "$tmp/one"
    done >"$out"
}
types=
for type in F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ3_XXS IQ3_S IQ4_NL IQ4_XS TQ1_0 TQ2_0 MXFP4 NVFP4 Q1_0 Q2_0; do
    if "$PARE" codec encode $type "$tmp/w.f32" "$tmp/one" --columns 768 2>/dev/null; then types="$types $type"; else
        n=$((n + 1))
        echo "not ok $n - $type can be encoded"
    fi
    rm -f "$tmp/one"
done
for how in "" "--importance $tmp/imp" "--effort fast" "--effort best --importance $tmp/imp"; do
    what="every type $(echo "$how" | sed "s|$tmp/imp||")"
    # shellcheck disable=SC2086  # lists of words
    ok "$what: encoded" encode "$PARE" "$tmp/native" $how
    for level in scalar avx2 avx512; do
        # shellcheck disable=SC2086
        ok "$what: with --cpu $level" encode "$PARE" "$tmp/$level" --cpu $level $how
        ok "$what: the same bytes" cmp "$tmp/native" "$tmp/$level"
    done
    for t in 1 7; do
        # shellcheck disable=SC2086
        ok "$what: with -t $t" encode "$PARE" "$tmp/t" -t $t $how
        ok "$what: the same bytes" cmp "$tmp/native" "$tmp/t"
    done
    if [ -x "$CLANG" ]; then
        # shellcheck disable=SC2086
        ok "$what: built by clang" encode "$CLANG" "$tmp/clang" $how
        ok "$what: the same bytes" cmp "$tmp/native" "$tmp/clang"
    else
        n=$((n + 1))
        echo "ok $n - $what: built by clang # SKIP no $CLANG (make CONFIG=clang)"
    fi
done

# whole files: a mix of many types
for t in 1 2 7; do
    ok "quantize with -t $t" "$PARE" quantize $demo "$tmp/t$t.gguf" Q4_K_M -t $t
done
ok "quantize with --cpu scalar" "$PARE" quantize $demo "$tmp/scalar.gguf" Q4_K_M --cpu scalar
for other in t2 t7 scalar; do ok "the file of $other is the same" cmp "$tmp/t1.gguf" "$tmp/$other.gguf"; done
if [ -x "$CLANG" ]; then
    ok "quantize, built by clang" "$CLANG" quantize $demo "$tmp/clang.gguf" Q4_K_M
    ok "the file is the same" cmp "$tmp/t1.gguf" "$tmp/clang.gguf"
fi
echo "1..$n"
