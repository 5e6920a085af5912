#!/bin/sh
# pare distill under mpirun: any number of ranks learns the same, and a rank that dies ends the job, which goes
# on from its last checkpoint.
# shellcheck source=tests/lib.sh
. tests/lib.sh
if ! command -v mpirun >/dev/null || ! ldd "$PARE" 2>/dev/null | grep -q libmpi; then
    echo "1..0 # SKIP no MPI"
    exit 0
fi
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# ranks N OUT OPTIONS...: a small run of N
ranks() {
    n=$1 to=$2
    shift 2
    timeout -k 1 120 mpirun --oversubscribe -np "$n" "$PARE" distill $demo "$to" --text $demo/calibration.txt \
        --layers 2 --ctx 48 --batch 2 --accumulate 2 --steps 8 --eval-every 3 --save-every 2 --held-tokens 200 \
        --ema 0.5 --lr 1e-3 --type f32 -t 1 "$@" >"$d/out" 2>"$d/err" </dev/null
}

# rank OUT: the process of the last rank, below timeout and mpirun
rank() {
    pgrep -f "distill $demo $1" | while read -r p; do
        case $(cat /proc/"$p"/comm 2>/dev/null) in pare | exe) echo "$p" ;; esac
    done | tail -n 1
}

# far A B: the largest relative difference of two logs' losses
far() {
    paste -d, "$1" "$2" | awk -F, 'NR > 1 && $3 != "" { d = $3 - $12; d = (d < 0 ? -d : d) / $3; m = d > m ? d : m; n++ }
        END { print n == 8 ? m + 0 : "not 8 steps" }'
}

"$PARE" distill $demo "$d/alone.gguf" --text $demo/calibration.txt --layers 2 --ctx 48 --batch 2 --accumulate 2 \
    --steps 8 --eval-every 3 --save-every 2 --held-tokens 200 --ema 0.5 --lr 1e-3 --type f32 -t 1 >"$d/out" 2>"$d/err"
ok $? "alone"
for n in 1 2 4; do
    ranks $n "$d/r$n.gguf"
    ok $? "$n ranks: $(tail -n 1 "$d/out" | sed "s|$d||")"
    off=$(far "$d/alone.gguf.log.csv" "$d/r$n.gguf.log.csv")
    awk -v x="$off" 'BEGIN { exit !(x ~ /^[0-9.e-]+$/ && x < 1e-5) }'
    ok $? "their losses are those of one: $off"
    [ "$(grep -c '^step 8: ' "$d/out")" = 1 ]
    ok $? "one of them speaks"
done
cmp -s "$d/alone.gguf" "$d/r1.gguf"
ok $? "one rank gives the bytes of none"
ranks 2 "$d/again.gguf" && cmp -s "$d/again.gguf" "$d/r2.gguf"
ok $? "the same bytes twice"

# a rank dies after the first checkpoint
ranks 2 "$d/k.gguf" --keep --steps 2000 &
job=$!
for _ in $(seq 600); do
    [ -e "$d/k.gguf.train/state" ] && break
    sleep 0.1
done
kill -9 "$(rank "$d/k.gguf")"
wait $job
[ $? != 0 ]
ok $? "a rank that dies ends the job"
sleep 0.5
[ -z "$(rank "$d/k.gguf")" ]
ok $? "and all of it"
[ -e "$d/k.gguf.train/state" ] && [ ! -e "$d/k.gguf" ]
ok $? "a checkpoint stays"

# interrupted, and gone on with by another number of ranks
ranks 2 "$d/i.gguf" --keep --save-every 1 &
job=$!
for _ in $(seq 600); do
    [ -e "$d/i.gguf.train/state" ] && break
    sleep 0.1
done
kill -9 "$(rank "$d/i.gguf")" 2>"$d/log"
wait $job
ranks 2 "$d/i.gguf" --keep --save-every 1 && cmp -s "$d/i.gguf" "$d/r2.gguf"
ok $? "the same bytes as without"

ranks 2 "$d/no.gguf" --text "$d/none.txt"
[ $? != 0 ] && [ "$(grep -c '^pare distill: rank 0: .*none.txt' "$d/err")" = 1 ] && ! grep -q "rank 1: " "$d/err"
ok $? "what can't be done is said once"
