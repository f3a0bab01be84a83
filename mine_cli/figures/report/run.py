"""The page of a run: the number, whether to believe it and why, the pictures, how it was made."""

import math
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from mine_cli.figures.report.page import (
    bullets,
    facts,
    line_of,
    page,
    paragraph,
    picture,
    scale,
    section,
    table,
)
from mine_cli.figures.report.screen import of_screen, screened
from mine_cli.results.files import Result, read_json, write_atomically
from mine_cli.results.metrics import METRICS
from mine_cli.results.names import swept_of
from mine_cli.results.numbers import known, per_nat
from mine_cli.results.summary import (
    REFERENCE_NAMES,
    STATUS_ADVICE,
    TERMS,
    beside_scores,
    cost,
    heading,
    in_notes,
    in_unit,
    more_than,
    terms_of,
)

__all__ = ["in_notebook", "report_of_run"]

ABOVE_CHANCE = 2.0  # standard errors
FEW_ROWS = 2000
SEES_MORE = 0.1  # nats, and a fifth: more than that on fitted rows is learned by heart

PICTURES = {
    "screen": "The largest of them: dots with two standard errors, or all pairs as a map.",
    "curve": "The estimate on held-out rows while the networks were trained.",
    "scatter": "The data.",
    "training": "The training.",
    "density": "Samples of the generator beside the data.",
    "samples": "Samples of the generator.",
    "histogram": "How often each mode is drawn.",
    "progress": "What the samples are worth while the generator was trained.",
    "reconstructions": "Held-out rows, and what their codes stand for.",
    "generated": "Samples of the generator.",
    "embeddings": "The codes of held-out rows.",
    "faithfulness": "Reconstructions, samples and information during the training.",
    "learning": "The training of the bottleneck.",
    "plane": "What the codes tell of the input and of the class.",
    "robustness": "Errors on noisy and attacked inputs.",
}


def report_of_run(folder: Path, units: str = "nats") -> Path:
    """Writes report.html in the folder of a finished run, from its files.

    Arguments:
        units: "nats" or "bits": the unit of display.
    """
    result = read_json(folder / "result.json")
    swept = ", ".join(f"{key}={value}" for key, value in swept_of(folder).items())
    found = {"mi-estimate": of_estimate, "screen": of_screen}.get(
        str(result.get("task")), of_scores
    )(result, units)
    text = page(
        title(result),
        paragraph(heading(result) if title(result) != heading(result) else "", "soft"),
        paragraph(f"Of a sweep: {swept}" if swept else "", "soft"),
        *found,
        section("Pictures", *pictures(folder)),
        section("How it was made", facts(made(result, folder))),
        "<footer><p>Made by mine-run. The files beside this page hold every number: "
        "result.json, metrics.csv, mine-run.log.</p></footer>",
    )
    path = folder / "report.html"
    write_atomically(path, text.encode())
    return path


def in_notebook(result: Result, curve: Sequence[float], units: str = "nats") -> str:
    """Returns an estimate as a notebook shows it, with the values during training as a line.

    Arguments:
        result: What stands in result.json.
        curve: The bound on the select rows at each evaluation, in nats.
    """
    drawn = line_of([value * per_nat(units) for value in curve], f"held-out value, {units}")
    return "\n".join(["<div>", *of_estimate({"folds": 1, **result}, units), drawn, "</div>"])


def title(result: Result) -> str:
    """What the run asks, by the names of the columns where they have any."""
    dataset = result.get("dataset") or {}
    x, z = (dataset.get(side) for side in ("x", "z"))
    if result.get("task") == "screen":
        return screened(result)
    if result.get("task") != "mi-estimate" or not x or not z:
        return TITLES.get(str(result.get("task")), heading(result))
    x, z = (", ".join(map(str, n)) if isinstance(n, list) else str(n) for n in (x, z))
    return f"How much {x} tells of {z}{beside(dataset)}"


def beside(dataset: Result) -> str:
    """What is given, in words; nothing where nothing is."""
    given = dataset.get("given")
    if not given:
        return ""
    return f" beside {', '.join(map(str, given)) if isinstance(given, list) else given}"


OF_ERRORS = (
    "The range is two standard errors to each side: as far as the sample's chance moves it, "
    "nineteen times in twenty."
)
OF_INTERVAL = (
    "The range is a 95 % interval: as far as the sample's chance moves it to either side, and "
    "above it what the networks may have missed, by what they learned by heart."
)


def of_estimate(result: Result, units: str) -> Iterator[str]:
    """What an estimate of mutual information says, and how far it is to be trusted."""
    value, error = known(result, "estimate"), known(result, "standard_error") or 0.0
    if value is None:
        yield paragraph("There is no number.", "number")
        yield section("Why", paragraph(advice(result)), bullets(noticed(result)))
        return
    factor, ends = per_nat(units), result.get("interval")
    low, high = ends or (value - 2 * error, value + 2 * error)
    entropy = least_entropy(result)
    yield (
        f'<p class="number">{value * factor:.3f} {units} <small>between {low * factor:.3f} and '
        f"{high * factor:.3f}</small></p>"
    )
    terms = terms_of(result)
    yield paragraph(
        (
            "Mutual information of x and z given w: how much x tells of z to who knows w. "
            if terms
            else "Mutual information of x and z: how much one tells of the other. "
        )
        + (OF_INTERVAL if ends else OF_ERRORS),
        "soft",
    )
    yield of_terms(result, units)
    yield section(
        "How much that is",
        scale(low, value, high, units, entropy),
        paragraph(in_words(value, entropy)),
    )
    yield section("Can it be believed?", bullets([*verdict(result, low, units)]))
    yield section("For comparison", references(result, units))
    yield section("What to try next", bullets([*to_try(result, low)]))


def of_terms(result: Result, units: str) -> str:
    """The terms whose difference the estimate is."""
    factor, rows = per_nat(units), []
    for name, term in terms_of(result).items():
        value, error = known(term, "estimate"), known(term, "standard_error")
        shown = "" if value is None else f"{value * factor:.3f} ± {(error or 0.0) * factor:.3f}"
        rows.append([name, TERMS.get(name, ""), str(term.get("status")), shown])
    return table(["difference of", "", "status", f"{units} ± standard error"], rows, text=3)


def in_words(value: float, entropy: float | None) -> str:
    """What so many nats are."""
    if value <= 0:
        return "Nothing: 0 is what two independent variables share, and chance falls below it."
    rho = math.sqrt(-math.expm1(-2 * value))
    digits = 2 if rho < 0.99 else 5
    said = f"As much as two normal columns, one a side, with a correlation of {rho:.{digits}f}."
    if entropy:
        share = 100 * min(value / entropy, 1.0)
        said += f" It is {share:.0f} % of all that there is to know of the class (dashed)."
    return said


def least_entropy(result: Result) -> float | None:
    """The entropy of x or z where they are classes, the smaller one, in nats."""
    found = result.get("entropies") or {}
    return min(found.values(), default=None)


def verdict(result: Result, low: float, units: str) -> Iterator[str]:
    """Whether the number is to be believed, and why, a sentence each."""
    factor, value = per_nat(units), known(result, "estimate") or 0.0
    truth, given = known(result, "true_mi"), " given w" if terms_of(result) else ""
    if low > 0:
        yield f"x and z are not independent{given}: the interval lies above 0."
    else:
        yield (
            f"The interval contains 0: these rows do not show that x tells anything of z{given}. "
            "That is no proof that it does not."
        )
    if given:
        yield (
            "It is the difference of two bounds, each of which may fall short of the truth: it is "
            "no bound itself."
        )
    if result.get("status") == "ok":
        missed = ""
        if not given:
            larger = ", so that the truth may be larger" if truth is None else ""
            missed = f"; what the networks did not find is not in it{larger}"
        yield (
            "Nothing speaks against it. It was measured on rows that no network was trained "
            f"on{missed}."
        )
    else:
        yield f"With care, status {result.get('status')}: {advice(result)}"
    if truth is not None:
        yield f"The truth is known: {truth * factor:.3f} {units}."
    if (p := known(result, "p_value")) is not None:
        most = "at most " if p == known(result, "least_p_value") else ""
        yield (
            f"Were x and z independent, as much would be seen with a probability of {most}{p:.2g}."
        )
    fit = known(result, "fit_value")
    if fit is not None and fit - value > max(SEES_MORE, abs(value) / 5):
        yield (
            f"On the rows that trained them the networks see {fit * factor:.3f} {units}: part of "
            "that is learned by heart. More rows, or a smaller network, would help."
        )
    if low > 0 and truth is None:
        yield "It is no sign of a cause: a third variable may be behind both x and z."
    ksg = known((result.get("references") or {}).get("ksg") or {}, "estimate")
    if more_than(ksg, result):
        yield "The nearest-neighbour estimate (KSG) is larger: the networks may have missed some."
    rows = result.get("rows") or {}
    if rows.get("gaps"):
        lacking = ", ".join(f"{name} in {count:,}" for name, count in rows["gaps"].items())
        left = rows["read"] - rows["used"]
        yield f"{rows['read']:,} rows were read, {left:,} left out that lack a value: {lacking}."
    yield from noticed(result)


def noticed(result: Result) -> list[str]:
    """What was noticed on the way."""
    return [*(result.get("warnings") or []), *filter(None, [result.get("note")])]


def advice(result: Result) -> str:
    """What a status other than `ok` means."""
    return STATUS_ADVICE.get(str(result.get("status")), "")


def references(result: Result, units: str) -> str:
    """Other estimators' values."""
    found: Result = result.get("references") or {}
    rows = []
    for name, reference in found.items():
        number = known(reference, "estimate")
        shown = "none" if number is None else f"{number * per_nat(units):.3f}"
        if (error := known(reference, "error")) is not None:
            shown += f" ± {error * per_nat(units):.3f}"
        rows.append([REFERENCE_NAMES.get(name, name), str(reference.get("note") or ""), shown])
    return table(["estimator", "", units], rows, text=2)


def to_try(result: Result, low: float) -> Iterator[str]:
    """What the reader may do now."""
    status, rows = result.get("status"), known(result.get("rows") or {}, "used")
    if status != "ok":
        yield "What the status advises, above."
    if rows is not None and result.get("folds") == 1:
        yield "`folds=5`: every row counts in the estimate, whose error falls by half or more."
    if rows is not None and rows < FEW_ROWS and low <= 0:
        yield f"More rows: {rows:,.0f} show strong dependence only."
    yield "`-m 'seed=range(5)'`: how far the number depends on chance in the training."
    yield "`-m bound=mine,infonce,smile`: whether other bounds agree."


def of_scores(result: Result, units: str) -> Iterator[str]:
    """What a generator, a bottleneck or a classifier is worth."""
    metrics, status = result.get("metrics") or {}, str(result.get("status"))
    rows, above = [], ""
    for metric in sorted(METRICS[str(result["task"])].values(), key=lambda m: m.kind == "nats"):
        found, label = known(metrics, metric.key), metric.label or metric.title
        if found is None or not label:
            continue
        part = label.startswith("  ")  # of the one above, under which a terminal indents it
        above = above if part else label
        unit = {"nats": f" {units}", "share": " %"}.get(metric.kind, "")
        shown = metric.shown(found, units, True) + unit
        if metric.key == "modes" and (there := known(metrics, "modes_there")) is not None:
            shown += f" of {there:,.0f}"
        name = f"{above}: {label.strip()}" if part else label
        rows.append([name, metric.note.format(**in_notes(result, units)), shown])
    estimate = known(result, "estimate")
    if estimate is not None and result["task"] in ("gan", "ali"):  # a bottleneck's is a score
        rows.append([*beside_scores(result), in_unit(estimate, units)])
    yield paragraph(HEADLINES.get(str(result["task"]), "").strip())
    fine = (
        "Nothing speaks against these numbers: they are of samples or rows that trained nothing."
    )
    care = f"With care, status {status}: {advice(result)}"
    yield section("What was found", table(["", "", "value"], rows, text=2))
    yield section(
        "Can it be believed?", bullets([fine if status == "ok" else care, *noticed(result)])
    )


TITLES = {
    "gan": "How well a generator imitates the data",
    "ali": "How well codes stand for the data, and samples imitate them",
    "infobottleneck": "How well a classifier does that keeps little of its input",
    "classifier": "How well digits are classified",
}
HEADLINES = {
    "gan": "A generator was trained to imitate the data, and its samples were judged.",
    "ali": "An encoder and a generator were trained against one discriminator, and judged on rows "
    "that did not train.",
    "infobottleneck": "A classifier was trained to keep little of its input, and judged on test "
    "rows: its errors, and how much its codes tell of the input and of the class.",
    "classifier": "A classifier of digits was trained, with which samples are judged.",
}


def pictures(folder: Path) -> Iterator[str]:
    """The pictures of the run, each under a sentence."""
    for name, says in PICTURES.items():
        found = picture(folder / "figures" / f"{name}.png", says)
        if found:
            yield paragraph(says, "soft") + found


def made(result: Result, folder: Path) -> dict[str, str]:
    """The command, the cost and the versions."""
    path = folder / ".hydra" / "overrides.yaml"
    given = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None
    command = f"`{shlex.join(['mine-run', *given])}`" if given else ""
    folds = f"folds={result['folds']}" if "folds" in result else ""
    versions = ", ".join(f"{k} {v}" for k, v in (result.get("versions") or {}).items())
    return {
        "command": command,
        "split": ", ".join(filter(None, [result.get("split"), folds])),
        "run": cost(result),
        "versions": versions,
        "commit": str(result.get("commit") or ""),
        "folder": str(folder),
    }
