#!/bin/sh
# What must not stand in the tree.
found() { # found PATTERN WHAT FILES...
    pattern=$1 what=$2
    shift 2
    hits=$(git grep -nE -e "$pattern" -- "$@")
    if [ -n "$hits" ]; then
        echo "$hits" | sed "s|^|not ok - $what: |"
    else
        echo "ok - no $what"
    fi
}
below='formats/*.[ch] quant/*.[ch] runtime/*.[ch] eval/*.[ch] distill/*.[ch] recipes/*.[ch]'
found '\b(TODO|FIXME|XXX)\b|#if 0' 'unfinished marks' '*.c' '*.h' Makefile
found '^[^"]*//' '// comments' '*.c' '*.h'
# shellcheck disable=SC2086
found '\b(printf|puts|putchar|exit|abort|perror|getenv)\(' 'terminal or process calls below tools/' $below
# shellcheck disable=SC2086
found '#pragma omp|omp\.h' 'OpenMP outside par.c' $below ':!formats/base/par.c'
found 'cJSON' 'cJSON outside json.[ch]' '*.c' '*.h' ':!formats/base/json.[ch]' ':!tests/oom/alloc.[ch]'
found '"(llama|mistral|qwen|gemma|mixtral|mamba|deepseek)' 'family names below formats/arch' 'quant/*' 'runtime/*' 'eval/*' 'distill/*'
found '-march=native|-ffast-math' 'machine-dependent flags' Makefile
