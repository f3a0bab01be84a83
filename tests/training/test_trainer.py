"""The loop: intervals, resuming bit for bit, the NaN guard, interrupts, display, devices."""

import csv
import errno
import io
import logging
import math
import os
import random
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor

from mine_cli.api import composed
from mine_cli.config.schemas import TrainerConf
from mine_cli.errors import BadInput, Diverged, Interrupted, RunFailed
from mine_cli.results import checkpoint
from mine_cli.results.folder import RunFolder
from mine_cli.tasks.registry import experiment_of
from mine_cli.tasks.run import Run
from mine_cli.training.device import autocast, device
from mine_cli.training.optim import adam, learning_rate, set_rate
from mine_cli.training.progress import Progress
from mine_cli.training.rng import seed_everything
from mine_cli.training.trainer import Trainer
from mine_cli.training.training import Training, TrainingRecord
from tests.fake_task import FakeTask


def conf(**changes: Any) -> TrainerConf:
    base = {"steps": 20, "log_every": 4, "evaluate_every": 5, "progress": False}
    return TrainerConf(**{**base, **changes})


def train(task: FakeTask, *arguments: Any, **options: Any) -> TrainingRecord:
    """One task by itself, to its end."""
    training = Training(task, *arguments, **options)
    Trainer([training]).fit()
    return training.record


def fit(path: Path, task: FakeTask, resume: bool = False, **changes: Any) -> TrainingRecord:
    """One run, or its resumption, as runs.py does it."""
    state = checkpoint.latest(path) if resume else None
    folder = RunFolder(path, None if state is None else state["step"], tensorboard=False)
    try:
        return train(task, conf(**changes), folder, state=state)
    finally:
        folder.close()


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv, without the columns that hold times."""
    with (path / "metrics.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    return [{k: v for k, v in line.items() if not k.startswith("time/")} for line in lines]


def same(a: Any, b: Any) -> bool:
    """Whether two states are equal, tensors bit for bit; records of time aside."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a if k != "record")
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


# What happens when


def test_rows_are_at_the_intervals_and_have_both_kinds_of_metrics(tmp_path: Path) -> None:
    record = fit(tmp_path, FakeTask())
    found = rows(tmp_path)
    assert [int(row["step"]) for row in found] == [0, 4, 5, 8, 10, 12, 15, 16, 20]
    assert [row["step"] for row in found if row["mi/estimate"]] == ["0", "5", "10", "15", "20"]
    assert all(row["loss"] and row["gradient_norm"] for row in found[1:])
    assert "mi/unknown" not in found[0]
    assert (record.status, record.steps) == ("trained", 20)
    assert record.steps_per_second == pytest.approx(20 / record.stepping_seconds)


@pytest.mark.parametrize(
    ("steps", "every", "expected"), [(6000, None, 500), (10, None, 1), (10, 3, 3)]
)
def test_default_intervals(steps: int, every: int | None, expected: int) -> None:
    training = Training(FakeTask(), conf(steps=steps, evaluate_every=every))
    assert training.evaluate_every == training.checkpoint_every == expected


def test_last_step_is_evaluated_and_saved_off_the_intervals(tmp_path: Path) -> None:
    fit(tmp_path, FakeTask(), steps=18, log_every=100, evaluate_every=7)
    assert [row["step"] for row in rows(tmp_path) if row["mi/estimate"]] == ["0", "7", "14", "18"]
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found["step"] == 18


def test_a_finished_task_ends_the_training(tmp_path: Path) -> None:
    task = FakeTask(finish_at=10)
    record = fit(tmp_path, task, checkpoint_every=1000)
    assert (record.steps, task.taken[-1]) == (10, 10)
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found["step"] == 10
    assert fit(tmp_path, FakeTask(), resume=True).steps == 10


def test_without_a_folder_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert train(FakeTask(), conf()).steps == 20
    assert list(tmp_path.iterdir()) == []


def test_best_is_kept_and_written_only_when_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    save = checkpoint.save

    def counting(path: Path, state: dict[str, Any]) -> None:
        written.append(path.name)
        save(path, state)

    monkeypatch.setattr("mine_cli.training.training.save", counting)
    task = FakeTask()
    task.best_value = -1e9
    fit(tmp_path, task)
    found = checkpoint.load(tmp_path / "checkpoints" / "best.pt")
    assert task.best is not None
    assert same(found["network"], task.best["network"])
    estimates = [float(row["mi/estimate"]) for row in rows(tmp_path) if row["mi/estimate"]]
    records = sum(v > max(estimates[:i], default=-1e9) for i, v in enumerate(estimates))
    assert written.count("best.pt") == records < written.count("last.pt") == 5


def test_the_loop_reads_nothing_between_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = 0

    class Silent(FakeTask):
        def train_step(self, step: int) -> dict[str, Tensor]:
            return {"loss": Counted()}

    class Counted:
        def __float__(self) -> float:
            nonlocal reads
            reads += 1
            return 1.0

    train(Silent(), conf(steps=1000, log_every=100, evaluate_every=500))
    assert reads == 10


def test_the_loop_itself_takes_microseconds() -> None:
    class Idle(FakeTask):
        def train_step(self, step: int) -> dict[str, Tensor]:
            return {}

    record = train(Idle(), conf(steps=50_000, log_every=10_000, evaluate_every=50_000))
    assert record.stepping_seconds / record.steps < 20e-6  # 0.3 microseconds on a quiet machine


def test_times_are_booked_on_their_parts(tmp_path: Path) -> None:
    class Slow(FakeTask):
        def train_step(self, step: int) -> dict[str, Tensor]:
            time.sleep(0.002)
            return super().train_step(step)

        def evaluate(self, step: int) -> dict[str, float | None]:
            time.sleep(0.01)
            return super().evaluate(step)

    record = fit(tmp_path, Slow())
    assert record.stepping_seconds >= 20 * 0.002
    assert record.evaluation_seconds >= 5 * 0.01
    assert record.logging_seconds > 0 < record.checkpoint_seconds
    parts = ("stepping", "evaluation", "checkpoint", "logging")
    total = sum(getattr(record, f"{part}_seconds") for part in parts)
    assert record.seconds == pytest.approx(total)


class Seen(FakeTask):
    """Leaves the steps that it has taken to be looked at."""

    def arrays(self) -> dict[str, Any]:
        return {"x": numpy.array(self.taken)}


def test_what_an_evaluation_leaves_is_kept_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pictures are drawn from the folder's files, then shown at their step."""
    drawn: list[tuple[int, list[int]]] = []
    pictures: list[tuple[str, Path, int]] = []

    def look(folder: Path, step: int) -> dict[str, Path]:
        with numpy.load(folder / "samples" / f"{step:08d}.npz") as arrays:
            drawn.append((step, [*arrays["x"]]))
        return {"samples": folder / "a.png", "others": folder / "b.png"}

    monkeypatch.setattr(RunFolder, "picture", lambda folder, *shown: pictures.append(shown))
    folder = RunFolder(tmp_path, tensorboard=False)
    train(Seen(), conf(), folder, look=look)
    folder.close()
    steps = [0, 5, 10, 15, 20]
    assert sorted(os.listdir(tmp_path / "samples")) == [f"{step:08d}.npz" for step in steps]
    assert drawn == [(step, [*range(1, step + 1)]) for step in steps]
    expected = [("samples", tmp_path / "a.png"), ("others", tmp_path / "b.png")]
    assert pictures == [(*picture, step) for step in steps for picture in expected]


@pytest.mark.parametrize("task", [FakeTask, Seen])
def test_nothing_is_shown_of_nothing_or_in_memory(task: type[FakeTask], tmp_path: Path) -> None:
    def look(path: Path, step: int) -> dict[str, Path]:
        raise AssertionError("there is nothing to look at")

    folder = None if task is Seen else RunFolder(tmp_path, tensorboard=False)
    train(task(), conf(), folder, look=look)
    assert not (tmp_path / "samples").exists()
    if folder is not None:
        folder.close()


# Going on with a run


def run_resumed(path: Path, first: FakeTask, ending: type[BaseException]) -> FakeTask:
    """A run that ends early, and its resumption by a new process's objects."""
    with pytest.raises(ending):
        fit(path, first)
    torch.manual_seed(99)  # a new process does not find the streams where they were
    second = FakeTask()
    torch.rand(7)
    fit(path, second, resume=True)
    return second


@pytest.mark.parametrize("step", [1, 4, 5, 7, 12, 19, 20])
def test_an_interrupted_run_resumed_equals_an_uninterrupted_one(tmp_path: Path, step: int) -> None:
    fit(tmp_path / "whole", FakeTask())
    second = run_resumed(tmp_path / "cut", FakeTask(signal_at=step), Interrupted)
    assert second.taken == list(range(step + 1, 21))
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")
    whole, cut = (checkpoint.latest(tmp_path / name) for name in ("whole", "cut"))
    assert same(whole, cut)
    best = [checkpoint.load(tmp_path / n / "checkpoints" / "best.pt") for n in ("whole", "cut")]
    assert same(*best)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_its_step(tmp_path: Path, number: int) -> None:
    task = FakeTask(signal_at=7, signal_number=number)
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as stop:
        fit(tmp_path, task)
    assert stop.value.exit_code == 128 + number
    assert task.taken[-1] == 7
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found["step"] == 7
    assert signal.getsignal(number) is before


def test_resuming_a_finished_run_takes_no_step(tmp_path: Path) -> None:
    first = fit(tmp_path, FakeTask())
    before = rows(tmp_path)
    task = FakeTask()
    second = fit(tmp_path, task, resume=True)
    assert task.taken == []
    assert rows(tmp_path) == before
    assert second.steps == 20
    assert second.seconds == pytest.approx(first.seconds, rel=0.5)


def test_more_steps_may_be_asked_for(tmp_path: Path) -> None:
    fit(tmp_path, FakeTask())
    task = FakeTask()
    assert fit(tmp_path, task, resume=True, steps=25).steps == 25
    assert task.taken == [21, 22, 23, 24, 25]


def test_the_time_of_a_run_adds_up_over_its_parts(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        fit(tmp_path, FakeTask(signal_at=10))
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert fit(tmp_path, FakeTask(), resume=True).seconds > found["record"]["seconds"]


PROGRAM = """
import sys
from pathlib import Path
from tests.fake_task import FakeTask
from tests.training.test_trainer import fit
import time
class Slow(FakeTask):
    def train_step(self, step):
        print(step, flush=True)
        time.sleep(0.005)
        return super().train_step(step)
fit(Path(sys.argv[1]), Slow(), resume=Path(sys.argv[1]).exists(), steps=40)
"""


def start(path: Path) -> subprocess.Popen[str]:
    """The same run in a process of its own, which prints each step before it takes it."""
    root = Path(__file__).parent.parent.parent
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
    )


def wait_for_step(process: subprocess.Popen[str], step: int) -> None:
    assert process.stdout is not None
    while int(process.stdout.readline()) < step:
        pass


@pytest.mark.slow
def test_a_killed_process_resumes_bit_for_bit(tmp_path: Path) -> None:
    torch.manual_seed(3)
    fit(tmp_path / "whole", FakeTask(), steps=40)
    process = start(tmp_path / "killed")
    wait_for_step(process, 23)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    process = start(tmp_path / "killed")
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert int(printed.split()[0]) in range(20, 27)
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")
    assert same(*(checkpoint.latest(tmp_path / name) for name in ("whole", "killed")))


@pytest.mark.slow
def test_ctrl_c_in_a_process(tmp_path: Path) -> None:
    process = start(tmp_path)
    wait_for_step(process, 9)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "Interrupted" in errors
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert 9 <= found["step"] <= 12


# What goes wrong


@pytest.mark.parametrize(
    ("task", "kept", "what"),
    [
        (FakeTask(nan_at=12), 10, "step 12: loss not finite"),
        (FakeTask(nan_weights_at=15), 10, "step 15: mi/estimate not finite"),
        (FakeTask(nan_weights_at=1), 0, "step 4: loss not finite"),
    ],
)
def test_divergence_keeps_the_last_good_checkpoint(
    tmp_path: Path, task: FakeTask, kept: int, what: str
) -> None:
    folder = RunFolder(tmp_path, tensorboard=False)
    training = Training(task, conf(), folder)
    with pytest.raises(Diverged, match=f"{what}; the checkpoint of step {kept} is kept") as stop:
        Trainer([training]).fit()
    folder.close()
    assert stop.value.exit_code == 3
    assert training.record.status == "diverged"
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found["step"] == kept
    assert all(bool(torch.isfinite(w).all()) for w in found["task"]["network"].values())
    assert "nan" not in (tmp_path / "metrics.csv").read_text()


def test_weights_are_looked_at_before_they_are_saved(tmp_path: Path) -> None:
    # The loss of step 6 was finite; only the weights that step left are not.
    with pytest.raises(Diverged, match="a parameter not finite; the checkpoint of step 3 is kept"):
        fit(tmp_path, FakeTask(nan_weights_at=6), checkpoint_every=3, evaluate_every=1000)
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found["step"] == 3


def test_disk_that_fills_during_a_run_leaves_one_that_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(tmp_path / "whole", FakeTask())
    replace, calls = os.replace, 0

    def fail_late(source: Path, target: Path) -> None:
        nonlocal calls
        calls += Path(target).name == "last.pt"
        if calls == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    monkeypatch.setattr("mine_cli.results.files.os.replace", fail_late)
    with pytest.raises(RunFailed, match=r"^cannot write .*last\.pt: No space left on device"):
        fit(tmp_path / "full", FakeTask())
    monkeypatch.undo()
    kept = sorted(os.listdir(tmp_path / "full" / "checkpoints"))
    assert kept == ["best.pt", "earlier.pt", "last.pt"]
    found = checkpoint.latest(tmp_path / "full")
    assert found is not None
    assert found["step"] == 5
    fit(tmp_path / "full", FakeTask(), resume=True)
    assert rows(tmp_path / "full") == rows(tmp_path / "whole")


# Display


def test_no_bar_where_stderr_is_no_terminal(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "mine_cli"):
        train(FakeTask(), conf(progress=True))
    assert capsys.readouterr().err == ""
    assert len(caplog.messages) == 9
    assert caplog.messages[-1].startswith("step 20/20  mi ")
    assert "true 1.0000  loss " in caplog.messages[-1]
    assert caplog.messages[-1].endswith("steps/s")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Puts a terminal in the place of stderr; not a fixture, since pytest captures after those."""
    found = Terminal()
    monkeypatch.setattr(sys, "stderr", found)
    return found


def test_a_terminal_gets_a_bar_with_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    train(FakeTask(), conf(progress=True))
    shown = terminal.getvalue()
    assert "20/20" in shown
    assert "true 1.0000" in shown
    assert "nats" in shown
    assert "steps/s" in shown


def test_a_terminal_that_tells_no_size_gets_a_bar_too() -> None:
    pty = pytest.importorskip("pty", reason="pseudo-terminals are of Unix")
    program = (
        "from mine_cli.training.progress import Progress\n"
        "progress = Progress(3)\n"
        "with progress.shown():\n"
        "    progress.advance()\n"
        "    progress.show(1, {'mi/estimate': 0.5})\n"
    )
    ours, theirs = pty.openpty()
    done = subprocess.run([sys.executable, "-c", program], stderr=theirs, check=False)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, shown
    assert "1/3" in shown
    assert "mi 0.5000 nats" in shown


def test_a_bar_may_be_declined(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    train(FakeTask(), conf(progress=True), progress=False)
    train(FakeTask(), conf(progress=False))
    assert terminal.getvalue() == ""


def test_bits_are_shown_as_such(caplog: pytest.LogCaptureFixture) -> None:
    progress = Progress(10, "bits")
    with caplog.at_level(logging.INFO, "mine_cli"):
        progress.show(5, {"mi/estimate": math.log(2), "mi/true": 2 * math.log(2)})
    assert caplog.messages == ["step 5/10  mi 1.0000 bits  true 2.0000"]


def test_bar_and_log_lines_do_not_garble_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    logger = logging.getLogger("mine_cli")
    handler, file = logging.StreamHandler(sys.stderr), io.StringIO()
    to_file = logging.StreamHandler(file)
    progress = Progress(10)
    logger.addHandler(handler)
    logger.addHandler(to_file)
    logger.setLevel(logging.INFO)
    try:
        with progress.shown():
            progress.advance()
            logger.warning("something else")
            progress.show(1, {"mi/estimate": 0.5})
    finally:
        logger.removeHandler(handler)
        logger.removeHandler(to_file)
        logger.setLevel(logging.NOTSET)
    assert handler.stream is terminal
    # The line starts at the margin: the bar was wiped, or ended, before it.
    written = terminal.getvalue()
    before = written[: written.index("something else\n")]
    assert before.endswith(("\r", "\n", "\x1b[A"))
    assert "step 1/10" not in written
    assert "step 1/10  mi 0.5000 nats" in file.getvalue()


# The schedule


def test_schedule_rises_then_falls_to_zero() -> None:
    rates = [learning_rate(step, 1000, 2e-3, 0.1) for step in range(1, 1001)]
    assert rates[:100] == pytest.approx([2e-5 * step for step in range(1, 101)])
    assert max(rates) == rates[99] == 2e-3
    assert rates[549] == pytest.approx(1e-3)
    assert rates[-1] == pytest.approx(0.0, abs=1e-12)
    assert all(a > b for a, b in pairwise(rates[99:]))


@pytest.mark.parametrize("warmup", [0.0, 0.1])
def test_linear_and_constant_schedules(warmup: float) -> None:
    """The same warm-up; then a straight line down to zero, or the peak for ever."""
    rising = round(1000 * warmup)
    straight, level = (
        [learning_rate(step, 1000, 2e-3, warmup, schedule) for step in range(1, 1001)]
        for schedule in ("linear", "constant")
    )
    assert straight[:rising] == level[:rising]
    assert level[rising:] == [2e-3] * (1000 - rising)
    falls = [a - b for a, b in pairwise(straight[max(rising - 1, 0) :])]
    assert falls == pytest.approx([2e-3 / (1000 - rising)] * len(falls))
    assert straight[-1] == pytest.approx(0.0, abs=1e-12)


def test_the_peak_is_the_network_s_own_not_the_run_s() -> None:
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    rates = zip(weights, (0.2, 0.4), strict=True)
    optimizer = adam([{"params": [w], "lr": lr} for w, lr in rates], 9.0)
    for step, share in ((5, 0.6), (6, 0.5), (10, 0.1)):
        set_rate(optimizer, conf(steps=10, warmup=0.0, schedule="linear", lr=5.0), step)
        found = [group["lr"] for group in optimizer.param_groups]
        assert found == pytest.approx([0.2 * share - 0.2 * 0.1, 0.4 * share - 0.4 * 0.1])


def test_exponential_schedule_is_that_of_the_vib_authors() -> None:
    """0.97 every second of 200 epochs: a staircase down to 0.048; this curve ends at 0.05."""
    rates = [learning_rate(step, 200, 1.0, 0.0, "exponential") for step in range(1, 201)]
    assert rates[-1] == pytest.approx(0.05)
    assert rates == sorted(rates, reverse=True)
    for epoch, rate in enumerate(rates, 1):
        assert rate == pytest.approx(0.97 ** (epoch // 2), rel=0.06)


@pytest.mark.parametrize(("warmup", "first"), [(0.0, 1.0), (0.03, 1 / 3), (1.0, 0.01)])
def test_schedule_at_its_edges(warmup: float, first: float) -> None:
    assert learning_rate(1, 100, 1.0, warmup) == pytest.approx(first, rel=1e-3)
    assert learning_rate(100, 100, 1.0, warmup) == pytest.approx(float(warmup == 1.0))
    assert learning_rate(1, 1, 1.0, warmup) in (0.0, 1.0)


# The machine


def test_device_names() -> None:
    assert device("cpu") == torch.device("cpu")
    best = "cuda" if torch.cuda.is_available() else "cpu"
    assert torch.backends.mps.is_available() or device("auto").type == best


@pytest.mark.parametrize("name", ["cuda:99", "tpu", ""])
def test_an_absent_device_is_named_with_those_there_are(name: str) -> None:
    with pytest.raises(BadInput, match=f"trainer.device={name}: .* one of auto, .*cpu"):
        device(name)


def test_autocast_is_around_what_asks_for_it() -> None:
    layer, x = torch.nn.Linear(2, 2), torch.ones(1, 2)
    with autocast(torch.device("cpu"), "float32"):
        assert layer(x).dtype == torch.float32
    with autocast(torch.device("cpu"), "bfloat16"):
        assert layer(x).dtype == torch.bfloat16
    assert layer(x).dtype == torch.float32


def test_seeds_reach_every_stream() -> None:
    def draws() -> tuple[float, float, float]:
        return random.random(), float(numpy.random.rand()), float(torch.rand(()))

    seed_everything(1)
    first = draws()
    seed_everything(2)
    assert not set(draws()) & set(first)
    seed_everything(1)
    assert draws() == first
    seed_everything(2**40 + 1)


def test_deterministic_is_a_switch_in_both_directions() -> None:
    try:
        seed_everything(0, deterministic=True)
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        seed_everything(0)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("dtype", ["tf32", "float32"])
def test_products_are_rounded_only_where_it_was_asked_for(dtype: str) -> None:
    try:
        options = ["trainer=smoke", f"trainer.dtype={dtype}", "trainer.device=cpu"]
        Run(experiment_of(composed(options)), None, None)
        assert torch.backends.cuda.matmul.allow_tf32 == (dtype == "tf32")
        assert torch.backends.cudnn.allow_tf32 == (dtype == "tf32")
    finally:
        seed_everything(0)
    assert not torch.backends.cuda.matmul.allow_tf32
