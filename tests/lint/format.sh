#!/bin/sh
# The tree is formatted as .clang-format says.
command -v clang-format-14 >/dev/null || { echo "ok - format # SKIP no clang-format-14"; exit 0; }
bad=$(git ls-files '*.c' '*.h' | xargs clang-format-14 --dry-run 2>&1 | grep 'warning:' | cut -d: -f1 | sort -u)
if [ -n "$bad" ]; then
    echo "$bad" | sed 's/^/not ok - not formatted (make format): /'
else
    echo "ok - formatted"
fi
