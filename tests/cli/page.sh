#!/bin/sh
# The pages of reports and comparisons in a browser: no console errors, nothing wider than the
# window at desktop and phone width, readable contrast in dark and light, tables that sort.
# shellcheck source=tests/lib.sh
. tests/lib.sh

"$PARE" quantize $demo "$d/a.gguf" Q4_K_M >"$d/log" 2>&1 &&
    "$PARE" quantize $demo "$d/b<b>&.gguf" Q2_K >>"$d/log" 2>&1 &&
    "$PARE" eval "$d/a.gguf" "$d/b<b>&.gguf" --against $demo --text $demo/evaluation.txt --ctx 64 --chunks 6 \
        --gate 'kld <= 0.01' --gate 'ppl_ratio <= 2 at 95%' --json "$d/r.json" --html "$d/report.html" \
        --markdown "$d/r.md" --csv "$d/r.csv" >>"$d/log" 2>&1
[ $? = 3 ] && [ -s "$d/report.html" ] && [ -s "$d/r.md" ] && [ -s "$d/r.csv" ]
ok $? "a report in every form, beside a failed gate"
"$PARE" eval "$d/a.gguf" --text $demo/evaluation.txt --ctx 64 --chunks 2 --html "$d/little.html" >>"$d/log" 2>&1
ok $? "a page of perplexities only"
"$PARE" compare "$d/r.json" --models 'a.gguf,b<b>&.gguf' --html "$d/compared.html" --markdown "$d/c.md" >>"$d/log" 2>&1
ok $? "a page of a comparison"
"$PARE" distill $demo "$d/s<b>&.gguf" --text $demo/calibration.txt --layers 2 --ctx 48 --batch 2 --steps 8 --held-tokens 200 >>"$d/log" 2>&1 &&
    cp "$d/s<b>&.gguf.report.html" "$d/distilled.html"
ok $? "a page of a distillation"

grep -q '"name":"blk.0.attn_q.weight","type":"Q4_K","nmse":0.00[0-9]*,"bytes":[1-9]' "$d/r.json"
ok $? "the report has each tensor's error"
cp "$d/a.gguf" "$d/c.gguf"
for text in '{}' '{"bytes": 1, "tensors": []}' '{' "$(sed 's/"nmse": [0-9.e-]*/"name": 3/' "$d/a.gguf.json")"; do
    echo "$text" >"$d/c.gguf.json"
    "$PARE" eval "$d/c.gguf" --text $demo/evaluation.txt --ctx 64 --chunks 2 --json "$d/c.json" >"$d/out" 2>"$d/err"
    [ $? = 0 ] && [ "$(wc -l <"$d/err")" = 1 ] && grep -q 'c.gguf.json: .*errors of its tensors are left out' "$d/err" &&
        ! grep -q nmse "$d/c.json"
    good=$?
    [ $good = 0 ] || sed 's/^/# /' "$d/err" | head -3
    ok $good "a broken file of tensors' errors is left out: $(echo "$text" | head -c 20 | tr '\n' ' ')"
done

# every key of the report stands in the documentation
sed -n "/^## Report JSON/,/^## Report pages/p" docs/formats.md >"$d/doc"
missing=
for key in $(grep -o '"[A-Za-z0-9_]*": *' "$d/r.json" | tr -d '": ' | sort -u); do
    grep -q "\"$key\"" "$d/doc" || missing="$missing $key"
done
[ -z "$missing" ] || echo "# not in docs/formats.md, \"Report JSON\":$missing"
[ -z "$missing" ]
ok $? "every key of a report is documented"

# CRLF, the same number of fields in each row
awk -F, '{ if (!/\r$/) bad = 1; if (NR == 1) n = NF; if (NF != n) bad = 1 } END { exit bad || NR != 4 }' "$d/r.csv"
ok $? "the CSV has a row for the original and each model"

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [ -z "$browser" ]; then
    echo "ok - pages in a browser # SKIP no chromium"
    exit 0
fi

# A frame of each width holds the page as it is; what stands out at the right, outside the boxes that scroll,
# and text of little contrast is listed; the first table is sorted.
cat >"$d/look.html" <<'END'
<!doctype html><meta charset="utf-8"><body><script>
const widths = [1280, 390], pages = location.search.slice(1).split(","), out = [];
function light(c) {
    const f = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * f(c[0]) + 0.7152 * f(c[1]) + 0.0722 * f(c[2]);
}
const rgb = s => (s.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
function ground(e) {
    for (; e; e = e.parentElement) {
        const c = rgb(e.ownerDocument.defaultView.getComputedStyle(e).backgroundColor);
        if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
}
function look(frame, page, width) {
    const say = what => out.push(page + " " + width + ": " + what);
    const doc = frame.contentDocument, win = frame.contentWindow;
    let least = 99;
    doc.querySelectorAll("details").forEach(e => { e.open = true; });
    if (doc.documentElement.scrollWidth > width) say("page is " + doc.documentElement.scrollWidth + " wide");
    doc.querySelectorAll("body *").forEach(e => {
        const r = e.getBoundingClientRect();
        if (r.width && r.right > width + 1 && !e.closest(".scroll table, svg")) say("wide " + e.tagName + " " + e.className);
        const own = Array.from(e.childNodes).some(n => n.nodeType === 3 && n.data.trim());
        if (!own || !r.width || e.closest("script, title, desc")) return;
        const style = win.getComputedStyle(e), a = light(rgb(e.closest("svg") ? style.fill : style.color)), b = light(ground(e));
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        least = Math.min(least, contrast);
        if (contrast < 4.5) say("contrast " + contrast.toFixed(1) + " of " + e.tagName + " " + e.getAttribute("class"));
    });
    const table = Array.from(doc.querySelectorAll("table.sort")).find(t => t.tBodies[0].rows[0].cells[1].dataset.v);
    if (table) {
        const body = table.tBodies[0], last = () => body.rows[body.rows.length - 1].cells[1].getAttribute("data-v");
        const button = table.tHead.rows[0].cells[1].querySelector("button");
        button.click();
        const most = +last();
        button.click();
        if (!(+last() < most) && body.rows.length > 1) say("does not sort");
        if (table.tHead.rows[0].cells[1].getAttribute("aria-sort") !== "descending") say("no aria-sort");
    }
    doc.querySelectorAll("th").forEach(e => { if (!e.scope) say("th without scope: " + e.textContent); });
    doc.querySelectorAll("svg").forEach(e => {
        if (e.getAttribute("aria-hidden") !== "true" && !(e.querySelector("title") && e.querySelector("desc"))) say("svg without title");
    });
    const ids = Array.from(doc.querySelectorAll("[id]")).map(e => e.id);
    if (new Set(ids).size !== ids.length) say("ids are not unique");
    say("looked at, dark " + win.matchMedia("(prefers-color-scheme:dark)").matches + ", least contrast " + least.toFixed(1));
}
let left = widths.length * pages.length;
pages.forEach(p => widths.forEach(w => {
    const f = document.createElement("iframe");
    f.style.cssText = "border:0;width:" + w + "px;height:800px";
    f.onload = () => {
        try { look(f, p, w); } catch (e) { out.push("error: " + e); }
        if (!--left) document.body.innerHTML = "<pre id=out>" + out.map(s => "look " + s.replace(/</g, "&lt;")).join("\n") + "</pre>";
    };
    f.src = p + ".html";
    document.body.appendChild(f);
}));
</script></body>
END

# look SCHEME-NUMBER: lines "PAGE WIDTH: ..." to $d/seen, the console to $d/console
look() {
    sandbox=
    [ "$(id -u)" != 0 ] || sandbox=--no-sandbox
    # shellcheck disable=SC2086  # an option or none
    timeout 100 "$browser" --headless $sandbox --disable-gpu --user-data-dir="$d/profile" --window-size=1400,900 \
        --blink-settings=preferredColorScheme="$1" --allow-file-access-from-files --enable-logging=stderr \
        --dump-dom "file://$d/look.html?report,little,compared,distilled" >"$d/dom" 2>"$d/stderr"
    grep -a 'CONSOLE' "$d/stderr" >"$d/console"
    sed -n 's/^.*look //p' "$d/dom" | sed 's/<.*//' >"$d/seen"
}

for scheme in dark light; do
    look "$([ $scheme = dark ] && echo 0 || echo 1)"
    sed 's/^/# /' "$d/console" | head -5
    [ -s "$d/dom" ] && [ ! -s "$d/console" ]
    ok $? "$scheme: the console is silent"
    for page in report little compared distilled; do
        grep "^$page " "$d/seen" | grep -v ': looked at' | head -10 | sed 's/^/# /'
        [ "$(grep -c "^$page .*: looked at, dark $([ $scheme = dark ] && echo true || echo false)" "$d/seen")" = 2 ] &&
            ! grep "^$page " "$d/seen" | grep -qv ': looked at'
        ok $? "$page page, $scheme: fits both widths, has contrast, sorts"
    done
done
