#!/bin/sh
# Includes go only downward: tools > recipes > {eval, distill} > runtime > quant > formats > base.
# Internal headers (quant/kern/, formats/arch/...) below a folder's first level stay in that folder,
# except formats/base and formats/arch/arch.h, which are layers of their own, and the runtime's
# plan of a model, which training goes by.
git ls-files '*.c' '*.h' | xargs awk '
BEGIN {
    rank["formats/base"] = 0; rank["formats"] = 1; rank["quant"] = 2; rank["runtime"] = 3
    rank["eval"] = 4; rank["distill"] = 4; rank["recipes"] = 5; rank["tools"] = 6; rank["tests"] = 9
}
function layer(path) {
    if (path ~ /^formats\/base\//) return "formats/base"
    sub(/\/.*/, "", path)
    return path
}
/^#include "/ {
    split($0, q, "\"")
    from = layer(FILENAME); to = layer(q[2])
    if (q[2] !~ /\//) bad("include by its path from the root: " q[2])
    else if (!(to in rank)) bad(q[2] " is in no layer")
    else if (from != to && rank[to] >= rank[from]) bad(from " may not include " to)
    else if (q[2] ~ /^(quant|runtime|eval|recipes|distill)\/[^\/]*\/.*\.h$/ && from != to && from != "tests" && \
             !(from == "distill" && q[2] == "runtime/forward/forward.h"))
        bad(q[2] " is internal to " to)
}
function bad(what) { printf "not ok - %s:%d: %s\n", FILENAME, FNR, what; n++ }
END { if (!n) print "ok - includes go only downward" }'
