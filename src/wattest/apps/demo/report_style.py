"""The report's style sheet: a telephone's width first, light and dark, nothing loaded.

Decided here: sizes and colours. Text has a contrast of at least 4.5 against its page, marks of charts at least 3
(WCAG 2.2, 1.4.3 and 1.4.11); ``tests/unit/apps/test_apps_demo_report.py`` computes them. Nothing has a width that a
page of 320 pixels could not hold.
"""

from __future__ import annotations

LIGHT = {
    "page": "#ffffff", "ink": "#1b2733", "soft": "#4a5866", "line": "#d5dde4", "link": "#1a5fb4", "good": "#1c7340",
    "shared": "#2f9e5b", "grid": "#6d8499", "surplus": "#b07a00", "lost": "#c4453c",
}  # fmt: skip
DARK = {
    "page": "#12181f", "ink": "#e8eef4", "soft": "#a5b2be", "line": "#33404c", "link": "#8ab8ff", "good": "#6fd39a",
    "shared": "#3bb86d", "grid": "#7b93a9", "surplus": "#e0a526", "lost": "#e0675f",
}  # fmt: skip
TEXT_COLOURS, MARK_COLOURS = ("ink", "soft", "link", "good"), ("shared", "grid", "surplus", "lost")


def _variables(colours: dict[str, str]) -> str:
    return ";".join(f"--{name}:{value}" for name, value in colours.items())


STYLE = (
    f":root{{color-scheme:light dark;{_variables(LIGHT)}}}"
    f"@media(prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
    + """
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
main{max-width:42rem;margin:0 auto;padding:1rem}
h1{font-size:1.6rem;line-height:1.2;margin:.5rem 0}h2{font-size:1.25rem;line-height:1.3;margin:2.5rem 0 .5rem}
h3{font-size:1rem;margin:1.25rem 0 .25rem}p{margin:.5rem 0}.soft,figcaption,caption{color:var(--soft)}
a{color:var(--link)}nav ul{padding:0;list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1.25rem}
nav a,summary{display:block;padding:.6rem 0}
summary{cursor:pointer;display:flex;gap:.5rem}
summary::-webkit-details-marker{display:none}
summary::before{content:"+";color:var(--soft);width:.8rem;flex:none}details[open]>summary::before{content:"-"}
summary span{flex:1}
summary b{white-space:nowrap}summary .good{color:var(--good)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
details{border-bottom:1px solid var(--line)}details>div{padding:0 0 1rem}details details{margin-left:1rem}
dl{margin:.5rem 0;display:grid;grid-template-columns:minmax(7rem,auto) 1fr;gap:.25rem 1rem}
dt{color:var(--soft)}dd{margin:0}
.checks{display:block}.checks dt{color:var(--ink);font-weight:600;margin-top:.75rem}.checks dd{color:var(--soft)}
table{border-collapse:collapse;width:100%;margin:.75rem 0}caption{text-align:left}
th,td{padding:.35rem .5rem .35rem 0;text-align:left;vertical-align:top}
th,td{border-bottom:1px solid var(--line);font-weight:400}
thead th,tfoot th,tfoot td{font-weight:600}td:last-child,th:last-child{padding-right:0}
.bill td:last-child,.bill th:last-child,.prices td,.prices th:last-child{text-align:right;white-space:nowrap}
td{font-variant-numeric:tabular-nums}
.bill small{display:block;color:var(--soft);font-size:.875rem}
.run th{width:40%}
.note{border-left:4px solid var(--surplus);padding:.25rem 0 .25rem .75rem}
figure{margin:.75rem 0}svg{display:block;width:100%;max-width:34rem;height:auto}
svg text{fill:var(--soft);font:12px system-ui,sans-serif}svg .label{fill:var(--ink)}
.grid{stroke:var(--line)}.area{stroke:var(--page)}.shared{fill:var(--shared);background:var(--shared)}
.grid-energy,.neutral{fill:var(--grid);background:var(--grid)}.surplus{fill:var(--surplus);background:var(--surplus)}
.lost{fill:var(--lost);background:var(--lost)}.legend{list-style:none;padding:0;margin:.5rem 0}
.swatch{display:inline-block;width:.8rem;height:.8rem;border-radius:3px;margin-right:.5rem}
"""
)
