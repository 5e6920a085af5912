#include "eval/figure.h"
#include "eval/page.h"
#include "formats/base/hash.h"

#include <string.h>

/* Colours: text on paper at 7:1 and above, small marks at 3:1; the eight of the lines are told
 * apart by colour-blind readers (after Okabe and Ito), who also have dashes, shapes and names. */
static const char style_colours[] =
    ":root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--soft:#525a64;--line:#d8dee4;"
    "--card:#f5f7f9;--accent:#0b5cad;--met:#0b5cad;--failed:#a33a00;"
    "--s0:#0072b2;--s1:#c24e00;--s2:#007a5a;--s3:#a3487f;--s4:#806200;--s5:#1d86b8;--s6:#6b6f76;"
    "--s7:#16181b;"
    "--h1:#fff4e6;--h2:#ffe8cc;--h3:#ffd8a8;--h4:#ffc078;--h5:#ffa94d;--h6:#ff922b;--h7:#fd7e14;"
    "--h8:#f76707}\n"
    "@media screen and (prefers-color-scheme:dark){:root{--paper:#12161b;--ink:#e6e9ed;"
    "--soft:#a7b0ba;--line:#313942;--card:#1b2128;--accent:#6cb0ff;--met:#6cb0ff;--failed:#ff9e64;"
    "--s0:#56b4e9;--s1:#ff8c42;--s2:#2fc79a;--s3:#e08cc0;--s4:#e6c229;--s5:#9fd3ff;--s6:#a9b0b8;"
    "--s7:#f4f5f6;"
    "--h1:#2b1d14;--h2:#3d2412;--h3:#502b0f;--h4:#62330c;--h5:#733a0a;--h6:#834107;--h7:#924704;"
    "--h8:#a04e00}}\n";

static const char style_text[] =
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:80rem;padding:1.5rem 1rem 3rem;background:var(--paper);"
    "color:var(--ink);font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,sans-serif;"
    "overflow-wrap:anywhere}\n"
    "h1{font-size:1.7rem;line-height:1.2;margin:0 0 .3rem}"
    "h2{font-size:1.2rem;margin:2.6rem 0 .6rem;padding-top:.8rem;border-top:1px solid var(--line)}"
    "h3{font-size:1rem;margin:1.2rem 0 .4rem}\n"
    "p{margin:.4rem 0;max-width:54rem}.soft{color:var(--soft);font-size:.9rem}"
    "a{color:var(--accent)}code{font-size:.92em}\n"
    "nav{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;margin:1rem 0;font-size:.92rem}\n"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(11.5rem,1fr));gap:.7rem;"
    "margin:1.1rem 0}"
    ".tiles div{background:var(--card);border:1px solid var(--line);border-radius:.5rem;"
    "padding:.6rem .8rem}"
    ".tiles dt{color:var(--soft);font-size:.82rem}.tiles dd{margin:0}"
    ".tiles dd:first-of-type{font-size:1.15rem;font-weight:650}"
    ".tiles dd+dd{color:var(--soft);font-size:.85rem}\n"
    ".met,.failed{font-weight:650;white-space:nowrap}.met{color:var(--met)}"
    ".failed{color:var(--failed)}\n"
    "dl.facts{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.2rem;"
    "font-size:.9rem;margin:.4rem 0}dl.facts dt{color:var(--soft)}dl.facts dd{margin:0}\n"
    "summary{cursor:pointer;padding:.35rem 0;font-weight:600}"
    "summary span{color:var(--soft);font-weight:400;font-size:.9rem}\n"
    "details{border-bottom:1px solid var(--line)}details>*:last-child{margin-bottom:1rem}\n"
    ":focus-visible{outline:2px solid var(--accent);outline-offset:2px}\n";

static const char style_tables[] =
    ".scroll{overflow-x:auto;margin:.5rem 0;padding-bottom:1px;position:relative}\n"
    "table{border-collapse:collapse;font-size:.86rem;font-variant-numeric:tabular-nums}"
    /* collapsed borders vanish under a cell that stays in place */
    ".full{width:100%;border-collapse:separate;border-spacing:0}\n"
    "small{font-size:.86em;color:var(--soft)}th,td{padding:.36rem "
    ".5rem;overflow-wrap:normal;text-align:right;border-bottom:1px solid var(--line);"
    "white-space:nowrap;vertical-align:top}"
    "thead th{color:var(--soft);font-weight:600;vertical-align:bottom}"
    "tbody th{font-weight:600}.l{text-align:left}\n"
    ".full th:first-child{position:sticky;left:0;background:var(--paper);text-align:left;"
    "max-width:16rem;white-space:normal;overflow-wrap:anywhere;min-width:8rem}\n"
    ".compared td:nth-child(2){white-space:normal}.compared "
    "td:nth-child(2){min-width:9rem;max-width:20rem}.begins{white-space:normal;min-width:16rem}."
    "wrap td,.wrap th{white-space:normal}.wrap td:last-child{min-width:13rem}"
    "tr.base th,tr.base td{color:var(--soft);font-style:italic}\n"
    "th button{font:inherit;color:inherit;background:none;border:0;padding:0;margin:0;"
    "cursor:pointer;text-align:inherit}"
    "th button::after{content:\" \\2195\";opacity:.55}"
    "th[aria-sort=ascending] button::after{content:\" \\2191\";opacity:1}"
    "th[aria-sort=descending] button::after{content:\" \\2193\";opacity:1}\n"
    ".heat td{border:1px solid var(--paper);padding:.14rem .3rem;min-width:2.9rem;"
    "font-size:.8rem}"
    ".heat th{border:0;padding:.14rem .4rem;font-size:.8rem}.heat thead th{max-width:5.5rem;"
    "white-space:normal;line-height:1.15;text-align:right}\n"
    ".side{display:flex;flex-wrap:wrap;gap:.6rem 2.4rem;align-items:flex-start}"
    ".side>*{max-width:100%;min-width:0}\n";

static const char style_heat[] =
    ".h1,.h2,.h3,.h4,.h5,.h6,.h7,.h8{print-color-adjust:exact;-webkit-print-color-adjust:exact}\n"
    ".h1{background:var(--h1)}.h2{background:var(--h2)}.h3{background:var(--h3)}"
    ".h4{background:var(--h4)}.h5{background:var(--h5)}.h6{background:var(--h6)}"
    ".h7{background:var(--h7)}.h8{background:var(--h8)}\n"
    ".legend{display:flex;flex-wrap:wrap;gap:.2rem .4rem;align-items:center;padding:0;"
    "margin:.5rem 0;list-style:none;font-size:.84rem;color:var(--soft)}"
    ".legend b{color:var(--ink);font-weight:400;padding:.05rem .45rem;border-radius:.2rem;"
    "border:1px solid var(--line)}\n"
    ".text{white-space:pre-wrap;background:var(--card);border:1px solid var(--line);"
    "border-radius:.4rem;padding:.6rem .8rem;margin:.5rem 0;max-width:60rem;line-height:1.85;"
    "font-size:.95rem}"
    ".text b{font-weight:400;border-radius:.15rem;padding:.1rem 0;unicode-bidi:isolate}"
    ".text b.h6{border-bottom:1px solid}.text b.h7{border-bottom:2px solid}"
    ".text b.h8{border-bottom:3px solid}.text i{font-style:normal;color:var(--soft)}\n";

static const char style_drawings[] =
    "figure{margin:1rem 0}svg{width:100%;height:auto;display:block}.narrow{display:none}"
    "figcaption{color:var(--soft);font-size:.9rem}\n"
    "svg text{font:12px system-ui,sans-serif;fill:var(--soft)}svg .name{font-size:12.5px}"
    "svg .label{fill:var(--ink);font-weight:600;paint-order:stroke;stroke:var(--paper);"
    "stroke-width:3px;stroke-linejoin:round}\n"
    ".grid{stroke:var(--line)}.mark{fill:var(--accent);stroke:var(--paper);stroke-width:1}"
    ".mark.behind{fill:var(--paper);stroke:var(--ink);stroke-width:1.6}"
    ".bar{stroke:var(--ink);stroke-width:1.3;fill:none}"
    ".front{fill:none;stroke:var(--accent);stroke-width:1.6;stroke-dasharray:2 3}\n"
    ".line{fill:none;stroke-width:2;stroke-linejoin:round}.lead{fill:none;stroke-width:1}"
    ".s0{stroke:var(--s0)}.s1{stroke:var(--s1)}.s2{stroke:var(--s2)}.s3{stroke:var(--s3)}"
    ".s4{stroke:var(--s4)}.s5{stroke:var(--s5)}.s6{stroke:var(--s6)}.s7{stroke:var(--s7)}"
    ".d1{stroke-dasharray:8 3}.d2{stroke-dasharray:2 3}.d3{stroke-dasharray:9 3 2 3}\n"
    ".interval{width:8rem;height:1rem;display:inline-block}.interval .grid{stroke:var(--soft)}"
    ".key svg{width:2.2rem;height:.7rem;display:inline-block}"
    ".key li{display:flex;align-items:center;gap:.35rem;margin-right:.7rem}\n";

static const char style_media[] =
    "@media(max-width:640px){body{font-size:15px;padding:1rem .8rem 2rem}h1{font-size:1.4rem}"
    ".wide{display:none}.narrow{display:block}.legend.narrow{display:flex}"
    ".full th:first-child{max-width:8.5rem}dl.facts{grid-template-columns:1fr}"
    "dl.facts dd{margin-bottom:.4rem}}\n"
    "@media print{body{max-width:none;padding:0;font-size:10pt}nav,th button::after{display:none}"
    ".scroll{overflow:visible}table{font-size:7.5pt}th,td{padding:2pt 3pt;white-space:normal}"
    ".full th:first-child{position:static;max-width:none}.heat td{min-width:0}"
    "thead{display:table-header-group}tr,figure,.tiles div{break-inside:avoid}"
    "h2,h3,summary{break-after:avoid}details::details-content{content-visibility:visible;"
    "display:block;height:auto}}\n";

/* Makes tables of class "sort" sortable; without it they stay as they are. */
static const char script[] =
    "\n(function(){\n"
    "function value(row,i){var v=row.cells[i].getAttribute(\"data-v\");"
    "return v===null?row.cells[i].textContent:v===\"\"?null:+v}\n"
    "function order(a,b,up){if(a===null||b===null)return(a===null)-(b===null);"
    "var c=typeof a===\"string\"?a.localeCompare(b):a-b;return up?c:-c}\n"
    "document.querySelectorAll(\"table.sort\").forEach(function(t){\n"
    "var heads=Array.from(t.tHead.rows[0].cells),body=t.tBodies[0];\n"
    "heads.forEach(function(h,i){var b=document.createElement(\"button\");b.type=\"button\";"
    "while(h.firstChild)b.appendChild(h.firstChild);h.appendChild(b);\n"
    "b.addEventListener(\"click\",function(){"
    "var up=h.getAttribute(\"aria-sort\")!==\"ascending\";\n"
    "heads.forEach(function(o){o.removeAttribute(\"aria-sort\")});"
    "h.setAttribute(\"aria-sort\",up?\"ascending\":\"descending\");\n"
    "Array.from(body.rows).sort(function(x,y){return order(value(x,i),value(y,i),up)})"
    ".forEach(function(r){body.appendChild(r)})})})});\n"
    "addEventListener(\"beforeprint\",function(){document.querySelectorAll(\"details\")"
    ".forEach(function(d){d.open=true})})\n"
    "})();\n";

/* The base64 of 32 bytes given as hexadecimal digits. */
static void put_base64(struct buf *out, const char *hex)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char digits[] = "0123456789abcdef";
    const size_t n = strlen(hex);
    unsigned held = 0;
    int bits = 0;

    for (size_t i = 0; i < n; i++) {
        held = held << 4 | (unsigned)(strchr(digits, hex[i]) - digits);
        for (bits += 4; bits >= 6; bits -= 6)
            buf_put(out, &letters[held >> (bits - 6) & 63], 1);
    }
    if (bits)
        buf_put(out, &letters[held << (6 - bits) & 63], 1);
    for (size_t i = (n * 4 + 5) / 6; i % 4; i++)
        buf_str(out, "=");
}

int page_open(struct buf *out, const char *name, const char *what, struct err *err)
{
    char hex[HASH_HEX_BYTES];
    const int rc = hash_of(script, sizeof(script) - 1, hex, err);

    if (rc)
        return rc;
    buf_str(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta "
                 "name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                 /* nothing is fetched, and no other script runs, whatever a model's name holds */
                 "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                 "style-src 'unsafe-inline'; script-src 'sha256-");
    put_base64(out, hex);
    buf_str(out, "'; base-uri 'none'; form-action 'none'\">\n<title>");
    figure_text(out, name);
    buf_fmt(out, ": %s</title>\n<style>\n", what);
    buf_str(out, style_colours);
    buf_str(out, style_text);
    buf_str(out, style_tables);
    buf_str(out, style_heat);
    buf_str(out, style_drawings);
    buf_str(out, style_media);
    buf_str(out, "</style></head>\n<body>\n");
    return 0;
}

void page_close(struct buf *out)
{
    buf_str(out, "<script>");
    buf_str(out, script);
    buf_str(out, "</script>\n</body></html>\n");
}
