#!/bin/sh
# pare quantize: importance, types by pattern, sizes that are exact, files that are kept apart.
demo=recipes/demo
. tests/steps.sh
says() { # says TEXT COMMAND...: it succeeds and prints TEXT
    text=$1
    shift
    "$@" >"$tmp/out" 2>&1 && grep -qF -e "$text" "$tmp/out" && return
    cat "$tmp/out"
    return 1
}
# has_type FILE TENSOR TYPE
has_type() { "$PARE" inspect "$1" --tensors | grep -qE "^$2 .* $3 "; }

# dat FILE [SKIP]: an importance matrix in the legacy layout for every matrix of the demo
# model whose name does not contain SKIP; the importance falls with the column
dat() {
    "$PARE" inspect "$tmp/bf16.gguf" --tensors | perl -e '
        my ($skip) = @ARGV;
        my @e;
        while (<STDIN>) {
            next unless /^(\S+\.weight)\s+\[(\d+), \d+\]/;
            push @e, [$1, $2] unless $1 eq "token_embd.weight" || ($skip && index($1, $skip) >= 0);
        }
        print pack("l<", scalar @e);
        for (@e) {
            print pack("l<", length $_->[0]), $_->[0], pack("l<l<", 4, $_->[1]);
            print pack("f<*", map { 100 / (1 + $_) } 0 .. $_->[1] - 1);
        }' "$2" 2>/dev/null >"$1"
}

# exact ARGUMENTS...: a dry run says how many bytes the same without it writes
exact() {
    rm -f "$tmp"/e*.gguf
    "$PARE" quantize "$1" "$tmp/e.gguf" "$2" $3 $4 --dry-run >"$tmp/dry" 2>&1 || { cat "$tmp/dry"; return 1; }
    "$PARE" quantize "$1" "$tmp/e.gguf" "$2" $3 $4 >"$tmp/wet" 2>&1 || { cat "$tmp/wet"; return 1; }
    said=$(sed -n 's/.*, \([0-9]*\) bytes (dry run)$/\1/p' "$tmp/dry")
    [ "$said" = "$(cat "$tmp"/e*.gguf | wc -c)" ] && return
    echo "said $said, wrote $(cat "$tmp"/e*.gguf | wc -c)"
    return 1
}

ok "convert" "$PARE" convert "$demo" "$tmp/bf16.gguf"
dat "$tmp/i.dat" ""
dat "$tmp/part.dat" blk.1.ffn_up
ok "importance" "$PARE" quantize "$demo" "$tmp/imp.gguf" Q4_K_M --imatrix "$tmp/i.dat"
ok "without" "$PARE" quantize "$demo" "$tmp/plain.gguf" Q4_K_M
differ() { ! cmp -s "$1" "$2"; }
ok "it matters" differ "$tmp/imp.gguf" "$tmp/plain.gguf"
ok "said in the file" says "quantize.imatrix.file" "$PARE" inspect "$tmp/imp.gguf"
needing="IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ2_M IQ3_XXS IQ3_XS Q2_K_S"
for mix in $needing; do
    ok "$mix needs it" fails 2 "needs an importance matrix (--imatrix): tensor blk.0." \
        "$PARE" quantize "$demo" "$tmp/x.gguf" $mix
done
ok "one tensor is missing" fails 2 "blk.1.ffn_up.weight" "$PARE" quantize "$demo" "$tmp/x.gguf" Q2_K_S --imatrix "$tmp/part.dat"
ok "a dry run only warns" says "needs an importance matrix" "$PARE" quantize "$demo" "$tmp/x.gguf" IQ2_M --dry-run
for mix in $needing; do
    ok "$mix with it, to the byte that a dry run says" exact "$demo" $mix --imatrix "$tmp/i.dat"
done
ok "rules know of it" "$PARE" quantize "$demo" "$tmp/q40.gguf" Q4_0 --imatrix "$tmp/i.dat"
ok "no importance matrix there" fails 1 "$tmp/nowhere" "$PARE" quantize "$demo" "$tmp/x.gguf" Q4_0 --imatrix "$tmp/nowhere"
cp "$tmp/i.dat" "$tmp/kept.dat"
ok "output on the importance matrix" fails 2 "would replace" "$PARE" quantize "$demo" "$tmp/i.dat" Q4_0 --imatrix "$tmp/i.dat"
ok "which is unharmed" cmp "$tmp/i.dat" "$tmp/kept.dat"

for mix in Q4_1 iq4_xs q3_k_l Q3_K Q2_K IQ3_S IQ3_M IQ4_NL NVFP4 MXFP4 MXFP4_MOE tq1_0 TQ2_0 Q1_0 Q2_0 BF16; do
    ok "dry run of $mix is exact" exact "$demo" $mix
done
ok "dry run in parts is exact" exact "$demo" Q4_K_M --split-max-size 90K
ok "dry run of pure is exact" exact "$tmp/bf16.gguf" Q6_K --pure
ok "in lines by type" says "Q6_K             1" "$PARE" quantize "$demo" "$tmp/x.gguf" Q4_0 --dry-run

ok "parts" "$PARE" convert "$demo" "$tmp/s.gguf" --split-max-size 900K
names() { grep -aoE '(blk\.[0-9]+\.|output_|token_)[a-z_]+\.weight' "$1" | sort; }
parts() { # parts A B: as many files of each, with the same tensors
    for f in "$tmp/$1"-0*.gguf; do
        other=$tmp/$2${f#"$tmp/$1"}
        names "$f" >"$tmp/a"
        names "$other" >"$tmp/b"
        [ -s "$tmp/a" ] && cmp "$tmp/a" "$tmp/b" || return 1
    done
}
s1=$(echo "$tmp"/s-00001-of-*.gguf)
ok "keep parts" "$PARE" quantize "$s1" "$tmp/k.gguf" Q4_0 --keep-split
ok "the same parts" parts s k
ok "no others" test "$(echo "$tmp"/s-0*.gguf | wc -w)" = "$(echo "$tmp"/k-0*.gguf | wc -w)"
ok "dry run of them is exact" exact "$s1" Q5_0 --keep-split
ok "dry run of them with numbers beside is exact" exact "$s1" NVFP4 --keep-split
ok "which are in the same parts" test "$(echo "$tmp"/s-0*.gguf | wc -w)" = "$(echo "$tmp"/e-0*.gguf | wc -w)"
ok "which is one model" "$PARE" quantize "$tmp/k-${s1##*/s-}" "$tmp/one.gguf" Q8_0 --allow-requantize
ok "one file stays one" "$PARE" quantize "$tmp/bf16.gguf" "$tmp/single.gguf" Q4_0 --keep-split
ok "under its name" test -s "$tmp/single.gguf"
ok "either" fails 2 "expected one of them" "$PARE" quantize "$s1" "$tmp/x.gguf" Q4_0 --keep-split --split-max-size 1M
ok "not over the parts" fails 2 "would replace" "$PARE" quantize "$s1" "$tmp/s.gguf" Q4_0 --keep-split

ok "by pattern" "$PARE" quantize "$demo" "$tmp/o.gguf" q4_k_m --tensor-type 'blk\.[02]\.attn_(q|k)=q8_0' \
    --tensor-type 'attn=F16' --tensor-type ffn_down=iq4_nl --embedding-type q5_0
ok "the first wins" has_type "$tmp/o.gguf" blk.2.attn_k.weight Q8_0
ok "then the second" has_type "$tmp/o.gguf" blk.1.attn_k.weight F16
ok "then the third" has_type "$tmp/o.gguf" blk.1.ffn_down.weight IQ4_NL
ok "then the mix" has_type "$tmp/o.gguf" blk.1.ffn_up.weight Q4_K
ok "the embedding" has_type "$tmp/o.gguf" token_embd.weight Q5_0
ok "a pattern without a tensor" fails 2 'pattern "attn_w" finds no tensor' \
    "$PARE" quantize "$demo" "$tmp/x.gguf" Q4_0 --tensor-type attn_w=Q8_0
ok "a pattern that finds norms" fails 2 'pattern "_norm" finds no tensor that can be quantized' \
    "$PARE" quantize "$demo" "$tmp/x.gguf" Q4_0 --tensor-type _norm=Q8_0
ok "the nearest type" fails 2 "the nearest is IQ2_XXS" "$PARE" quantize "$demo" "$tmp/x.gguf" Q4_0 --tensor-type ffn=IQ2XXS
ok "the nearest mix" fails 2 "the nearest is Q4_K_M" "$PARE" quantize "$demo" "$tmp/x.gguf" q4km
ok "no type of a matrix" fails 2 '"I32" is no type of a matrix' "$PARE" quantize "$demo" "$tmp/x.gguf" Q4_0 --output-type I32

cp "$tmp/bf16.gguf" "$tmp/in.gguf"
ln "$tmp/in.gguf" "$tmp/hard.gguf"
ln -s in.gguf "$tmp/soft.gguf"
for out in in hard soft; do
    ok "output on the input: $out" fails 2 "would replace" "$PARE" quantize "$tmp/in.gguf" "$tmp/$out.gguf" Q4_0
done
mkdir "$tmp/ck"
cp "$demo"/* "$tmp/ck/"
ln "$tmp/ck/model.safetensors" "$tmp/shard"
ln -s ck/model.safetensors "$tmp/soft-shard"
mv "$tmp/ck/model.safetensors" "$tmp/blob"
ln -s ../blob "$tmp/ck/model.safetensors"
ln "$s1" "$tmp/part"
for out in shard soft-shard blob ck/model.safetensors ck/config.json; do
    ok "output on the checkpoint: $out" fails 2 "would replace" "$PARE" quantize "$tmp/ck" "$tmp/$out" Q4_0
done
last=$(echo "$tmp"/s-0*.gguf | sed 's/.* //')
ln "$last" "$tmp/last"
ok "output on a part" fails 2 "would replace" "$PARE" quantize "$s1" "$tmp/last" Q4_0
ok "the input is unharmed" cmp "$tmp/bf16.gguf" "$tmp/in.gguf"
ok "so is the checkpoint" cmp "$demo/model.safetensors" "$tmp/blob"
ok "nothing left behind" absent "$tmp"/x.gguf* "$tmp"/*.part
echo "1..$n"
