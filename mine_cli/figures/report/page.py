"""The parts of a page: text, tables, pictures, a scale of information. One file, read anywhere."""

import base64
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from mine_cli.results.numbers import per_nat

__all__ = [
    "bullets",
    "facts",
    "line_of",
    "page",
    "paragraph",
    "picture",
    "scale",
    "section",
    "table",
]

STYLE = """
:root { color-scheme: light dark; --text: #222; --soft: #666; --line: #ddd; --blue: #0072B2;
  --back: #fff; }
@media (prefers-color-scheme: dark) { :root { --text: #eee; --soft: #aaa; --line: #444;
  --blue: #56B4E9; --back: #1b1b1b; } img { background: #fff; border-radius: 4px; } }
body { font: 17px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back);
  max-width: 46rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.35rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .4rem; border-top: 1px solid var(--line);
  padding-top: 1rem; }
.number { font-size: 2.2rem; line-height: 1.2; margin: .6rem 0 0; }
.number small { font-size: 1.1rem; color: var(--soft); }
p, ul { margin: .5rem 0; } ul { padding-left: 1.2rem; } img { max-width: 100%; height: auto; }
svg { width: 100%; max-width: 34rem; height: auto; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; } .wide td, th { overflow-wrap: normal; }
.n { text-align: right; } td.n { white-space: nowrap; font-variant-numeric: tabular-nums; }
@media (max-width: 30rem) { .wide table { font-size: .8rem; } .wide td, .wide th {
  padding-right: .5rem; } .wide td:first-child { overflow-wrap: anywhere; min-width: 6rem; } }
footer, .soft { color: var(--soft); font-size: .85rem; } code { font-size: .85em; }
svg text { fill: var(--text); font-size: 15px; } svg .soft { fill: var(--soft); font-size: 13px; }
a { color: var(--blue); }
"""

# Correlations of two normal variables that stand on the scale of information.
CORRELATIONS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999)


def page(title: str, *parts: str) -> str:
    """Returns a whole page; each part is HTML."""
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
    )
    body = "\n".join(filter(None, [f"<h1>{escape(title)}</h1>", *parts]))
    return f"{head}\n{body}\n</body></html>\n"


def section(title: str, *parts: str) -> str:
    """Returns parts under a heading; nothing where all of them are empty."""
    inner = "\n".join(filter(None, parts))
    return f"<h2>{escape(title)}</h2>\n{inner}" if inner else ""


def paragraph(text: str, kind: str = "") -> str:
    """Returns a sentence or several."""
    if not text:
        return ""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def bullets(lines: Sequence[str]) -> str:
    """Returns a list; what stands between backquotes is typed."""
    items = "".join(f"<li>{coded(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def coded(text: str) -> str:
    """Returns text with what stands between backquotes in another font."""
    parts = escape(text).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts))


def table(head: Sequence[str], rows: Sequence[Sequence[str]], text: int = 1) -> str:
    """Returns a table whose first `text` columns are words and the others numbers."""
    if not rows:
        return ""
    lines = "".join(f"<tr>{cells('td', row, text)}</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{cells("th", head, text)}</tr>{lines}</table></div>'


def cells(tag: str, row: Sequence[str], text: int) -> str:
    """Returns a row's cells, the first `text` of them words, the others numbers."""
    kinds = ("" if i < text else ' class="n"' for i in range(len(row)))
    pairs = zip(kinds, row, strict=True)
    return "".join(f"<{tag}{kind}>{escape(cell)}</{tag}>" for kind, cell in pairs)


def facts(found: Mapping[str, str]) -> str:
    """Returns names and what is known of them."""
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{coded(value)}</td></tr>"
        for name, value in found.items()
        if value
    )
    return f"<table>{rows}</table>" if rows else ""


def picture(path: Path, says: str) -> str:
    """Returns a PNG, within the page; nothing where it is not there."""
    if not path.exists():
        return ""
    content = base64.b64encode(path.read_bytes()).decode()
    return f'<p><img alt="{escape(says)}" src="data:image/png;base64,{content}"></p>'


def scale(low: float, value: float, high: float, units: str, end: float | None = None) -> str:
    """Returns a line from no information upwards, with an interval on it.

    Below it stands what so much is to two normal variables, their correlation rho:
    I = -log(1 - rho^2) / 2.

    Arguments:
        low, value, high: In nats.
        end: The most that there can be, in nats; None where that is not known.
    """
    most = max(1.15 * high, 1.15 * (end or 0.0), 0.2)
    width, left, middle = 420, 12, 46

    def place(nats: float) -> float:
        return left + (width - 2 * left) * min(max(nats, 0.0), most) / most

    marks, last = [], left + 8.0
    for rho in CORRELATIONS:
        at = place(-0.5 * math.log1p(-(rho**2)))
        if at - last > 48 and at < width - left - 14:
            marks.append(
                f'<line x1="{at:.0f}" x2="{at:.0f}" y1="{middle}" y2="{middle + 8}" '
                f'stroke="currentColor"/><text x="{at:.0f}" y="{middle + 26}" class="soft" '
                f'text-anchor="middle">{rho:g}</text>'
            )
            last = at
    limit = ""
    if end is not None:
        limit = (
            f'<line x1="{place(end):.0f}" x2="{place(end):.0f}" y1="{middle - 16}" '
            f'y2="{middle + 8}" stroke="currentColor" stroke-dasharray="3 3"/>'
        )
    shown = f"{value * per_nat(units):.3f}"
    return (
        f'<svg viewBox="0 0 {width} 100" role="img" aria-label="{shown} {units} on a scale">'
        f'<line x1="{left}" x2="{width - left}" y1="{middle}" y2="{middle}" '
        f'stroke="currentColor"/>{"".join(marks)}{limit}'
        f'<line x1="{place(low):.1f}" x2="{place(high):.1f}" y1="{middle}" y2="{middle}" '
        f'stroke="#0072B2" stroke-width="7" stroke-linecap="round"/>'
        f'<circle cx="{place(value):.1f}" cy="{middle}" r="8" fill="#D55E00"/>'
        f'<text x="{place(value):.1f}" y="{middle - 18}" text-anchor="middle">{shown}</text>'
        f'<text x="{left}" y="{middle + 26}" class="soft">none</text>'
        f'<text x="{left}" y="{middle + 46}" class="soft">correlation of two normal variables '
        "that share as much</text></svg>"
    )


def line_of(values: Sequence[float], says: str) -> str:
    """Returns values in their order as a line, with the last one beside it; nothing of one."""
    if len(values) < 2:
        return ""
    width, height, low, high = 420, 120, min(*values, 0.0), max(*values, 1e-9)
    points = " ".join(
        f"{(width - 60) * i / (len(values) - 1):.1f},{height * (high - v) / (high - low):.1f}"
        for i, v in enumerate(values)
    )
    end = height * (high - values[-1]) / (high - low)
    return (
        f'<svg viewBox="-4 -8 {width} {height + 16}" style="max-width: 34rem" role="img" '
        f'aria-label="{escape(says)}"><polyline points="{points}" fill="none" stroke="#0072B2" '
        f'stroke-width="2"/><text x="{width - 56}" y="{end + 5:.1f}" font-size="14" '
        f'fill="currentColor">{values[-1]:.3f}</text></svg>'
    )
