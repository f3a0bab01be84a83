"""The page of a screen: which columns tell of which, how much, how sure one may be."""

import math
import re
import shlex
from collections.abc import Iterator
from html import escape

from mine_cli.figures.report.page import bullets, paragraph, section, table
from mine_cli.results.files import Result
from mine_cli.results.numbers import chance, known, per_nat
from mine_cli.results.summary import SCREEN_ADVICE

__all__ = ["of_screen", "screen_in_notebook", "screened"]


PLAIN = re.compile(r"(?!(?:null|true|false)$)[A-Za-z_/][\w./-]*")  # what Hydra takes for text


def screened(result: Result) -> str:
    """What the screen asks."""
    outcomes, w = ", ".join(result.get("outcomes") or []), result.get("given")
    asked = f"Which columns tell of {outcomes}" if outcomes else "Which columns tell of which"
    return f"{asked} beyond what {w} tells" if w else asked


def of_screen(result: Result, units: str) -> Iterator[str]:
    """What a screen has found, how far it is to be trusted, and what it cannot see."""
    metrics, note = result.get("metrics") or {}, result.get("p_value_note")
    tested, found = (int(known(metrics, key) or 0) for key in ("tested", "found"))
    w = result.get("given")
    what = "share information" + (f" beyond {escape(w)}" if w else "")
    yield f'<p class="number">{found:,} <small>of {tested:,} pairs {what}</small></p>'
    by_q = (
        "Found with a q-value of at most 0.05: among all that are, one in twenty at most is "
        "expected to be chance."
    )
    by_interval = f"Found where the interval lies above 0. There are no p-values: {note}."
    yield paragraph(by_interval if note else by_q, "soft")
    yield section(
        "The largest", table_of(result, units), paragraph(of_table(result, units), "soft")
    )
    yield section("Can it be believed?", bullets([*cautions(result)]))
    left = [f"{column['name']}: {column['why']}" for column in result.get("left_out") or []]
    yield section("Left out", bullets(left))
    yield section("What to try next", bullets([*to_try(result)]))


def of_table(result: Result, units: str) -> str:
    """What stands in the columns of the table."""
    w = result.get("given")
    what = (
        f"how much x tells of z to who knows {w} already" if w else "mutual information of x and z"
    )
    tests = (
        f"; p of independence{f' given {w}' if w else ''}; q: among all rows with a q up to this "
        "one, the share to be expected from chance (a small q is sure, not strong)"
    )
    return (
        f"In {units}, {what}, and how far the sample's chance may move it: two standard errors to "
        "each side, above also what values drawn together into classes may hide; neighbours whose "
        f"ranges overlap are not told apart{'' if result.get('p_value_note') else tests}. "
        f"Every pair stands in screen.csv. {of_scale(units)}"
    )


def of_scale(units: str) -> str:
    """What so many nats are, in correlations of two normal columns."""
    shares = {rho: -0.5 * math.log1p(-rho * rho) * per_nat(units) for rho in (0.2, 0.5, 0.9)}
    said = ", ".join(f"{value:.2f} for {rho}" for rho, value in shares.items())
    return f"For scale, of two normal columns by their correlation: {said}."


def screen_in_notebook(result: Result, units: str = "nats") -> str:
    """Returns a screen as a notebook shows it."""
    return "\n".join(["<div>", *of_screen(result, units), "</div>"])


def table_of(result: Result, units: str) -> str:
    """The first rows of the table, without p and q where none are known."""
    factor, names = per_nat(units), ["x", "z"]
    if len(result.get("outcomes") or []) == 1:
        names = ["x"]  # z stands in the title
    rows = []
    for row in result.get("top") or []:
        p, q = ([] if row[k] is None else [chance(row[k])] for k in ("p_value", "q_value"))
        between = f"{row['low'] * factor:z.3f} to {row['high'] * factor:z.3f}"
        numbers = [f"{row['estimate'] * factor:z.3f}", *q, between, *p, f"{row['rows']:,}"]
        rows.append([*(str(row[name]) for name in names), *numbers, str(row["status"])])
    tested = not result.get("p_value_note")
    head = [*names, units, *["q"] * tested, "between", *["p"] * tested, "rows", "status"]
    return table(head, rows, text=len(names))


def cautions(result: Result) -> Iterator[str]:
    """What speaks for the numbers and against them, a sentence each."""
    w = result.get("given")
    beside = f" than {w}" if w else ""
    if w:
        yield (
            "Every number is of rows that fitted nothing. It is the difference of two bounds, of "
            f"what x and {w} tell of z and of what {w} does. Each may fall short: it is no bound."
        )
        yield (
            f"What tells of z through {w} alone is near 0 here. That need not mean that it has no "
            f"effect: {w} may be the way by which it acts."
        )
        yield f"No cause either way: a column behind x and z other than {w} may still be there."
    else:
        yield (
            "Every number is of rows that fitted nothing, and a lower bound: what the small "
            "networks miss comes on top, so that the truth may lie above its range."
        )
        yield (
            "A large number is no cause: it may be another column behind both, or an effect of z."
            " Numbers of several columns do not add up: they may tell the same."
        )
    yield (
        f"A column that tells something only together with another{beside}, as the two of an "
        "exclusive or do, is not seen here."
    )
    words = [str(row["status"]) for row in result.get("top") or []]
    for word, advice in SCREEN_ADVICE.items():
        if word in words:
            yield f"{words.count(word)} of these with status {word}: {advice}"
    yield from result.get("warnings") or []


def to_try(result: Result) -> Iterator[str]:
    """What the reader may do now."""
    top: list[Result] = list(result.get("top") or [])
    path = (result.get("dataset") or {}).get("path")
    if not top:
        return
    where = [typed("dataset.path", path)] if isinstance(path, str) and path != "memory" else []
    x, z, w = top[0]["x"], top[0]["z"], result.get("given")
    chosen = [
        typed("dataset.x", x),
        typed("dataset.z", z),
        *([typed("dataset.given", w)] if w else []),
    ]
    start = ["mine-run", "dataset=arrays", *where]
    yield f"`{' '.join([*start, *chosen])}`: the largest pair with larger networks and more folds."
    if len(top) > 1 and top[1]["z"] == z:
        together = " ".join([*start, typed("dataset.x", x, top[1]["x"]), *chosen[1:]])
        yield f"`{together}`: how much two columns tell together."


def typed(key: str, *names: str) -> str:
    """Returns a key with one name, or a list of them, as they are typed in a shell."""
    words = [n if PLAIN.fullmatch(n) else '"' + n.replace('"', '\\"') + '"' for n in names]
    value = words[0] if len(words) == 1 else f"[{','.join(words)}]"
    return shlex.quote(f"{key}={value}")
