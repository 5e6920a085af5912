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

type="--type f32"
# ranks N OUT OPTIONS...: a small run of N; 0: without mpirun
ranks() {
    n=$1 to=$2
    shift 2
    # shellcheck disable=SC2046,SC2086
    timeout -k 1 120 $([ "$n" = 0 ] || echo mpirun --oversubscribe -np "$n") "$PARE" distill $demo "$to" --text $demo/calibration.txt \
        --layers 2 --ctx 48 --batch 2 --accumulate 2 --steps 8 --eval-every 3 --save-every 2 --held-tokens 200 \
        --ema 0.5 --lr 1e-3 $type -t 1 "$@" >"$d/out" 2>"$d/err" </dev/null
}

# rank OUT: the process of the last rank, below timeout and mpirun
rank() {
    pgrep -f "distill $demo $1" | while read -r p; do
        case $(cat /proc/"$p"/comm 2>/dev/null) in pare | exe) echo "$p" ;; esac
    done | tail -n 1
}

# near WHAT STEPS A B [MOST]: the largest relative difference of two logs' losses and KLs is less, 1e-5
near() {
    off=$(paste -d, "$3" "$4" | awk -F, -v steps="$2" '
        function far(a, b) { a -= b; a = (a < 0 ? -a : a) / b; m = a > m ? a : m }
        NR > 1 && $1 == $10 { if ($3 != "") { far($3, $12); n++ } else far($7, $16) }
        END { print n == steps ? m + 0 : n + 0 " steps" }')
    awk -v x="$off" -v most="${5:-1e-5}" 'BEGIN { exit !(x ~ /^[0-9.e-]+$/ && x < most + 0) }'
    ok $? "$1: $off"
}

# killed N OUT OPTIONS...: a run that dies when it has a checkpoint
killed() {
    ranks "$@" &
    job=$!
    while [ ! -e "$2.train/state" ] && kill -0 $job 2>/dev/null; do sleep 0.01; done
    kill -9 "$(rank "$2")" 2>"$d/log"
    wait $job
}

ranks 0 "$d/alone.gguf"
ok $? "alone"
for n in 1 2 4; do
    ranks $n "$d/r$n.gguf"
    ok $? "$n ranks: $(tail -n 1 "$d/out" | sed "s|$d||")"
    near "their losses are those of one" 8 "$d/r$n.gguf.log.csv" "$d/alone.gguf.log.csv"
    [ "$(grep -c '^step 8: ' "$d/out")" = 1 ]
    ok $? "one of them speaks"
done
cmp -s "$d/alone.gguf" "$d/r1.gguf"
ok $? "one rank gives the bytes of none"
ranks 2 "$d/again.gguf" && cmp -s "$d/again.gguf" "$d/r2.gguf"
ok $? "the same bytes twice"

# a rank dies after the first checkpoint
killed 2 "$d/k.gguf" --keep --steps 2000
[ $? != 0 ]
ok $? "a rank that dies ends the job"
sleep 0.5
[ -z "$(rank "$d/k.gguf")" ]
ok $? "and all of it"
[ -e "$d/k.gguf.train/state" ] && [ ! -e "$d/k.gguf" ]
ok $? "a checkpoint stays"

# killed, and gone on with by as many, and by others
more="--steps 24 --eval-every 8 --save-every 4"
# shellcheck disable=SC2086
{
    ranks 0 "$d/a.gguf" $more && ranks 2 "$d/b.gguf" $more
    killed 2 "$d/i.gguf" $more
    cp -r "$d/i.gguf.train" "$d/one.gguf.train" && cp -r "$d/i.gguf.train" "$d/four.gguf.train"
    killed 0 "$d/two.gguf" $more
    [ -e "$d/i.gguf.train/state" ] && [ -e "$d/two.gguf.train/state" ] && [ ! -e "$d/i.gguf" ] && [ ! -e "$d/two.gguf" ]
    ok $? "checkpoints of two ranks and of one"
    ranks 2 "$d/i.gguf" $more && cmp -s "$d/i.gguf" "$d/b.gguf"
    ok $? "the same bytes as without"
    ranks 0 "$d/one.gguf" $more
    near "two ranks' run that one goes on with" 24 "$d/one.gguf.log.csv" "$d/a.gguf.log.csv"
    ranks 4 "$d/four.gguf" $more
    near "that four go on with" 24 "$d/four.gguf.log.csv" "$d/a.gguf.log.csv"
    ranks 2 "$d/two.gguf" $more
    near "one's run that two go on with" 24 "$d/two.gguf.log.csv" "$d/a.gguf.log.csv"
}

# a rank that comes late to what the first one removes at the end
if strace -o "$d/trace" true 2>"$d/log"; then
    cat >"$d/late" <<END
#!/bin/sh
[ "\$OMPI_COMM_WORLD_RANK" = 1 ] || exec "$PARE" "\$@"
exec strace -o "$d/trace" -P "$d/late.gguf.train/best" -e trace=openat -e inject=openat:delay_enter=2000000 "$PARE" "\$@"
END
    chmod +x "$d/late"
    (PARE="$d/late" && ranks 2 "$d/late.gguf") && grep -q DELAYED "$d/trace" && cmp "$d/late.gguf" "$d/r2.gguf"
    ok $? "a late rank finds the best weights"
fi

type= # the mix says the types
for what in all scales; do
    # the usual rates; the last bits of a sum may put a weight into another code
    case $what in all) rate=5e-5 most=1e-4 ;; *) rate=4e-3 most=1e-5 ;; esac
    ranks 0 "$d/$what.gguf" --quantize Q2_K --qad $what --lr $rate &&
        ranks 2 "$d/$what.2.gguf" --quantize Q2_K --qad $what --lr $rate
    ok $? "through a mix's types, $what"
    near "two ranks' losses are those of one" 8 "$d/$what.2.gguf.log.csv" "$d/$what.gguf.log.csv" $most
done

ranks 2 "$d/no.gguf" --text "$d/none.txt"
[ $? != 0 ] && [ "$(grep -c '^pare distill: rank 0: .*none.txt' "$d/err")" = 1 ] && ! grep -q "rank 1: " "$d/err"
ok $? "what can't be done is said once"
