"""What is measured: one function for each row, or family of rows, of the table."""

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from adversarial import IMAGES, PACGAN, PLANE, Adversarial, Plain, images, points
from bottleneck import PlainVIB, Squeezed, digits
from critics import Critics
from encoded import Encoded, PlainEncoded
from loops import HandWritten, Ordinary, Ours, Stepped, gaussian
from sweeps import FIGURE_1, GRID, correlations, difference, launch, seeds
from timing import Timed, in_turns, interleaved, slope

from mine_cli.tasks.mi_estimate.baselines import ksg

__all__ = ["ROWS", "Measured", "Sizes"]


@dataclass(frozen=True)
class Sizes:
    """How much is run: the numbers of the full table, or a few seconds' worth."""

    pairs: int = 10
    steps: int = 300
    wide_steps: int = 20
    logged_steps: int = 6000
    evaluated_pairs: int = 10**8
    dims: tuple[int, ...] = (2, 8, 32, 128, 512, 2048)
    rows: tuple[int, ...] = (10**4, 10**5, 10**6)
    fixed_rows: int = 10**4
    widths: tuple[int, ...] = (100, 100)
    batch: int = 512
    adversarial_steps: int = 100
    image_steps: int = 20
    bottleneck_steps: int = 20
    critics: tuple[int, int] = (10, 1000)
    critics_steps: int = 256  # one block of batches drawn ahead
    correlations: tuple[int, int] = (13, 19)
    seeds: int = 10
    sweep_steps: tuple[int, int] = (2000, 1500)
    figure: tuple[str, ...] = ()
    neighbours: int = 5000
    screened: tuple[int, int] = (50, 10**4)  # columns and rows

    @classmethod
    def quick(cls) -> "Sizes":
        """Enough to see that everything runs: its numbers mean nothing."""
        return cls(
            pairs=2,
            steps=4,
            wide_steps=2,
            logged_steps=20,
            evaluated_pairs=10**5,
            dims=(2, 16),
            rows=(500, 1000),
            fixed_rows=500,
            widths=(16, 16),
            batch=64,
            adversarial_steps=2,
            image_steps=1,
            bottleneck_steps=1,
            critics=(2, 4),
            critics_steps=4,
            correlations=(2, 2),
            seeds=1,
            sweep_steps=(20, 20),
            figure=("seed=0", "dataset.rho=0.5,0.9", "trainer.steps=20", "task.report_rows=1000"),
            neighbours=200,
            screened=(8, 300),
        )


@dataclass(frozen=True)
class Measured:
    """One line of the table; ``met`` is None where there is no target."""

    what: str
    measured: str
    target: str = ""
    met: bool | None = None
    detail: str = ""


def step(sizes: Sizes, device: str) -> Iterator[Measured]:
    """A step at 20 dimensions against the ordinary and the hand-written loop."""
    x, z = gaussian(20, sizes.fixed_rows, device)
    ours = Ours(x, z, sizes.widths, sizes.batch)
    ordinary = Ordinary(x, z, sizes.widths, sizes.batch)
    found = interleaved(ordinary, ours, sizes.pairs, sizes.steps)
    yield Measured(
        "step, 20-d: ordinary loop / ours",
        f"{found.median:.2f}",
        "at least 2.5",
        found.median >= 2.5,
        found.detail(),
    )
    by_hand = HandWritten(x, z, sizes.widths, sizes.batch)
    found = interleaved(ours, by_hand, sizes.pairs, sizes.steps)
    yield Measured(
        "step, 20-d: ours / hand-written loop",
        f"{found.median:.2f}",
        "at most 1.1",
        found.median <= 1.1,
        found.detail(),
    )


def wide(sizes: Sizes, device: str) -> Iterator[Measured]:
    """A step at the largest dimension, where the first layer is nearly all of it."""
    dim = sizes.dims[-1]
    x, z = gaussian(dim, sizes.fixed_rows, device)
    ours = Ours(x, z, sizes.widths, sizes.batch)
    by_hand = HandWritten(x, z, sizes.widths, sizes.batch)
    found = interleaved(ours, by_hand, sizes.pairs, sizes.wide_steps)
    yield Measured(
        f"step, {dim}-d: ours / hand-written loop",
        f"{found.median:.2f}",
        "at most 0.6",
        found.median <= 0.6,
        found.detail(),
    )


def term(sizes: Sizes, device: str) -> Iterator[Measured]:
    """A step of the term in a loop of one's own against the hand-written loop."""
    x, z = gaussian(20, sizes.fixed_rows, device)
    stepped = Stepped(x, z, sizes.widths, sizes.batch)
    by_hand = HandWritten(x, z, sizes.widths, sizes.batch)
    found = interleaved(stepped, by_hand, sizes.pairs, sizes.steps)
    yield Measured(
        "term.step, 20-d / hand-written loop",
        f"{found.median:.2f}",
        "at most 1.3",
        found.median <= 1.3,
        found.detail(),
    )


def logging(sizes: Sizes, device: str) -> Iterator[Measured]:
    """The share of a run's time inside its logging calls, at the default intervals."""
    x, z = gaussian(20, sizes.fixed_rows, device)
    defaults = ("trainer.evaluate_every=null", "task.pairs_during_training=100000")
    record = Ours(x, z, sizes.widths, sizes.batch, overrides=defaults).train(sizes.logged_steps)
    share = record.logging_seconds / record.seconds
    yield Measured(
        "logging, share of the time",
        f"{share:.2%}",
        "under 3 %",
        share < 0.03,
        f"{record.logging_seconds:.2f} of {record.seconds:.1f} s, {record.steps} steps; "
        f"evaluations {record.evaluation_seconds:.1f} s, "
        f"checkpoints {record.checkpoint_seconds:.1f} s",
    )


def evaluation(sizes: Sizes, device: str) -> Iterator[Measured]:
    """The memory and time of an evaluation, in a process of its own."""
    script = Path(__file__).with_name("evaluation.py")
    command = [sys.executable, str(script), str(sizes.evaluated_pairs), device]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    yield Measured(
        f"evaluation of {found['pairs']:.0e} pairs, memory beyond the data",
        f"{found['bytes'] / 1e9:.2f} GB",
        "under 1 GB",
        found["bytes"] < 1e9,
        f"{found['seconds']:.1f} s",
    )


def scaling(sizes: Sizes, device: str) -> Iterator[Measured]:
    """How a step's time grows with the dimension, and an epoch's with the number of rows."""
    loops = [Ours(*gaussian(d, 2000, device), sizes.widths, sizes.batch) for d in sizes.dims]
    times = in_turns(loops, 5, [sizes.wide_steps] * len(loops))
    yield power("step time against dimension", sizes.dims, times, "ms")
    loops = [Ours(*gaussian(20, n, device), sizes.widths, sizes.batch) for n in sizes.rows]
    steps = [n // sizes.batch for n in sizes.rows]
    times = in_turns(loops, 3, steps)
    epochs = [ms * count / 1e3 for ms, count in zip(times, steps, strict=True)]
    yield power("epoch time against rows", sizes.rows, epochs, "s")


def power(what: str, sizes: tuple[int, ...], times: list[float], unit: str) -> Measured:
    """The line for one log-log slope."""
    found = slope(sizes, times)
    points = ", ".join(f"{n}: {t:.3g}" for n, t in zip(sizes, times, strict=True))
    steepest = max(slope(sizes[i : i + 2], times[i : i + 2]) for i in range(len(sizes) - 1))
    return Measured(
        f"{what}, log-log slope",
        f"{found:.2f}",
        "at most 1.1",
        found <= 1.1,
        f"steepest piece {steepest:.2f}; {unit} at {points}",
    )


def ensemble(sizes: Sizes, device: str) -> Iterator[Measured]:
    """Five networks trained together against the same five one after the other."""
    for dim, widths, batch in ((20, sizes.widths, sizes.batch), (2, (16, 16), sizes.batch // 4)):
        x, z = gaussian(dim, sizes.fixed_rows, device)
        five = Ours(x, z, widths, batch, networks=5)
        one = Ours(x, z, widths, batch)
        # Both in milliseconds for a step of one network.
        found = interleaved(one, five, sizes.pairs, max(1, sizes.steps // 4), shares=(1, 5))
        shape = "-".join(map(str, widths))
        yield Measured(
            f"five in turn / five together, {dim}-d, {shape}, batch {batch}",
            f"{found.median:.2f}",
            detail=found.detail(),
        )


def adversarial(sizes: Sizes, device: str) -> Iterator[Measured]:
    """A step of the adversarial pair against a plain loop, and what the information adds to it."""
    plane, steps = points(sizes.fixed_rows), sizes.adversarial_steps
    for what, data, options, block, limit in (
        ("25 Gaussians", plane, PLANE, steps, 2.5),
        ("25 Gaussians in PacGAN's setting", plane, PACGAN, steps, 1.4),
        ("quarter DCGAN", images(sizes.fixed_rows), IMAGES, sizes.image_steps, 2.5),
    ):
        ours, informed = (Adversarial(data, options, beta, device) for beta in (0.0, 1.0))
        found = interleaved(ours, Plain(ours), sizes.pairs, block)
        yield Measured(
            f"adversarial step, {what}: ours / plain loop",
            f"{found.median:.2f}",
            "at most 1.1",
            found.median <= 1.1,
            found.detail(),
        )
        found = interleaved(informed, ours, sizes.pairs, block)
        yield Measured(
            f"adversarial step, {what}: with information / without",
            f"{found.median:.2f}",
            f"at most {limit}",
            found.median <= limit,
            found.detail(),
        )


def ali(sizes: Sizes, device: str) -> Iterator[Measured]:
    """A step of an encoder beside a generator against a plain loop, and one with information."""
    data, steps = points(sizes.fixed_rows), sizes.adversarial_steps
    ours, informed = (Encoded(data, method, device) for method in ("ali", "ali_mine"))
    plain = PlainEncoded(ours)
    for what, loop, limit in (("ours", ours, 1.1), ("with information", informed, 2.2)):
        found = interleaved(loop, plain, sizes.pairs, steps)
        yield Measured(
            f"encoder's step, 25 Gaussians: {what} / plain loop",
            f"{found.median:.2f}",
            f"at most {limit}",
            found.median <= limit,
            found.detail(),
        )


def bottleneck(sizes: Sizes, device: str) -> Iterator[Measured]:
    """A step of the closed-form method against a plain loop, and what the MI term costs beside it.

    And what bfloat16 products save; on a GPU also ten seeds together against one.
    """
    data = digits(sizes.fixed_rows, device)
    methods = ("none", "vib", "mine_additive")
    none, vib, additive = plain = [Squeezed(data, method, device) for method in methods]
    for what, first, second, limit in (
        ("vib: ours / plain loop", vib, PlainVIB(vib), 1.1),
        ("mine_gaussian / vib", Squeezed(data, "mine_gaussian", device), vib, 2.5),
        ("mine_additive / none", additive, none, 1.4),
    ):
        yield compared(f"bottleneck step, {what}", first, second, sizes, limit)
    for method, exact in zip(methods, plain, strict=True):
        rounded = Squeezed(data, method, device, options=("trainer.dtype=bfloat16",))
        found = interleaved(rounded, exact, sizes.pairs, sizes.bottleneck_steps)
        what = f"bottleneck step, {method}: bfloat16 / float32"
        yield Measured(what, f"{found.median:.2f}", detail=found.detail())
    if torch.device(device).type == "cuda":
        ten, one = (Squeezed(data, "mine_gaussian", device, seeds) for seeds in (10, 1))
        yield compared("bottleneck step, ten seeds together / one", ten, one, sizes, 2.5)


def compared(what: str, first: Timed, second: Timed, sizes: Sizes, limit: float) -> Measured:
    """The line for one ratio that is to stay below a limit."""
    found = interleaved(first, second, sizes.pairs, sizes.bottleneck_steps)
    met = found.median <= limit
    return Measured(what, f"{found.median:.2f}", f"at most {limit:g}", met, found.detail())


def critics(sizes: Sizes, device: str) -> Iterator[Measured]:
    """What many networks cost as one model, beside few and one after another."""
    one, few, many = (Critics(number, device) for number in (1, *sizes.critics))
    number_few, number = sizes.critics
    on_gpu = torch.device(device).type == "cuda"
    found = interleaved(many, few, min(5, sizes.pairs), sizes.critics_steps)
    yield Measured(
        f"critics step, {number} together / {number_few} together",
        f"{found.median:.2f}",
        "at most 3" if on_gpu else "",
        found.median <= 3 if on_gpu else None,
        found.detail(),
    )
    found = interleaved(one, many, min(5, sizes.pairs), sizes.critics_steps, shares=(1, number))
    yield Measured(
        f"critics step, {number} one after another / together",
        f"{found.median:.1f}",
        "at least 50" if on_gpu else "",
        found.median >= 50 if on_gpu else None,
        found.detail(),
    )


def sweep(sizes: Sizes, device: str) -> Iterator[Measured]:
    """A grid of small jobs through the fused launcher, against others of one machine."""
    arguments = (
        *GRID,
        correlations(sizes.correlations[0], 0.99),
        seeds(sizes.seeds),
        f"trainer.steps={sizes.sweep_steps[0]}",
    )
    fused = launch("fused", arguments)
    others = {name: launch(name, arguments) for name in ("basic", "joblib") if present(name)}
    best = min(others.values(), key=lambda other: other.seconds)
    ratio = best.seconds / fused.seconds
    told = {"fused": fused, **others}
    detail = "; ".join(f"{name} {launched.detail()}" for name, launched in told.items())
    detail += f"; estimates differ by at most {difference(fused, best):.1g} nats"
    name = "the better of basic and joblib" if "joblib" in others else "basic"
    yield Measured(f"sweep: {name} / fused", f"{ratio:.2f}", "at least 2.5", ratio >= 2.5, detail)


def figure_1(sizes: Sizes, device: str) -> Iterator[Measured]:
    """The grid of the paper's first figure, and three of its jobs by themselves."""
    steps = f"trainer.steps={sizes.sweep_steps[1]}"
    grid = (*FIGURE_1, steps, correlations(sizes.correlations[1], 0.99))
    fused = launch("fused", grid)
    alone = launch("basic", (*FIGURE_1, steps, "dataset.rho=0.99"))
    in_turn = alone.seconds / alone.jobs * fused.jobs
    detail = f"{fused.detail()}; {alone.jobs} of them through basic: {alone.seconds:.0f} s, "
    detail += f"{in_turn:.0f} s for all if extrapolated, differing by at most "
    detail += f"{difference(fused, alone):.1g} nats"
    met = fused.seconds <= 110
    yield Measured("figure 1, seconds", f"{fused.seconds:.0f}", "at most 110", met, detail)


def fig1(sizes: Sizes, device: str) -> Iterator[Measured]:
    """All that `scripts/reproduce fig1` computes, and three of its jobs by themselves."""
    experiment = ("experiment=paper/fig1", f"trainer.device={device}")
    fused = launch("fused", (*experiment, *sizes.figure))
    few = [option for option in sizes.figure if not option.startswith("seed")]
    cells = ("bound=mine", "dataset.dim=20", "dataset.rho=0.5,0.7,0.9", "seed=0")
    alone = launch("basic", (*experiment, *few, *cells))
    nearest = sum(neighbours(dim, sizes.neighbours) for dim in (2, 20)) * KSG_CELLS / 2
    seconds, in_turn = fused.seconds + nearest, alone.seconds / alone.jobs * fused.jobs
    detail = f"{fused.detail()}; {nearest:.0f} s for {KSG_CELLS} estimates by KSG, extrapolated "
    detail += f"from two; one by one {in_turn / 60:.0f} min without KSG, extrapolated from "
    detail += f"{alone.jobs} cells ({alone.seconds:.0f} s)"
    met = seconds <= 45 * 60
    yield Measured("fig1 complete, minutes", f"{seconds / 60:.1f}", "at most 45", met, detail)


def screen(sizes: Sizes, device: str) -> Iterator[Measured]:
    """All pairs of a made table, one outcome, and three real tables beside scikit-learn."""
    columns, rows = map(str, sizes.screened)
    found = screened("made", columns, rows)
    minutes, pairs = found["seconds"] / 60, found["pairs"]
    what, busy = f"screen, {columns} columns of {rows} rows", f"{found['busy']:.0f} s of one core"
    met = minutes <= 10
    yield Measured(
        f"{what}, minutes", f"{minutes:.1f}", "at most 10", met, f"{pairs} pairs; {busy}"
    )
    size = found["bytes"] / 1e9
    yield Measured(f"{what}, memory", f"{size:.2f} GB", "under 2 GB", size < 2)
    detail = f"{found['planted']} planted pairs among {pairs}"
    auroc = found["auroc"]
    yield Measured("screen, AUROC", f"{auroc:.3f}", "at least 0.99", auroc >= 0.99, detail)
    chance, independent = found["chance"], found["independent"]
    detail = f"of {independent} independent pairs"
    yield Measured(
        "screen, share of p <= 0.05", f"{chance:.3f}", "at most 0.06", chance <= 0.06, detail
    )
    found = screened("outcome", columns, rows)
    seconds, detail = (
        found["seconds"],
        f"{found['busy']:.0f} s of one core; AUROC {found['auroc']:.3f}",
    )
    what = f"screen, 20 columns of {rows} rows about one, seconds"
    yield Measured(what, f"{seconds:.0f}", "at most 30", seconds <= 30, detail)
    for name in ("wine", "breast_cancer", "diabetes"):
        found = screened(name)
        detail = f"{found['found']} of {found['pairs']} columns found; scikit-learn's "
        detail += f"mutual_info: {found['sklearn_seconds']:.2f} s, rank correlation "
        detail += f"{found['rank_correlation']:.2f}, apart by at most "
        detail += f"{found['largest_gap']:.2f} nats; ours {found['busy']:.1f} s of one core"
        yield Measured(f"screen, {name}, seconds", f"{found['seconds']:.1f}", detail=detail)


def screened(*arguments: str) -> dict[str, float]:
    """What a screen in a process of its own has found."""
    command = [sys.executable, str(Path(__file__).with_name("screens.py")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


KSG_CELLS = 78  # of fig1: 2 dimensions, 13 correlations, 3 seeds


def neighbours(dim: int, rows: int) -> float:
    """Seconds that one estimate by nearest neighbours takes."""
    x, z = gaussian(dim, rows, "cpu")
    started = time.perf_counter()
    ksg(x.double().numpy(), z.double().numpy())
    return time.perf_counter() - started


def present(launcher: str) -> bool:
    """Whether a launcher is installed."""
    plugin = f"hydra_plugins.hydra_{launcher}_launcher"
    return launcher == "basic" or importlib.util.find_spec(plugin) is not None


ROWS: dict[str, Callable[[Sizes, str], Iterator[Measured]]] = {
    "step": step,
    "wide": wide,
    "term": term,
    "logging": logging,
    "evaluation": evaluation,
    "scaling": scaling,
    "ensemble": ensemble,
    "adversarial": adversarial,
    "ali": ali,
    "bottleneck": bottleneck,
    "critics": critics,
    "sweep": sweep,
    "figure-1": figure_1,
    "fig1": fig1,
    "screen": screen,
}
