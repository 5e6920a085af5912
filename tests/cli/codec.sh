#!/bin/sh
# pare codec: rows to blocks and back, and sizes that don't fit.
. tests/steps.sh
size() { [ "$(wc -c <"$1")" = "$2" ] || { wc -c "$1"; return 1; }; }

# 8 rows of 256: the bytes of an integer ramp read as BF16, all finite
awk 'BEGIN { for (i = 0; i < 2048; i++) printf "%c%c", 33 + i % 90, 60 + i % 4 }' >"$tmp/h.bf16"
ok "decode BF16" "$PARE" codec decode BF16 "$tmp/h.bf16" "$tmp/x.f32" --columns 256
ok "its size" size "$tmp/x.f32" 8192
for row in F32:1024 F16:512 BF16:512 Q8_0:272 Q6_K:210 Q5_K:176 Q5_1:192 Q5_0:176 Q4_K:144 Q4_0:144; do
    type=${row%:*} bytes=${row#*:}
    ok "encode $type" "$PARE" codec encode "$type" "$tmp/x.f32" "$tmp/$type" --columns 256
    ok "$type takes $bytes bytes a row" size "$tmp/$type" $((8 * bytes))
    ok "decode $type" "$PARE" codec decode "$type" "$tmp/$type" "$tmp/$type.f32" --columns 256
    ok "$type comes back whole" size "$tmp/$type.f32" 8192
done
ok "F32 is exact" cmp "$tmp/x.f32" "$tmp/F32.f32"
ok "BF16 is exact" cmp "$tmp/h.bf16" "$tmp/BF16"
ok "one thread" "$PARE" codec encode Q4_K "$tmp/x.f32" "$tmp/t1" --columns 256 -t 1
ok "threads don't matter" cmp "$tmp/t1" "$tmp/Q4_K"
head -c 1024 "$tmp/F16.f32" | tr '\200-\377' '\000-\177' >"$tmp/imp"
ok "importance" "$PARE" codec encode Q4_K "$tmp/x.f32" "$tmp/i" --columns 256 --importance "$tmp/imp"
: >"$tmp/nothing"
ok "an empty file" "$PARE" codec encode Q8_0 "$tmp/nothing" "$tmp/empty" --columns 32

ok "no columns" fails 2 "--columns" "$PARE" codec encode Q8_0 "$tmp/x.f32" "$tmp/y"
ok "columns and blocks" fails 2 "no whole number of Q4_K blocks" "$PARE" codec encode Q4_K "$tmp/x.f32" "$tmp/y" --columns 128
ok "columns and file" fails 1 "expected a multiple of 1200" "$PARE" codec encode F16 "$tmp/x.f32" "$tmp/y" --columns 300
ok "importance of another width" fails 1 "for each of 128 columns" "$PARE" codec encode Q8_0 "$tmp/x.f32" "$tmp/y" --columns 128 --importance "$tmp/imp"
ok "unknown type" fails 2 '"Q9"' "$PARE" codec encode Q9 "$tmp/x.f32" "$tmp/y" --columns 256
ok "unknown verb" fails 2 '"pack"' "$PARE" codec pack Q8_0 "$tmp/x.f32" "$tmp/y" --columns 256
ok "a type to read only" fails 2 "not encoded" "$PARE" codec encode I8 "$tmp/x.f32" "$tmp/y" --columns 256
printf '\000\000\200\177' >"$tmp/inf"
head -c 124 "$tmp/x.f32" >>"$tmp/inf"
ok "infinity" fails 1 "row 0: column 0: expected a finite number, found infinity" "$PARE" codec encode Q8_0 "$tmp/inf" "$tmp/y" --columns 32
ok "nothing left behind" absent "$tmp/y" "$tmp/y.part"
echo "1..$n"
