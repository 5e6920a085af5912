#!/bin/sh
# pare tokenize on a megabyte of nearly nothing: one letter, spaces, combining marks, broken
# bytes. Linear work takes a tenth of a second of these limits, quadratic work minutes.
. tests/lib.sh
[ -f $demo/tokenizer.json ] || { echo "ok - long texts # SKIP no demo checkpoint"; exit 0; }
case $PARE in # sanitizers are slow
*asan* | *tsan* | *fuzz*) bytes=100000 limit=60 ;;
*) bytes=1000000 limit=10 ;;
esac

# text NAME PRINTF-FORMAT: $d/text.NAME, that many bytes of the same few
text() {
    # shellcheck disable=SC2059
    printf "$2" >"$d/unit"
    while [ "$(wc -c <"$d/unit")" -lt $bytes ]; do
        cat "$d/unit" "$d/unit" >"$d/twice"
        mv "$d/twice" "$d/unit"
    done
    head -c $bytes "$d/unit" >"$d/text.$1"
}
text letter a
text spaces ' '
text lines '\n'
text digits 7
text pairs 'a '
text marks '\314\201'
text two-marks '\314\210\314\243'
text emoji '\360\237\221\215'
text broken '\377'
text brackets '<'
text special '</s>'
text chinese '\344\270\255'
text no-break '\302\240'
text quotes "'s"
text arabic-digits '\331\241'
awk -v n=$bytes 'BEGIN { srand(1); for (i = 0; i < n; i++) printf "%c", 97 + int(26 * rand()) }' >"$d/text.word"
rm "$d/unit"

# linear WHAT MODEL [OPTION...]: every text within the limit
linear() {
    what=$1 model=$2
    shift 2
    for t in "$d"/text.*; do
        (
            ulimit -t $limit
            exec "$PARE" tokenize "$model" --ids --special "$@" --file "$t" >"$d/out" 2>"$d/err"
        )
        rc=$?
        [ $rc = 0 ] && [ -s "$d/out" ] && continue
        echo "not ok - $what: $(basename "$t"): exit $rc: $(head -c 300 "$d/err")"
        return
    done
    echo "ok - $what"
}

# json NORMALIZER PRE_TOKENIZER MODEL [DECODER]: a tokenizer.json
json() {
    printf '%s\n' "{\"version\":\"1.0\",\"added_tokens\":[
    {\"id\":0,\"content\":\"<unk>\",\"single_word\":true,\"lstrip\":true,\"rstrip\":true,\"normalized\":false,\"special\":true},
    {\"id\":1,\"content\":\"</s>\",\"single_word\":false,\"lstrip\":true,\"rstrip\":true,\"normalized\":true,\"special\":false}],
    \"normalizer\":$1,\"pre_tokenizer\":$2,\"post_processor\":null,\"decoder\":${4:-null},\"model\":$3}"
}
vocab='"<unk>":0,"</s>":1,"\u2581":2,"a":3,"7":4,"s":5,"<":6,"b":7,"aa":8,"aaaa":9,"\u2581\u2581":10,"\u2581a":11,"77":12,"<<":13'
bytes_of=$(awk 'BEGIN { for (i = 0; i < 256; i++) printf ",\"<0x%02X>\":%d", i, 14 + i }')
merges='["a a","aa aa","\u2581 \u2581","\u2581 a","7 7","< <"]'
more='"unk_token":"<unk>","dropout":null,"continuing_subword_prefix":null,"end_of_word_suffix":null'
bpe="{\"type\":\"BPE\",\"vocab\":{$vocab},\"merges\":$merges,\"byte_fallback\":false,\"fuse_unk\":true,$more}"
fallback="{\"type\":\"BPE\",\"vocab\":{$vocab$bytes_of},\"merges\":$merges,\"byte_fallback\":true,\"fuse_unk\":true,$more}"
unigram='{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["</s>",0],["\u2581",-2],["a",-3],["aa",-4],["\u2581a",-4],["7",-5],["s",-5]]}'
wordpiece='{"type":"WordPiece","unk_token":"<unk>","continuing_subword_prefix":"##","max_input_chars_per_word":100000000,"vocab":{"<unk>":0,"</s>":1,"a":2,"##a":3,"##aa":4,"7":5}}'
escape='{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"\u2581"},{"type":"Replace","pattern":{"String":" "},"content":"\u2581"}]}'
metaspace='{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always","split":true}'

linear "byte-level BPE" $demo
for name in gpt-4o tekken deepseek-v3 deepseek-llm jais-2 bloom; do
    linear "cut as $name does" $demo --pre-tokenizer $name
done

# folder NAME: $d/NAME/, a checkpoint of the tokenizer.json on stdin
folder() {
    mkdir "$d/$1"
    cat >"$d/$1/tokenizer.json"
    cp tests/coded/llama/model.safetensors "$d/$1/"
    echo '{"architectures":["LlamaForCausalLM"],"model_type":"llama","vocab_size":300}' >"$d/$1/config.json"
}
json "$escape" null "$fallback" '{"type":"Sequence","decoders":[{"type":"ByteFallback"}]}' | folder spm
linear "SentencePiece BPE" "$d/spm"
json null "$metaspace" "$unigram" | folder unigram
linear "SentencePiece Unigram" "$d/unigram"
json null '{"type":"BertPreTokenizer"}' "$wordpiece" | folder wordpiece
linear "WordPiece" "$d/wordpiece"

# a tokenizer.json by itself is executed as it is
for kind in NFC NFD NFKC NFKD Lowercase StripAccents Nmt ByteLevel; do
    json "{\"type\":\"$kind\"}" null "$bpe" >"$d/t.json"
    linear "normalizer $kind" "$d/t.json"
done
json '{"type":"BertNormalizer"}' '{"type":"BertPreTokenizer"}' "$wordpiece" >"$d/t.json"
linear "normalizer BertNormalizer, WordPiece" "$d/t.json"
json '{"type":"Strip","strip_left":true,"strip_right":true}' null "$fallback" >"$d/t.json"
linear "normalizer Strip, byte fallback" "$d/t.json"
json '{"type":"Replace","pattern":{"String":"a"},"content":"bb"}' "$metaspace" "$unigram" >"$d/t.json"
linear "normalizer Replace, Unigram" "$d/t.json"
json '{"type":"Replace","pattern":{"Regex":" {2,}"},"content":"\u2581"}' '{"type":"Whitespace"}' "$bpe" >"$d/t.json"
linear "normalizer Replace by an expression, Whitespace" "$d/t.json"
json null '{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},{"type":"Punctuation","behavior":"Isolated"},{"type":"ByteLevel","add_prefix_space":false,"use_regex":true}]}' "$bpe" >"$d/t.json"
linear "a sequence of pre-tokenizers" "$d/t.json"
json null '{"type":"Split","pattern":{"Regex":"\\d{1,3}(?=(?:\\d{3})*\\b)"},"behavior":"Isolated","invert":false}' "$bpe" >"$d/t.json"
linear "digits in threes from the right" "$d/t.json"
