#!/bin/sh
# Every function declared in a header has a comment above it, or shares its group's:
# a blank line ends a group.
git ls-files '*.h' | xargs awk '
FNR == 1 { covered = 0; depth = 0 }
/^$/ { if (!inside) covered = 0 }
/^\/\*/ { covered = 1; inside = 1 }
/\*\// { inside = 0 }
/^[a-z][^=]*\(/ && !/^(static|typedef|extern "C"|return|if|for|while|else)/ && !/__attribute__\(\(format/ || /^[a-z].* \**[a-z_0-9]+\($/ {
    if (!covered && $0 !~ /\/\*/) { printf "not ok - %s:%d: no comment: %s\n", FILENAME, FNR, $0; n++ }
}
END { if (!n) print "ok - declarations are documented" }'
