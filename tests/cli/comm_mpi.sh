#!/bin/sh
# Ranks agree: test_comm under mpirun, with as many as there may be.
B=${B:-build/release}
n=0
if ! command -v mpirun >/dev/null || ! ldd "$B/tests/unit/test_comm" 2>/dev/null | grep -q libmpi; then
    echo "1..0 # SKIP no MPI"
    exit 0
fi
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
for ranks in 1 2 3 4; do
    n=$((n + 1))
    if out=$(timeout 300 mpirun --oversubscribe -np $ranks "$B/tests/unit/test_comm" 2>&1); then
        echo "ok $n - $ranks ranks"
    else
        echo "$out" | sed 's/^/# /'
        echo "not ok $n - $ranks ranks"
    fi
done
echo "1..$n"
