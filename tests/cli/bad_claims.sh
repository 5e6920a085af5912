#!/bin/sh
# A GGUF whose pare.arch keys claim what its weights do not have: each is refused in one line,
# or runs as it says; never read by sizes the weights lack.
# shellcheck source=tests/lib.sh
. tests/lib.sh
pare convert $demo "$d/f.gguf" --type q8_0
ok $? "convert"

# claim KEY TYPE VALUE-PERL WORDS: with this key before the others; a text after it keeps the
# tensors where they were, by multiples of 32 bytes
claim() {
    perl -0777 -pe 'BEGIN { ($k, $t, $v) = splice @ARGV, 0, 3; $v = eval $v }
        $kv = pack("Q</a* L<", "pare.arch.$k", $t) . $v;
        $kv .= pack("Q</a* L< Q</a*", "zz", 8, "x" x (-(length($kv) + 22) % 32));
        substr($_, 16, 8) = pack("Q<", 2 + unpack("Q<", substr($_, 16, 8)));
        substr($_, 24, 0) = $kv' "$1" "$2" "$3" "$d/f.gguf" >"$d/g.gguf"
    words=$4
    small logits "$d/g.gguf"
    ok $? "pare.arch.$1 $3: $4"
}
claim n_head 4 'pack "L<", 3' "3 query heads are no multiple of 2"
claim n_head 4 'pack "L<", 4294967294' "expected shape"
claim head_k 4 'pack "L<", 4294967295' "expected shape"
claim head_v 4 'pack "L<", 7' "expected shape"
claim n_ff 6 'pack "f<", -1' "pare.arch.n_ff: -1 is out of range"
claim n_ff 6 'pack "f<", 1e30' "out of range"
claim n_ff 6 'pack "L<", 0x7fc00000' "pare.arch.n_ff: nan is out of range"
claim n_ff 8 'pack "Q</a*", "x"' "pare.arch.n_ff: expected a number"
claim n_rot 4 'pack "L<", 3' "3 rotated values"
claim n_rot 4 'pack "L<", 4294967294' "rotated values"
claim rope_type 4 'pack "L<", 9' "rope scaling 9"
claim rope_type 4 'pack "L<", 4' "divisors without their tensor"
claim rope_base 4 'pack "L<", 1' "rope base 1"
claim position 4 'pack "L<", 9' "positions 9"
claim position 4 'pack "L<", 2' "the positions' embeddings are missing"
claim qk_norm 4 'pack "L<", 4000000000' "norms"
claim act 4 'pack "L<", 77' "no activation 77"
claim kv_shared 4 'pack "L<", 3' "no layer of its kind has keys"
claim kv_shared 9 'pack("L< Q<", 6, 3) . pack("f<3", 0, 0, 1)' "expected one value for all layers"
claim at_recurrent 4 'pack "L<", 1' "no mixer"
claim at_experts 4 'pack "L<", 1' "missing"
claim at_ffn 4 'pack "L<", 0' "does not compute with it"
claim at_mixer 9 'pack("L< Q<", 6, 2) . pack("f<2", 0, 1)' "each of 3 layers, found 2"
claim n_head_kv 9 'pack("L< Q<", 6, 3) . pack("f<3", 1, 2, 4)' "expected shape"
claim window 4 'pack "L<", 1' ""
claim chunk 4 'pack "L<", 1' ""
claim attn_scale 6 'pack "f<", 0' ""
claim n_embd_layer 4 'pack "L<", 4294967295' "layers' own inputs is missing"
claim ssm_inner 4 'pack "L<", 4294967295' ""
# more tokens than embeddings: a text's last token is no row of the logits
perl -0777 -pe 's/(token_embd\.weight.{12}).{8}/$1 . pack("Q<", 1000)/se;
    s/(llama\.vocab_size.{4}).{4}/$1 . pack("L<", 1000)/se' "$d/f.gguf" >"$d/g.gguf"
refused 1 "1024 tokens in the vocabulary, but embeddings of 1000" generate "$d/g.gguf" -p x -n 1
