#!/bin/sh
# No mutable object in the library; in the program only the flag a signal handler sets.
B=${B:-build/release}
bad=$(find "$B" -name '*.o' ! -path '*/tests/*' -exec objdump -t {} + |
    awk '/file format/ { file = $1 } / O \.(data|bss|tbss|tdata)([. \t]|$)/ && !/\.data\.rel\.ro/ { print file, $NF }
         /\*COM\*/ { print file, $NF }' | grep -v 'progress\.o: stop_asked')
if [ -n "$bad" ]; then
    echo "$bad" | sed 's/^/not ok - mutable object: /'
else
    echo "ok - no mutable globals"
fi
