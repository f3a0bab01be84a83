"""The end of a run on the terminal: what was found, how far to trust it, where it lies."""

import shlex
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from mine_cli.results.commands import as_typed
from mine_cli.results.files import Result
from mine_cli.results.metrics import METRICS
from mine_cli.results.numbers import chance, known, per_nat

__all__ = ["SCREEN_ADVICE", "STATUS_ADVICE", "in_notes", "of_screen", "summary"]

STATUS_ADVICE = {
    "diverged": "A loss or score became infinite; the last good checkpoint was kept. "
    "Try a smaller trainer.lr.",
    "high_variance": "Few pairs carry the whole average, so the value may be far off. "
    "Try more data, or bound=smile or infonce.",
    "at_ceiling": "The bound cannot exceed the log of its number of negatives and is near it; "
    "the information may be larger. Try more negatives or bound=mine.",
    "not_converged": "The value was still rising when the steps ran out. "
    "Try a larger trainer.steps.",
    "below_reference": "A reference that can be trusted, KSG of few columns or the copula, says "
    "more than the estimate, or than one of its terms: the bound is not tight. Try more rows or "
    "steps, or a larger network.",
    "collapsed": "Fewer than a tenth of the modes are left. "
    "Try a larger weight of the information (task.beta; of task=ali method=ali_mine and its "
    "method.beta), or a smaller trainer.lr.",
    "modes_missing": "Fewer than nine tenths of the modes have a good sample. "
    "Try a larger weight of the information (task.beta; of task=ali method=ali_mine and its "
    "method.beta), or a larger trainer.steps.",
    "low_quality": "Fewer than half of the samples lie near a mode. Try a larger trainer.steps.",
    "not_reconstructed": "Fewer than half of the held-out rows are reconstructed as what they "
    "are, or the mean of all rows is as near to them. Try method=ali_mine, or a larger "
    "trainer.steps.",
    "outrun": "The encoder fools the statistics network: on test rows the term is below 0, which "
    "mutual information never is. Try a larger task.statistics_lr or task.statistics_steps.",
    "inaccurate": "Too many test images are taken for something else, so it was not kept. "
    "Try a larger trainer.steps.",
}
SCREEN_ADVICE = {
    "at_ceiling": "The cells of a screen cannot tell more, and the information is larger. "
    "Ask task=mi-estimate of these two columns.",
    "high_variance": "Few rows carry the whole average, so the value may be far off. "
    "Try more rows, or task=mi-estimate of these two columns.",
    "diverged": "The number is not finite. Try a smaller trainer.lr.",
    "below_reference": "Less than 0, which information never is: of the two terms that it is the "
    "difference of, the first falls shorter. Take it for 0, or try more rows.",
}
LABEL = 16  # characters before the numbers
WIDTH = 84  # of what explains them
FAR = 0.1  # nats: as much more than the estimate a reference may say without a word about it


def summary(result: Result, units: str = "nats", folder: Path | str | None = None) -> str:
    """Returns the summary of a finished run for the terminal.

    Arguments:
        result: What stands in result.json, in nats.
        units: "nats" or "bits": the unit of display.
        folder: Where the run lies, named at the end with the TensorBoard command.
    """
    task, status = str(result.get("task")), str(result.get("status"))
    first, *others = NUMBERS.get(task, numbers)(result, units)
    lines = [heading(result), "", first, *explained(STATUS_ADVICE.get(status, "")), *others]
    lines += rows_read(result)
    if units != "nats" and task != "classifier":
        lines += explained(f"Shown in {units}; result.json and metrics.csv are in nats.")
    lines += [*references(result, units), *warnings(result), "", row("run", cost(result))]
    if folder is not None:
        shown = as_typed(Path(folder))
        lines.append(row("folder", shown))
        if (Path(folder) / "report.html").exists():
            lines.append(row("to read", as_typed(Path(folder) / "report.html")))
        lines.append(row("look at it", f"tensorboard --logdir {shlex.quote(shown)}"))
    return "\n".join(lines)


def heading(result: Result) -> str:
    """Task and what it was made of, on one line."""
    keys: tuple[str, ...] = ("dataset", "method", "encoder", "network", "bound", "marginals")
    if (result.get("method") or {}).get("information", "mine") != "mine":
        keys = keys[:3]  # no statistics network
    parts = [name_of(result.get(key)) for key in keys]
    parts[0] += "".join(f" {setting}" for setting in settings_of(result.get("dataset")))
    return f"{result.get('task')}: {', '.join(part for part in parts if part)}"


def numbers(result: Result, units: str) -> list[str]:
    """Estimate, status, truth and what stands beside them."""
    estimate, truth, fit = (known(result, key) for key in ("estimate", "true_mi", "fit_value"))
    error, status = known(result, "standard_error"), str(result.get("status"))
    shown = " unknown"
    if estimate is not None:
        shown = f"{with_error(estimate, error, units)} {units}"
    which = "; ± one standard error" if "±" in shown else ""
    lines = [row("estimate", shown, f"status: {status}{which}")]
    lines += [of_term(name, term, units) for name, term in terms_of(result).items()]
    note = str(result.get("true_mi_note") or "")
    lines.append(row("true MI", " unknown" if truth is None else value(truth, units), note))
    if (gap := known(result, "error")) is not None:
        lines.append(row("error", value(gap, units, sign="+"), "estimate - truth"))
    if (ends := result.get("interval")) is not None:
        shown = f"{value(ends[0], units)} to {value(ends[1], units).strip()}"
        lines.append(row("interval", shown, "95 %, with what critics may have missed"))
    if (lower := known(result, "lower_bound")) is not None:
        lines.append(row("lower bound", value(lower, units), "valid on average over samples"))
    if fit is not None:
        beside = ""
        if estimate is not None:
            beside = f"{value(fit - estimate, units, sign='+')} against the held-out estimate"
        lines.append(row("on fitted rows", value(fit, units), beside))
    if (p := known(result, "p_value")) is not None:
        of_what = "rows" if known(result, "groups") is None else "whole groups"
        beside = f"of independence, by permuting {of_what} of z"
        least = " or less" if p == known(result, "least_p_value") else ""
        lines.append(row("p-value", f" {p:.3f}{least}", beside))
    if terms_of(result):
        lines.append(row("p-value", " none", str(result.get("p_value_note"))))
    if (folds := known(result, "fold_sd")) is not None:
        lines.append(row("between folds", value(folds, units), "standard deviation"))
    if (pairs := known(result, "marginal_pairs")) is not None:
        rows = known(result, "effective_sample_size")
        of_what = "rows" if known(result, "groups") is None else "groups"
        beside = "" if rows is None else f"worth {rows:,.0f} independent {of_what}"
        lines.append(row("marginal pairs", f" {pairs:,.0f}", beside))
    return lines


def terms_of(result: Result) -> Mapping[str, Result]:
    """The terms whose difference an estimate given w is, by their names; none of another."""
    return result.get("terms") or {}


TERMS = {"I(x, w; z)": "x and what is given, w, tell of z", "I(w; z)": "what is given does alone"}


def of_term(name: str, term: Result, units: str) -> str:
    """One of the terms whose difference is the estimate."""
    found, error = known(term, "estimate"), known(term, "standard_error") or 0.0
    shown = " unknown" if found is None else with_error(found, error, units)
    word = "" if term.get("status") == "ok" else f" ({term.get('status')})"
    return row(f"  {name}", shown, TERMS.get(name, "") + word)


def rows_read(result: Result) -> list[str]:
    """How many rows the data have, and how many of them were left out for a gap."""
    rows = result.get("rows") or {}
    read, used, gaps = known(rows, "read"), known(rows, "used"), rows.get("gaps") or {}
    if read is None or used is None:
        return []
    if not gaps:
        return [row("rows read", f" {read:,.0f}")]
    columns = ", ".join(f"{name} in {count:,}" for name, count in gaps.items())
    told = row("rows read", f" {read:,.0f}", f"{read - used:,.0f} left out, with a gap")
    return [told, *explained(f"no value: {columns}")]


def scores(result: Result, units: str) -> list[str]:
    """The metrics of a task that have a label: first the shares, then what is in nats."""
    metrics, lines = result.get("metrics") or {}, []
    for metric in sorted(METRICS[result["task"]].values(), key=lambda m: m.kind == "nats"):
        found = known(metrics, metric.key)
        if not metric.label or found is None:
            continue
        share = f" {100 * found:.{metric.decimals}f} %"
        shown = f"{value(found, units)} {units}" if metric.kind == "nats" else share
        lines.append(row(metric.label, shown, metric.note.format(**in_notes(result, units))))
    return lines


def in_notes(result: Result, units: str) -> dict[str, object]:
    """What stands in the braces of the metrics' notes."""
    metrics = result.get("metrics") or {}
    rows = known(metrics, "test_rows")
    return {
        "on": "" if rows is None else f"on {rows:,.0f} test rows, ",
        "samples": known(metrics, "samples") or 1,
        "status": metrics.get("estimate_status"),
        "h_y": in_unit(metrics.get("h_y"), units),
    }


def of_generator(result: Result, units: str) -> list[str]:
    """What a generator's samples are worth, and the information in them as a diagnostic."""
    metrics, status = result.get("metrics") or {}, str(result.get("status"))
    lines = [row("status", f" {status}", explained_briefly(result))]
    if (modes := known(metrics, "modes")) is not None:
        lines.append(row("modes", f" {modes:,.0f} of {known(metrics, 'modes_there'):,.0f}"))
    return [*lines, *scores(result, units), *of_estimate(result, units)]


def of_estimate(result: Result, units: str) -> list[str]:
    """The line of the information that was measured beside the scores, if it was."""
    estimate = known(result, "estimate")
    if estimate is None:
        return []
    name, note = beside_scores(result)
    shown = with_error(estimate, known(result, "standard_error"), units)
    return [row(name, f"{shown} {units}", note)]


def beside_scores(result: Result) -> tuple[str, str]:
    """Returns name and note of the estimate of a generator or an autoencoder."""
    status = (result.get("metrics") or {}).get("estimate_status")
    if result.get("task") == "ali":
        held_out = known(result.get("metrics") or {}, "held_out")
        of_rows = "" if held_out is None else f", on {held_out:,.0f} held-out rows"
        return "I(X; Z)", f"a lower bound ({status}) by a fresh network{of_rows}"
    truth = str(result.get("true_mi_note")).partition(";")[0].partition(":")[0]
    return "information", f"a diagnostic ({status}); the truth is {truth}"


def explained_briefly(result: Result) -> str:
    """A generator's arm in words."""
    beta = float((result.get("gan") or {}).get("beta", 0.0))
    return f"with the information in its code, beta {beta:g}" if beta else "beta 0: without it"


def of_autoencoder(result: Result, units: str) -> list[str]:
    """How faithful reconstructions are, what samples are worth, and what a code tells."""
    metrics, status = result.get("metrics") or {}, str(result.get("status"))
    notes = {key: metric.note for key, metric in METRICS["ali"].items()}
    lines = [row("status", f" {status}")]
    if (error := known(metrics, "reconstruction_error")) is not None:
        mean = known(metrics, "error_of_mean")
        beside = "" if mean is None else f"; {mean:.4g} if each were given as the mean row"
        lines.append(row("error", f" {error:.4g}", notes["reconstruction_error"] + beside))
    if (similarity := known(metrics, "ms_ssim")) is not None:
        lines.append(row("MS-SSIM", f" {similarity:.3f}", notes["ms_ssim"]))
    if (modes := known(metrics, "modes")) is not None:
        lines.append(row("modes", f" {modes:,.0f} of {known(metrics, 'modes_there'):,.0f}"))
    return [*lines, *scores(result, units), *of_estimate(result, units)]


def of_classifier(result: Result, units: str) -> list[str]:
    """How good a classifier is, and where it was kept."""
    metrics, status = result.get("metrics") or {}, str(result.get("status"))
    accuracy, images = known(metrics, "accuracy"), known(metrics, "test_images")
    shown = " unknown" if accuracy is None else f" {100 * accuracy:.2f} %"
    beside = "" if images is None else f" on {images:,.0f} test images"
    kept = [] if status in STATUS_ADVICE else [row("kept as", f" {result.get('classifier')}")]
    return [row("accuracy", shown, f"status: {status}{beside}"), *kept]


def of_bottleneck(result: Result, units: str) -> list[str]:
    """How well a bottleneck predicts, and how much its codes tell of the input and the class."""
    metrics, status = result.get("metrics") or {}, str(result.get("status"))
    beta = (result.get("method") or {}).get("beta")
    lines = [row("status", f" {status}", f"beta {float(beta):g}" if beta else "")]
    lines += scores(result, units)
    for key, label, beside in (
        ("noise_errors", "noisy inputs", "error under Gaussian noise of that deviation"),
        ("fgsm_errors", "attacked inputs", "error under a sign-gradient step of that length"),
    ):
        if errors := metrics.get(key):
            shown = "  ".join(f"{k}: {100 * v:.1f} %" for k, v in errors.items() if v is not None)
            lines += [f"  {label:<{LABEL}} {shown}", *explained(beside)]
    return lines


def in_unit(nats: float | None, units: str) -> str:
    """A number in the unit of display, with its name; or that it is not known."""
    return "not known" if nats is None else f"{value(nats, units).strip()} {units}"


def of_screen(result: Result, units: str) -> list[str]:
    """How many pairs of columns share information, and the table's first rows."""
    metrics, top = result.get("metrics") or {}, result.get("top") or []
    tested, found = (known(metrics, key) or 0 for key in ("tested", "found"))
    note, w = result.get("p_value_note"), result.get("given")
    by = "two standard errors above 0" if note else "with a q-value of at most 0.05"
    lines = [row("found", f" {found:,.0f}", f"of {tested:,.0f} pairs, {by}")]
    if w:
        lines.append(row("given", f" {w}", f"what x tells of z to who knows {w} already"))
    if note:
        lines.append(row("p-values", " none", str(note)))
    lines.append("")
    if top:
        lines += aligned(top, units, bool(note))
        q = "q: the share of chance among all that have as small a q, or a smaller one. "
        third = f"a column other than {w}" if w else "another column"
        unseen = f"What tells only together with {third} is not seen."
        lines += ["", *explained(("" if note else q) + unseen, 2)]
    for word, advice in SCREEN_ADVICE.items():
        if any(line["status"] == word for line in top[:SHOWN]):
            lines += explained(f"{word}: {advice}", 2)
    if left := result.get("left_out") or []:
        shown = "; ".join(f"{column['name']}: {column['why']}" for column in left[:SHOWN])
        more = f"; and {len(left) - SHOWN} more, see screen.csv" if len(left) > SHOWN else ""
        lines += ["", *explained(f"left out: {shown}{more}", 2)]
    return lines


def aligned(top: Sequence[Result], units: str, untested: bool) -> list[str]:
    """The first rows of a screen's table, in columns; without p and q where none are known."""
    factor = per_nat(units)
    lines = [
        {
            "x": clipped(line["x"]),
            "z": clipped(line["z"]),
            units: f"{line['estimate'] * factor:z.3f}",
            "between": f"{line['low'] * factor:z.3f} to {line['high'] * factor:z.3f}",
            **({} if untested else {k: chance(line[f"{k}_value"]) for k in "pq"}),
            "status": str(line["status"]),
            "rows": f"{line['rows']:,}",
        }
        for line in top[:SHOWN]
    ]
    cells = [[*lines[0]], *([*line.values()] for line in lines)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  " + "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip()
            for line in cells]  # fmt: skip


def clipped(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 3]}..."


SHOWN = 15  # rows of a screen's table on a terminal
LONGEST_NAME = 24

NUMBERS = {
    "mi-estimate": numbers,
    "gan": of_generator,
    "infobottleneck": of_bottleneck,
    "ali": of_autoencoder,
    "classifier": of_classifier,
    "screen": of_screen,
}


def warnings(result: Result) -> list[str]:
    """What was noticed about the data, and how a diverged run ended."""
    found = [*(result.get("warnings") or []), *filter(None, [result.get("note")])]
    return ["", *(line for text in found for line in explained(f"! {text}", 2))] if found else []


def references(result: Result, units: str) -> list[str]:
    """Other estimators' values, never mixed into the estimate."""
    lines = []
    for name, found in (result.get("references") or {}).items():
        number, note = known(found, "estimate"), str(found.get("note") or "")
        shown = " none" if number is None else with_error(number, known(found, "error"), units)
        lines.append(row(f"  {REFERENCE_NAMES.get(name, name)}", shown, note))
        if name == "ksg" and result.get("status") == "ok" and more_than(number, result):
            lines += explained(
                "More than the estimate, which a bound that is not yet tight falls short of. "
                "Try more rows, or another network."
            )
    return ["", "for comparison", *lines] if lines else []


def more_than(number: float | None, result: Result) -> bool:
    """Whether a reference lies above the estimate by more than what either may be off by."""
    estimate, error = known(result, "estimate"), known(result, "standard_error")
    if number is None or estimate is None:
        return False
    return number - estimate > max(FAR, number / 4, 3 * (error or 0.0))


REFERENCE_NAMES = {"ksg": "KSG", "gaussian": "Gaussian", "copula": "Copula"}


def cost(result: Result) -> str:
    """Steps, time, device and seed."""
    parts, counted = [], result.get("counted") or "steps"
    if (steps := known(result, "steps")) is not None:
        parts.append(f"{int(steps):,} {counted}")
    if (seconds := known(result, "seconds")) is not None:
        parts.append(f"{seconds:,.1f} s")
    if speed := known(result, "steps_per_second"):
        parts.append(f"{speed:,.{0 if speed > 10 else 1}f} {counted}/s")
    parts += [str(result[key]) for key in ("device", "dtype") if result.get(key)]
    if result.get("seed") is not None:
        parts.append(f"seed {result['seed']}")
    return ", ".join(parts)


def row(label: str, shown: str, note: str = "") -> str:
    """One aligned line."""
    return f"  {label:<{LABEL}}{shown:<24}{note}".rstrip()


def explained(text: str, indent: int = LABEL + 3) -> list[str]:
    """A sentence below the numbers, in lines that fit a terminal."""
    margin = " " * indent
    return textwrap.wrap(text, WIDTH, initial_indent=margin, subsequent_indent=margin)


def value(nats: float, units: str, sign: str = "") -> str:
    """A number in the unit of display, padded so that decimal points stand in a column."""
    return f"{nats * per_nat(units):{sign or ' '}z.4f}"


def with_error(nats: float, error: float | None, units: str) -> str:
    """A number, and one standard error of it where that is known."""
    spread = "" if error is None else f" ± {error * per_nat(units):.4f}"
    return value(nats, units) + spread


def name_of(part: object) -> str:
    """A component in a word or two."""
    if isinstance(part, Mapping):
        kind = str(part.get("_target_", "")).rpartition(".")[2]
        return " ".join(word for word in (kind, part.get("name")) if word)
    return "" if part is None else str(part)


def settings_of(part: object) -> list[str]:
    """The settings of a component that say what it is, such as `dim=20`."""
    if not isinstance(part, Mapping):
        return []
    skipped = ("_target_", "name", "data_dir", "seed")
    chosen = {key: found for key, found in part.items() if key not in skipped}
    return [f"{k}={typed(v)}" for k, v in chosen.items() if v not in (None, False, [], {})]


def typed(setting: object) -> str:
    """A setting as it is typed on the command line."""
    return f"[{','.join(map(str, setting))}]" if isinstance(setting, list) else str(setting)
