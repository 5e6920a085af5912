#!/bin/sh
# pare diff: tensors of two models, the worst first.
demo=recipes/demo
. tests/steps.sh
says() { # says TEXT COMMAND...: it succeeds and prints TEXT
    text=$1
    shift
    "$@" >"$tmp/out" 2>&1 && grep -qF -e "$text" "$tmp/out" && return
    cat "$tmp/out"
    return 1
}
# gguf FILE NAME=VALUES...: F32 vectors, or ROWSxNAME=VALUES for a matrix of so many rows
gguf() {
    perl -e '
        my ($file, @t) = @ARGV;
        sub str { pack("Q<", length $_[0]) . $_[0] }
        my ($infos, $data) = ("", "");
        for (@t) {
            my ($rows, $name, $values) = /^(?:(\d+)x)?(\S+?)=(.*)$/ or die;
            my @v = split /,/, $values;
            $data .= "\0" x (-length($data) % 32);
            $infos .= str($name) . ($rows ? pack("L<Q<Q<", 2, @v / $rows, $rows) : pack("L<Q<", 1, scalar @v));
            $infos .= pack("L<Q<", 0, length $data);
            $data .= pack("f<*", map { $_ eq "nan" ? "nan" + 0 : $_ } @v);
        }
        my $head = "GGUF" . pack("L<Q<Q<", 3, scalar @t, 2) . str("general.architecture") . pack("L<", 8) . str("none")
            . str("general.name") . pack("L<", 8) . str($file) . $infos;
        $head .= "\0" x (-length($head) % 32);
        print $head, $data, "\0" x (-length($data) % 32);' "$@" >"$1"
}
# line TENSOR TEXT: the last output has this after the name of the tensor
line() { grep -q "^$1 .*$2" "$tmp/out" && return; cat "$tmp/out"; return 1; }

ok "convert" "$PARE" convert "$demo" "$tmp/a.gguf"
ok "quantize" "$PARE" quantize "$demo" "$tmp/q.gguf" Q4_K_M
ok "a conversion keeps every value" says "29 tensors compared, 29 equal, NMSE of all values 0" "$PARE" diff "$demo" "$tmp/a.gguf"
ok "a quantization does not" says "29 tensors compared, 7 equal" "$PARE" diff "$demo" "$tmp/q.gguf"
falls() { awk '/^tensor/ { on = 1; next } /compared/ { exit } on { if (n++ && $4 > last + 0) exit 1; last = $4 } END { exit n < 29 }' "$tmp/out"; }
ok "the worst first" falls
ok "types of both" line blk.0.ffn_down.weight "BF16 *Q4_K "
ok "from a GGUF" says "29 tensors compared, 7 equal" "$PARE" diff "$tmp/a.gguf" "$tmp/q.gguf" --top 2
ok "only so many" test "$(wc -l <"$tmp/out")" = 4
for t in 1 3; do ok "json, $t threads" "$PARE" diff "$demo" "$tmp/q.gguf" --json "$tmp/j$t" -t $t; done
ok "whatever the threads" cmp "$tmp/j1" "$tmp/j3"
as_reported() { # the errors are those that quantize measured
    perl -e '
        my %e;
        for my $f (@ARGV) {
            open my $h, "<", $f or die;
            local $/;
            my $t = <$h>;
            push @{ $e{$1} }, $2 while $t =~ /"name":\s*"([^"]*)"(?:(?!"name").)*?"nmse":\s*([0-9.e+-]+)/gs;
        }
        die "tensors" if keys %e != 29;
        for (sort keys %e) {
            my ($x, $y) = @{ $e{$_} };
            die "$_: $x, $y" unless defined $y && abs($x - $y) <= 1e-6 * $x;
        }' "$tmp/j1" "$tmp/q.gguf.json"
}
ok "as quantize reported" as_reported

gguf "$tmp/x.gguf" e=3,4 f=0,0 2xm=1,2,3,4 n=1,1 only.x=1 s=1,2,3 z=1,0
gguf "$tmp/y.gguf" e=3,4 f=0,1 2xm=1,2,3,5 n=1,nan only.y=1 s=1,2 z=0,1
ok "two files" "$PARE" diff "$tmp/x.gguf" "$tmp/y.gguf" --metadata
"$PARE" diff "$tmp/x.gguf" "$tmp/y.gguf" --metadata >"$tmp/out"
ok "equal" line e "F32 *F32 *0  *1.000000000  *0$"
ok "one value" line m "0.03333  *0.993999.*  1$"
ok "another direction" line z "2  *0.000000000  *1$"
ok "of nothing" line f "inf  *0.000000000  *1$"
ok "NaN" line n "F32 *nan *nan *nan$"
ok "which comes first" test "$(sed -n 2p "$tmp/out" | cut -c1)" = n
ok "shapes" line s "of different shapes: \[3\] and \[2\]"
ok "only in the first" line only.x "only in the first: \[1\]"
ok "only in the second" line only.y "only in the second: \[1\]"
ok "metadata" grep -qF "  general.name " "$tmp/out"
ok "equal keys are not listed" sh -c "! grep -q general.architecture '$tmp/out'"
ok "no numbers for JSON" "$PARE" diff "$tmp/x.gguf" "$tmp/y.gguf" --json "$tmp/nan"
ok "but null" grep -qF '"nmse": null' "$tmp/nan"

ok "no such model" fails 1 "nowhere" "$PARE" diff "$demo" "$tmp/nowhere"
ok "one model" fails 2 "usage: pare diff" "$PARE" diff "$demo"
ok "json on a model" fails 2 "would replace" "$PARE" diff "$demo" "$tmp/a.gguf" --json "$tmp/a.gguf"
ok "no room" fails 1 "/dev/full" "$PARE" diff "$demo" "$tmp/a.gguf" --json /dev/full
echo "1..$n"
