#!/bin/sh
# pare distill: a student is trained and written, the same bytes whatever stopped it on the way;
# what can't be done is said in one line.
# shellcheck source=tests/lib.sh
. tests/lib.sh

# student OUT OPTIONS...: a small run
student() {
    to=$1
    shift
    set -- distill $demo "$to" --text $demo/calibration.txt --layers 2 --ctx 48 --batch 2 --steps 8 \
        --eval-every 3 --save-every 2 --held-tokens 200 --ema 0.5 --lr 2e-4 --seed 3 --type f32 "$@"
    # shellcheck disable=SC2086
    $below "$PARE" "$@" >"$d/out" 2>"$d/err" </dev/null
}
below=

# ---- what comes out -------------------------------------------------------------------
student "$d/whole.gguf"
ok $? "a student: $(tail -1 "$d/out" | sed "s|$d||")"
grep -q '^student: 2 layers, hidden 256.*1.84 M parameters (teacher: 2.62 M)$' "$d/out"
ok $? "its size is said first"
grep -q '^blocks that go, and their influence: 1 (0\.[0-9]*)$' "$d/out"
ok $? "and which block goes"
[ ! -e "$d/whole.gguf.train" ] && [ "$(wc -l <"$d/whole.gguf.log.csv")" = 13 ]
ok $? "a log of 8 steps and 4 evaluations stays, the rest is gone"
first=$(sed -n 's/^step 0: KL \([0-9.]*\).*/\1/p' "$d/out") last=$(sed -n 's/^step 8: KL \([0-9.]*\).*/\1/p' "$d/out")
perl -e 'exit !($ARGV[1] < 0.95 * $ARGV[0])' "$first" "$last"
ok $? "KL falls: $first to $last"
pare inspect "$d/whole.gguf" --verify && pare generate "$d/whole.gguf" -p "Once upon" -n 4
ok $? "the student runs"
student "$d/folder" && pare convert "$d/folder" "$d/again.gguf" --type f32 && pare inspect "$d/again.gguf" --verify
ok $? "a folder that converts"
student "$d/odd" --hidden 198 --steps 1 && grep -q MistralForCausalLM "$d/odd/config.json" &&
    pare convert "$d/odd" "$d/odd.gguf" --type f32 && pare inspect "$d/odd.gguf" --verify
ok $? "one of a width that transformers' Llama does not take: as Mistral"
fresh && sed -i 's/"eos_token_id": 0/"eos_token_id": [0, 7, 5]/' "$d/ck/generation_config.json" &&
    pare distill "$d/ck" "$d/ends" --text $demo/calibration.txt --layers 1 --ctx 32 --batch 1 --steps 1 --held-back 0 &&
    tr -d ' \n' <"$d/ends/generation_config.json" | grep -q '"eos_token_id":\[0,7,5\]'
ok $? "which ends where its teacher does"
student "$d/to/o.gguf" -t 1 && cmp "$d/to/o.gguf" "$d/whole.gguf"
ok $? "the same bytes with one thread"
student "$d/to/o.gguf" --batch 1 --accumulate 2 &&
    perl -e 'sub c { open F, "<", $_[0]; my @r = grep { (split /,/)[2] } <F>; (split /,/, $r[8])[2] }
        $a = c($ARGV[0]); $b = c($ARGV[1]); exit !(abs($a - $b) < 1e-5 * $a)' \
        "$d/to/o.gguf.log.csv" "$d/whole.gguf.log.csv"
ok $? "two batches of one are one of two"
for loss in "0.5*ce + 0.5*jsd(0.3)" "forward_kl + 0.01*hidden_mse + hidden_cos" "ce"; do
    student "$d/to/o.gguf" --loss "$loss" --temperature 2 --steps 2 --freeze token_embd --math bf16
    ok $? "loss $loss"
done

student "$d/to/o.gguf" --steps 2 --loss "forward_kl + hidden_cos" && cp "$d/to/o.gguf" "$d/even.gguf" &&
    student "$d/to/o.gguf" --steps 2 --loss "forward_kl + hidden_cos" --hidden-map 0:0 && ! cmp -s "$d/to/o.gguf" "$d/even.gguf"
ok $? "another map of blocks"

# warned WORDS OPTIONS...: what would go wrong in silence
warned() {
    words=$1
    shift
    student "$d/to/o.gguf" --steps 2 "$@" && grep -q "^pare distill: warning: .*$words" "$d/err"
    ok $? "$words"
}
warned "does not come to 0.0002" --warmup 10
warned "overlap: 1 and 2 of 2" --warmup 1 --schedule wsd --decay 2
warned "evaluations that could stop" --patience 2 --held-back 0
warned "still 98 % the weights of the start" --ema 0.99
warned "no evaluation was better" --lr 0
warned "the loss rose from .* (mean of the first 1 of 12 steps) to .* (of as many at the end)" --held-back 0 --lr 0.05 --warmup 0 --steps 12
student "$d/to/o.gguf" --held-back 0 --steps 20 && ! grep -q warning "$d/err" && grep -q ': loss [0-9.]* -> [0-9.]*, 1920 tokens' "$d/out" &&
    perl -F, -lane 'if (($F[2] // "") =~ /^\d/) { push @l, $F[2] } END { printf "loss %.4f -> %.4f,\n", ($l[0] + $l[1]) / 2, ($l[-1] + $l[-2]) / 2 }' \
        "$d/to/o.gguf.log.csv" >"$d/means" && grep -qF -f "$d/means" "$d/out"
ok $? "without evaluations the losses are told: $(cat "$d/means")"
warned "no evaluation was better" --lr 0.1 --warmup 0 --patience 1 --eval-every 1

# ---- killed, and gone on with ---------------------------------------------------------
rm -rf "$d/to" && mkdir "$d/to"
begun=$(date +%s%N)
student "$d/to/o.gguf"
took=$((($(date +%s%N) - begun) / 1000000))
# kill_program SIGNAL PID: of a shell whose child it is
kill_program() {
    # shellcheck disable=SC2046
    kill -"$1" $(ps -o pid= --ppid "$2") 2>/dev/null
}
# same_end: what stopped it on the way, the run ended as one that was left alone
timeless() { sed 's/^\([^,]*,[^,]*,[^,]*,[^,]*,[^,]*\),[^,]*/\1/' "$1"; }
timeless "$d/whole.gguf.log.csv" >"$d/whole.rows"
same_end() {
    cmp "$d/to/o.gguf" "$d/whole.gguf" && timeless "$d/to/o.gguf.log.csv" | cmp - "$d/whole.rows" && [ ! -e "$d/to/o.gguf.train" ]
}
for signal in KILL INT; do
    rm -rf "$d/to" && mkdir "$d/to"
    bad=0 hit=0
    for i in 2 3 4 5 6 7; do
        student "$d/to/o.gguf" &
        pid=$!
        ms $((took * i / 8))
        kill_program $signal $pid && hit=$((hit + 1))
        wait $pid 2>"$d/shell"
        got=$?
        [ $got != 0 ] || break
        [ $signal = KILL ] || { [ $got = 1 ] && one_line distill && grep -q interrupted "$d/err"; } || [ $got -gt 128 ] || bad=1
        # a student that is there is whole: what came too late for it hit the cleaning up
        [ ! -e "$d/to/o.gguf" ] || cmp "$d/to/o.gguf" "$d/whole.gguf" || bad=1
    done
    [ $got = 0 ] || student "$d/to/o.gguf" || bad=1
    same_end || bad=1
    ok $bad "SIG$signal $hit times: the same bytes, the same log"
done

# at the end, where the student is there and the folder goes
for found in o.gguf o.gguf.log.csv; do
    rm -rf "$d/to" && mkdir "$d/to"
    student "$d/to/o.gguf" &
    pid=$!
    while [ ! -e "$d/to/$found" ] && kill -0 $pid 2>/dev/null; do :; done
    kill_program KILL $pid
    wait $pid 2>"$d/shell"
    cmp "$d/to/o.gguf" "$d/whole.gguf" && student "$d/to/o.gguf" && same_end
    ok $? "SIGKILL when $found appears"
done
# killed_at CALL FILE: by the system call instead of it
killed_at() {
    rm -rf "$d/to" && mkdir "$d/to"
    below="strace -o $d/trace -P $d/to/$2 -e trace=$1 -e inject=$1:signal=KILL"
    student "$d/to/o.gguf" 2>"$d/shell"
    got=$?
    below=
    [ $got = 137 ] && student "$d/to/o.gguf" && same_end
    ok $? "SIGKILL at $1 of $2"
}
if strace -o "$d/trace" true 2>"$d/shell"; then
    killed_at rename o.gguf.train/best.part
    killed_at rename o.gguf.part
    killed_at rename o.gguf.log.csv.part
    killed_at unlink o.gguf.train/state
    killed_at unlink o.gguf.train/best
    killed_at unlink o.gguf.train/identity
fi

# ---- a run of its own -------------------------------------------------------------------
rm -rf "$d/to" && mkdir "$d/to"
student "$d/to/o.gguf" --keep && cmp "$d/to/o.gguf.log.csv" "$d/to/o.gguf.train/log.csv" && rm "$d/to/o.gguf" && student "$d/to/o.gguf" --keep && cmp "$d/to/o.gguf" "$d/whole.gguf"
ok $? "a run that is over is written again"
again() { student "$d/to/o.gguf" --keep "$@"; }
# said WORDS: the last run failed with this one line
said() {
    got=$?
    [ $got != 0 ] && one_line distill && grep -qF -e "$1" "$d/err"
    bad=$?
    [ $bad = 0 ] || sed 's/^/# /' "$d/err"
    ok $bad "$1"
}
again --lr 1e-4
said "of a run with other options or inputs"
cp "$d/to/o.gguf.train/state" "$d/state"
printf 'x' | put "$d/to/o.gguf.train/state" 100000
again
said "its checksum does not fit"
head -c 100000 "$d/state" >"$d/to/o.gguf.train/state"
again
said "has not the size"
printf 'something else' >"$d/to/o.gguf.train/state"
again
said "not a checkpoint"
rm "$d/to/o.gguf.train/state"
again && cmp "$d/to/o.gguf" "$d/whole.gguf"
ok $? "without its checkpoint it begins anew"

rm -rf "$d/to" && mkdir "$d/to"
student "$d/to/o.gguf" --steps 1000 &
pid=$!
while [ ! -e "$d/to/o.gguf.train/log.csv" ] && kill -0 $pid 2>/dev/null; do ms 50; done
student "$d/to/o.gguf" --steps 1000
said "another process trains there"
kill_program KILL $pid
wait $pid 2>"$d/shell"
rm -rf "$d/to" && mkdir "$d/to"
student "$d/to/o" --keep && cp -r "$d/to/o" "$d/folder.whole" && student "$d/to/o" && diff -r "$d/to/o" "$d/folder.whole" &&
    [ -e "$d/to/o.log.csv" ] && [ ! -e "$d/to/o.train" ]
ok $? "a folder that a killed run wrote counts as written"
student "$d/to/o"
said "no empty folder"

# ---- the teacher's targets as a file ----------------------------------------------------
rm -rf "$d/to" && mkdir "$d/to"
student "$d/to/a.gguf" --cache "$d/cache" --cache-k 32 && grep -q '^cache: .* bytes each' "$d/out" &&
    student "$d/to/b.gguf" --cache "$d/cache" --cache-k 32 && cmp "$d/to/a.gguf" "$d/to/b.gguf"
ok $? "a cache made, and used: the same bytes"
"$PARE" quantize $demo "$d/other.gguf" Q4_0 >"$d/log" 2>&1
"$PARE" distill "$d/other.gguf" "$d/to/o.gguf" --text $demo/calibration.txt --layers 2 --ctx 48 --held-tokens 200 --cache "$d/cache" >"$d/out" 2>"$d/err"
said "$d/cache"
student "$d/to/o.gguf" --cache "$d/cache" --ctx 32
said "$d/cache"
[ ! -e "$d/to/o.gguf.train" ]
ok $? "a cache of another shape leaves nothing"
student "$d/to/o.gguf" --cache "$d/cache" --cache-k 32 --temperature 2
said "made at temperature 1, this run's is 2"
student "$d/to/o.gguf" --cache "$d/cache"
said "it has 32 most probable tokens of a row, expected 128"
student "$d/to/o.gguf" --cache "$d/none" --loss hidden_mse
said "a cache holds no residual streams"
student "$d/to/o.gguf" --cache $demo/config.json
said "$demo/config.json"

# ---- what can't be done -------------------------------------------------------------------
rm -rf "$d/to" && mkdir "$d/to"
student "$d/to/o.gguf" --warmup 0 --clip 0 --lr 1e6
said "is not finite"
grep -q "step [2-9]: the [a-z]* is not finite, first in the .* of [a-z]" "$d/err"
ok $? "which step, which tensor"
rm -rf "$d/to" && mkdir "$d/to"
t="--text $demo/calibration.txt"
# no COMMAND-LINE WORDS
no() {
    # shellcheck disable=SC2086
    set -- "$2" $1
    words=$1
    shift
    pare distill "$@"
    said "$words"
}
no "$demo $d/to/o" "expected a text to train on"
no "$demo $d/to/o $t --loss kl" "loss 'kl'"
no "$demo $d/to/o $t --loss jsd(3)" "loss 'jsd(3)'"
no "$demo $d/to/o $t --schedule up" "expected one of cosine, wsd, constant"
no "$demo $d/to/o $t --math f64" "expected one of f32, bf16"
no "$demo $d/to/o $t --type Q4_0" "expected one of bf16, f32, f16"
no "$demo $d/to/o $t --tokens many" "--tokens"
no "$demo $d/to/o $t=-1" "weight"
no "$demo $d/to/o $t --layers 9" "layers 9"
no "$demo $d/to/o $t --layers x" "layers"
no "$demo $d/to/o $t --hidden 100000" "hidden"
no "$demo $d/to/o $t --only nothing" "no tensor is left to train"
no "$demo $d/to/o $t --freeze nothing --layers 2 --ctx 48 --steps 1" "no tensor's name has 'nothing'"
no "$demo $d/to/o $t --freeze ( --layers 2 --ctx 48 --steps 1" "("
no "$demo $d/to/o $t --quantize Q4_0" "written as a .gguf"
no "$demo $d/to/o.gguf $t --quantize Q4_0_0" "unknown mix"
no "$demo $d/to/o.gguf $t --imatrix $d/none" "for --quantize"
no "$demo $d/to/o.gguf $t --quantize Q2_K --qad some" "expected one of all, scales"
no "$demo $demo $t" "$demo"
no "$d/none $d/to/o $t" "$d/none"
no "$demo $d/to/o --text $d/none" "$d/none"
printf 'Once upon a time' >"$d/short"
: >"$d/empty"
no "$demo $d/to/o --text $d/short" "window"
no "$demo $d/to/o --text $d/empty" "an empty file"
no "$demo $d/to/o $t --hidden 128 --loss hidden_mse --ctx 48 --steps 1" "are 128 wide"
no "$demo $d/to/o $t --layers 2 --loss hidden_cos --hidden-map 0:3" "blocks of the student (0 to 1)"
no "$demo $d/to/o $t --hidden-map 0:1" "is for losses with hidden_mse"
no "$demo $d/to/o $t --layers 1 --ctx 48 --cache $demo/config.json" "$demo/config.json"
[ -z "$(ls -A "$d/to")" ]
ok $? "nothing is left"

# ---- a student whose vocabulary is padded -------------------------------------------------
fresh # 64 rows more, copies of the first ones
perl -e '
    undef $/; open F, "<", $ARGV[0]; $f = <F>; $n = unpack "Q<", $f; $h = substr $f, 8, $n; $data = substr $f, 8 + $n;
    $more = 64 * 512;
    $h =~ s/(embed_tokens.weight":\{"dtype":"BF16","shape":\[)1024(,256\],"data_offsets":\[0,)(\d+)/$1 . 1088 . $2 . $3/e or exit 1;
    $end = $3;
    $h =~ s/(data_offsets":\[)(\d+),(\d+)/$1 . ($2 ? $2 + $more : 0) . "," . ($3 + $more)/ge;
    substr($data, $end, 0) = substr($data, 0, $more);
    open F, ">", $ARGV[0]; print F pack("Q<", length $h), $h, $data;' "$d/ck/model.safetensors"
sed -i 's/"vocab_size": 1024/"vocab_size": 1088/' "$d/ck/config.json"
for loss in forward_kl reverse_kl "0.5*ce + 0.5*jsd(0.3)" tvd; do
    rm -rf "$d/to" && mkdir "$d/to"
    "$PARE" distill $demo "$d/to/o.gguf" --text $demo/calibration.txt --from "$d/ck" --ctx 48 --batch 2 --steps 6 \
        --held-tokens 200 --loss "$loss" >"$d/out" 2>"$d/err" &&
        [ "$(grep -c '^[1-6],[0-9]*,[0-9]' "$d/to/o.gguf.log.csv")" = 6 ] && "$PARE" inspect "$d/to/o.gguf" | grep -q 1088
    bad=$?
    [ $bad = 0 ] || sed 's/^/# /' "$d/err"
    ok $bad "$loss, tokens that only the student has"
done

# ---- through a mix's types ----------------------------------------------------------------
# quantized OUT WHAT OPTIONS...
quantized() {
    to=$1 what=$2
    shift 2
    "$PARE" distill $demo "$to" --text $demo/calibration.txt --ctx 64 --batch 4 --steps 8 --eval-every 4 \
        --save-every 2 --held-tokens 512 --quantize Q2_K --qad "$what" "$@" >"$d/out" 2>"$d/err" </dev/null
}
for what in all scales; do
    quantized "$d/$what.gguf" $what
    ok $? "$what: $(tail -1 "$d/out" | sed "s|$d||")"
    first=$(sed -n 's/^step 0: KL \([0-9.]*\).*/\1/p' "$d/out") last=$(sed -n 's/^step 8: KL \([0-9.]*\).*/\1/p' "$d/out")
    perl -e 'exit !($ARGV[1] < 0.98 * $ARGV[0])' "$first" "$last"
    ok $? "$what: KL falls: $first to $last"
    rm -rf "$d/to" && mkdir "$d/to"
    quantized "$d/to/o.gguf" $what &
    pid=$!
    ms $((took / 2))
    kill_program KILL $pid
    wait $pid 2>"$d/shell"
    quantized "$d/to/o.gguf" $what -t 1 && cmp "$d/to/o.gguf" "$d/$what.gguf"
    ok $? "$what: killed, and gone on with: the same bytes"
done
rm -rf "$d/to" && mkdir "$d/to"
quantized "$d/to/o.gguf" all --quantize Q4_0 --lr 1e6 --clip 0 --warmup 0
said "is too large for Q4_0: try a lower learning rate, or more warmup; the last checkpoint stays"
grep -q ": step [2-4]: tensor blk[.]" "$d/err"
ok $? "which step, which tensor"
tensors() { "$PARE" inspect "$1" --verify | grep -E '^(blk|token|output)' | sed 's/ *[0-9a-f]*$//'; }
pare convert $demo "$d/f32.gguf" --type f32 && pare quantize "$d/f32.gguf" "$d/plain.gguf" Q2_K &&
    tensors "$d/plain.gguf" >"$d/a" && [ -s "$d/a" ] && tensors "$d/all.gguf" | cmp - "$d/a"
ok $? "tensors and types are pare quantize's"

# ---- no room ------------------------------------------------------------------------------
rm -rf "$d/to" && mkdir "$d/to"
student "$d/to/o.gguf" &
pid=$!
ms $((took * 3 / 4))
kill_program KILL $pid
wait $pid 2>"$d/shell"
(
    ulimit -f 30000
    trap '' XFSZ
    student "$d/to/o.gguf"
)
got=$?
[ $got = 1 ] && one_line distill && grep -qE "(checkpoint|weights|log).*o.gguf.train" "$d/err"
bad=$?
[ $bad = 0 ] || sed "s/^/# $got /" "$d/err"
ok $bad "no room for a checkpoint"
student "$d/to/o.gguf" && cmp "$d/to/o.gguf" "$d/whole.gguf"
ok $? "and on from the one before"
