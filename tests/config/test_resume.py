"""A run that was killed or interrupted goes on as if nothing had happened, bit for bit."""

import csv
import fcntl
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import termios
import time
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

import mine_cli
from mine_cli.config.resume import MOVED, at_home
from mine_cli.config.validation import TARGETS
from mine_cli.data import streamed
from mine_cli.results import locks
from tests.data.test_folder import cut_short, pictures
from tests.image_folders import write_images
from tests.program import run, started

# Pauses of all three kinds at their own steps, so that a kill falls between any two of them.
SMALL = (
    "trainer.device=cpu", "trainer.batch_size=64", "trainer.steps=90", "trainer.log_every=3",
    "trainer.evaluate_every=7", "trainer.checkpoint_every=5", "trainer.tensorboard=false",
    "task.select_rows=300", "task.report_rows=500", "task.pairs=10000",
    "task.pairs_during_training=6000", "hydra.run.dir=run",
)  # fmt: skip
VARIANTS = {
    "fresh": ("references=none",),
    "folds": ("dataset.n=600", "folds=2", "task.patience=null", "references=none"),
    "noisy": ("network=noisy_mlp", "network.widths=[16,16]", "references=none"),
    "extra": ("dataset.n=600", "marginals=independent", "dataset.cube=true", "references=none"),
    "crossed": ("bound=infonce", "network=separable", "references=none"),
}
ADVERSARIAL = (
    "task=gan", "trainer.device=cpu", "trainer.batch_size=32", "trainer.steps=90",
    "trainer.log_every=3", "trainer.evaluate_every=14", "trainer.checkpoint_every=5",
    "trainer.tensorboard=false", "task.samples=200", "task.pairs=5000",
    "generator.widths=[32,32]", "discriminator.widths=[32,32]", "network.widths=[32,32]",
    "hydra.run.dir=run",
)  # fmt: skip
BOTTLENECK = (
    "task=infobottleneck", "data_dir=images", "trainer.device=cpu", "trainer.batch_size=50",
    "trainer.steps=60", "trainer.log_every=3", "trainer.evaluate_every=14",
    "trainer.checkpoint_every=5", "trainer.tensorboard=false", "encoder.widths=[32,32]",
    "task.samples=2", "task.pairs=2000", "task.pairs_during_training=2000",
    "task.attacked_rows=20", "hydra.run.dir=run",
)  # fmt: skip
AUTOENCODER = (
    "task=ali", *ADVERSARIAL[1:], "encoder.widths=[32,32]", "task.evaluator_steps=20",
)  # fmt: skip
STREAMED = (
    *AUTOENCODER, "dataset=image_folder", "dataset.path=../pictures", "dataset.side=32",
    "generator.tanh=true", "trainer.steps=45", "task.pairs=1000",
)  # fmt: skip
COMMANDS = {name: (*SMALL, *options) for name, options in VARIANTS.items()} | {
    "gan": ADVERSARIAL,
    "ali": AUTOENCODER,
    "ali_adversarial": (
        *AUTOENCODER, "method=alice_adversarial", "task.sigma=null", "task.average=null",
    ),
    "gan_baseline": (*ADVERSARIAL, "task.beta=0", "task.average=null"),
    "gan_more_steps": (
        *ADVERSARIAL, "task.discriminator_steps=2", "task.generator_steps=2",
        "task.statistics_steps=2", "task.average=null",
    ),
    "gan_part": (
        *ADVERSARIAL, "task.latent_dim=4", "task.code_dim=2", "marginals=independent",
        "network=noisy_mlp", "dataset=spiral", "dataset.n=null", "task.clip=tensor",
    ),
}  # fmt: skip
OFTEN = ("folds", "gan", "ali")  # the others by hand: -m long
# Beside the timings the commit: somebody may work in the checkout while the tests run.
LEFT_OUT = ("seconds", "steps_per_second", "commit")


def found(folder: Path) -> tuple[str, dict[str, Any]]:
    """All that a finished run says, but for what need not be the same."""
    with (folder / "metrics.csv").open(newline="") as file:
        table = [dict(row) for row in csv.DictReader(file)]
    kept = [{k: v for k, v in row.items() if not k.startswith("time/")} for row in table]
    result = json.loads((folder / "result.json").read_text())
    samples = {file.name: file.read_bytes() for file in folder.glob("samples/*")}
    told = {k: v for k, v in result.items() if k not in LEFT_OUT}
    return json.dumps(kept), told | {"samples": samples}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a variant's run finds that nothing disturbs; each is run once."""

    @cache
    def uninterrupted(variant: str) -> tuple[str, dict[str, Any]]:
        folder = tmp_path_factory.mktemp(variant)
        done = run(folder, *COMMANDS[variant])
        assert done.returncode == 0, done.stderr
        assert json.loads((folder / "run" / "result.json").read_text())["steps"] == 90
        return found(folder / "run")

    return uninterrupted


def last_step(folder: Path) -> int:
    """The last step in metrics.csv, -1 before there is one."""
    file = folder / "metrics.csv"
    lines = file.read_text().splitlines() if file.exists() else []
    numbers = [line.split(",")[0] for line in lines]
    return max((int(number) for number in numbers if number.isdigit()), default=-1)


def kill(folder: Path, step: int, delay: float, *arguments: str) -> None:
    """Starts a run and kills it a moment after it has come to a step."""
    with started(folder, *arguments) as program:
        program.wait_until(lambda: last_step(folder / "run") >= step)
        time.sleep(delay)
        program.signal(signal.SIGKILL)
        assert program.wait() == -signal.SIGKILL, program.stderr
    assert not (folder / "run" / "result.json").exists()


def resumed(folder: Path, *arguments: str) -> tuple[str, dict[str, Any]]:
    done = run(folder, "resume=run", *arguments)
    assert done.returncode == 0, done.stderr
    return found(folder / "run")


def test_kill_then_resume_equals_an_uninterrupted_run(tmp_path: Path, uninterrupted: Any) -> None:
    kill(tmp_path, random.randrange(5, 70), random.uniform(0, 0.01), *SMALL, *VARIANTS["fresh"])
    assert resumed(tmp_path) == uninterrupted("fresh")


@pytest.mark.long
@pytest.mark.parametrize("seed", range(70))
def test_kill_anywhere(seed: int, tmp_path: Path, uninterrupted: Any) -> None:
    """At a moment drawn from all of a run, its start and its pictures included."""
    expected, folder = uninterrupted("fresh"), tmp_path / "run"
    draw = random.Random(seed)
    share = draw.random()
    with started(tmp_path, *SMALL, *VARIANTS["fresh"]) as program:
        if share < 0.9:
            program.wait_until(lambda: last_step(folder) >= 100 * share)
        else:
            program.wait_until((folder / "result.json").exists)
        time.sleep(draw.uniform(0, 0.05))
        program.signal(signal.SIGKILL)
        program.wait()
    assert resumed(tmp_path) == expected
    assert json.loads((folder / "result.json").read_text()).get("complete", True)
    assert (folder / "figures" / "curve.png").exists()


@pytest.mark.slow
@pytest.mark.parametrize("step", sorted(random.Random(1).sample(range(80), 4)))
def test_kill_at_random_steps(step: int, tmp_path: Path, uninterrupted: Any) -> None:
    kill(tmp_path, step, random.uniform(0, 0.01), *SMALL, *VARIANTS["fresh"])
    assert resumed(tmp_path) == uninterrupted("fresh")


@pytest.mark.parametrize(
    "variant",
    [
        pytest.param(name, marks=pytest.mark.slow if name in OFTEN else pytest.mark.long)
        for name in COMMANDS
        if name != "fresh"
    ],
)
def test_kill_again_and_again(variant: str, tmp_path: Path, uninterrupted: Any) -> None:
    """Each attempt goes on from the one before it."""
    steps = sorted(random.Random(variant).sample(range(5, 75), 3))
    commands = [COMMANDS[variant], ("resume=run",), ("resume=run",)]
    for step, arguments in zip(steps, commands, strict=True):
        kill(tmp_path, step, random.uniform(0, 0.01), *arguments)
    assert resumed(tmp_path) == uninterrupted(variant)


@pytest.mark.slow  # four trainings
def test_adversarial_training_killed_then_interrupted(tmp_path: Path, uninterrupted: Any) -> None:
    """Its samples are the same too, byte by byte."""
    kill(tmp_path, random.randrange(5, 45), random.uniform(0, 0.01), *COMMANDS["gan"])
    with started(tmp_path, "resume=run") as program:
        program.wait_until(lambda: last_step(tmp_path / "run") >= 60)
        program.signal(signal.SIGINT)
        assert program.wait() == 130, program.stderr
        assert program.stderr.count("go on with: mine-run resume=run\n") == 1
        assert "Traceback" not in program.stderr
    metrics, result = resumed(tmp_path)
    assert (metrics, result) == uninterrupted("gan")
    names = ["data", *(f"{step:08}" for step in (0, 14, 28, 42, 56, 70, 84, 90))]
    assert sorted(result["samples"]) == sorted(f"{name}.npz" for name in names)


@pytest.mark.slow
def test_a_bottleneck_killed_then_resumed(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        write_images(folder / "images", train=600, legible=True)
    assert run(whole, *BOTTLENECK).returncode == 0
    kill(killed, random.randrange(5, 45), random.uniform(0, 0.01), *BOTTLENECK)
    assert resumed(killed) == found(whole / "run")


def keep_no_picture() -> None:
    """As where a folder's pictures are too many: workers decode them."""
    streamed.KEPT_BYTES = 0


@pytest.mark.slow
def test_pictures_streamed_killed_then_interrupted(tmp_path: Path) -> None:
    """With other numbers of workers each time, and a picture that turns out to be broken."""
    cut_short(pictures(tmp_path / "pictures") / "003.png")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    assert run(whole, *STREAMED).returncode == 0  # decoded once and kept
    expected = found(whole / "run")
    assert expected[1]["warnings"] == [
        "dataset: 1 of 20 pictures turned out to be broken, left out: 003.png"
    ]
    with started(killed, *STREAMED, before=keep_no_picture) as program:
        program.wait_until(lambda: last_step(killed / "run") >= 12)
        program.signal(signal.SIGKILL)
        program.wait()
    with started(killed, "resume=run", "dataset.workers=3", before=keep_no_picture) as program:
        program.wait_until(lambda: last_step(killed / "run") >= 27)
        program.signal(signal.SIGINT)
        assert program.wait() == 130, program.stderr
        assert "Traceback" not in program.stderr
    done = run(killed, "resume=run", "dataset.workers=0", before=keep_no_picture)
    assert done.returncode == 0, done.stderr
    resumed = found(killed / "run")
    assert resumed[1]["dataset"].pop("workers") == 0
    assert expected[1]["dataset"].pop("workers") == 2
    assert resumed == expected


@pytest.mark.slow
def test_other_pictures_are_refused(tmp_path: Path) -> None:
    """One more, and others would be held out: some that have trained already."""
    pictures(tmp_path / "pictures")
    (tmp_path / "here").mkdir()
    done = run(tmp_path / "here", *STREAMED, "trainer.steps=2")
    assert done.returncode == 0, done.stderr
    (tmp_path / "pictures" / "000.png").rename(tmp_path / "pictures" / "999.png")
    done = run(tmp_path / "here", "resume=run", "trainer.steps=4")
    assert done.returncode == 2
    said = "mine-run: resume=run: ../pictures: not as when the run was trained; put back what"
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


def die_in_write(call: str, number: int) -> None:
    """Kills this process where it is about to make a system call for the n-th time."""
    wanted, made = getattr(os, call), 0

    def counted(*arguments: Any) -> Any:
        nonlocal made
        made += 1
        if made == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return wanted(*arguments)

    setattr(os, call, counted)


@pytest.mark.parametrize(("call", "number"), [("fsync", 1), ("replace", 3), ("replace", 9)])
def test_kill_in_a_write(call: str, number: int, tmp_path: Path, uninterrupted: Any) -> None:
    """The first writes are those of the metrics and of the first checkpoint."""
    done = run(tmp_path, *SMALL, *VARIANTS["fresh"], before=partial(die_in_write, call, number))
    assert done.returncode == -signal.SIGKILL
    assert any((tmp_path / "run").rglob(".*.tmp"))
    assert resumed(tmp_path) == uninterrupted("fresh")
    assert not any((tmp_path / "run").rglob(".*.tmp"))


def test_half_a_line_of_metrics_is_dropped(tmp_path: Path, uninterrupted: Any) -> None:
    kill(tmp_path, 60, 0.0, *SMALL, *VARIANTS["fresh"])
    with (tmp_path / "run" / "metrics.csv").open("a") as file:
        file.write("999,0.12")
    assert resumed(tmp_path) == uninterrupted("fresh")


def test_killed_before_the_first_checkpoint(tmp_path: Path, uninterrupted: Any) -> None:
    with started(tmp_path, *SMALL, *VARIANTS["fresh"]) as program:
        program.wait_until((tmp_path / "run" / ".hydra" / "overrides.yaml").exists)
        program.signal(signal.SIGKILL)
        assert program.wait() == -signal.SIGKILL
    assert not (tmp_path / "run" / "checkpoints" / "last.pt").exists()
    assert resumed(tmp_path) == uninterrupted("fresh")


@pytest.mark.slow
def test_a_finished_run_resumed_says_the_same(tmp_path: Path, uninterrupted: Any) -> None:
    done = run(tmp_path, *SMALL, *VARIANTS["fresh"])
    assert done.returncode == 0
    assert resumed(tmp_path) == uninterrupted("fresh")


@pytest.mark.slow
def test_the_data_may_have_moved(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 2))
    for name in ("never", "moving"):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "data.npz", x=x, z=x**2)
    arguments = (*SMALL, "dataset=arrays", "dataset.path=data.npz", "task.patience=null")
    assert run(tmp_path / "never", *arguments).returncode == 0
    kill(tmp_path / "moving", 30, 0.0, *arguments)
    (tmp_path / "moving" / "data.npz").rename(tmp_path / "moving" / "there.npz")
    expected = found(tmp_path / "never" / "run")
    metrics, result = resumed(tmp_path / "moving", "dataset.path=there.npz")
    assert metrics == expected[0]
    assert result.pop("dataset") != expected[1].pop("dataset")
    assert result == expected[1]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A short run on a user's own data, with a network of the user's own."""
    save_rows(tmp_path / "data.npz", 500)
    (tmp_path / "own.py").write_text(
        "from mine_cli.networks import MLP\n\n\nclass Own(MLP):\n    pass\n"
    )
    own = ("network._target_=own.Own", "dataset=arrays", "dataset.path=data.npz")
    done = run(tmp_path, *SMALL, *own, "references=none", "trainer.steps=5")
    assert done.returncode == 0, done.stderr
    return tmp_path


def save_rows(path: Path, n: int) -> None:
    x = np.random.default_rng(n).normal(size=(n, 2))
    np.savez(path, x=x, z=x**2)


@pytest.mark.parametrize("changed", ["data.npz", "own.py"])
def test_other_data_or_classes_are_refused(changed: str, trained: Path) -> None:
    """Rows that the network was trained on would be reported on."""
    if changed == "data.npz":
        save_rows(trained / changed, 600)
    else:
        (trained / changed).write_text((trained / changed).read_text() + "    other = True\n")
    before = contents(trained)
    done = run(trained, "resume=run", "trainer.steps=9")
    assert done.returncode == 2
    named = "own.Own, data.npz" if changed == "data.npz" else "own.Own"
    said = f"mine-run: resume=run: {named}: not as when the run was trained; put back"
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
    assert contents(trained) == before


@pytest.mark.slow
def test_a_checkpoint_that_does_not_know_its_data_goes_on_and_says_so(trained: Path) -> None:
    last = trained / "run" / "checkpoints" / "last.pt"
    state = torch.load(last, weights_only=True)
    assert len(state.pop("trained_on")) == 64
    torch.save(state, last)
    done = run(trained, "resume=run", "trainer.steps=9")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("mine-run: resume=run: its checkpoint does not say on which")
    assert "trained_on" in torch.load(last, weights_only=True)


def test_nothing_else_may_change(tmp_path: Path) -> None:
    kill(tmp_path, 10, 0.0, *SMALL, *VARIANTS["fresh"])
    files = {f: f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()}
    done = run(tmp_path, "resume=run", "trainer.lr=1", "seed=3", "trainer.steps=300")
    assert done.returncode == 2
    said = "cannot change when a run is resumed; only trust, trainer.steps, trainer.device, "
    assert done.stderr.count(said) == 2
    assert len(done.stderr.splitlines()) == 2
    assert all(file.read_bytes() == content for file, content in files.items())


# One process at a time


def impatient() -> None:
    locks.SECONDS_TO_SAVE = 0.0


def refused(folder: Path, *arguments: str) -> str:
    """What a command says that may not write in a folder."""
    done = run(folder, *arguments, before=impatient)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_a_run_is_alone_in_its_folder_as_long_as_it_lives(
    tmp_path: Path, uninterrupted: Any
) -> None:
    arguments = (*SMALL, *VARIANTS["fresh"])
    with started(tmp_path, *arguments, before=partial(sleep_in, "__init__")) as program:
        program.wait_until((tmp_path / "asleep").exists)
        shutil.rmtree(tmp_path / "run" / ".hydra")  # as between Hydra's folder and its files
        busy = "run: a run is at work in it; wait for its end, or name another\n"
        assert refused(tmp_path, *arguments) == f"mine-run: hydra.run.dir={busy}"
        assert made(tmp_path / "run") == {"mine-run.log"}
        program.signal(signal.SIGKILL)
        program.wait()
    assert run(tmp_path, *arguments).returncode == 0
    assert found(tmp_path / "run") == uninterrupted("fresh")


def made(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_run_is_resumed_once_at_a_time(tmp_path: Path, uninterrupted: Any) -> None:
    with started(
        tmp_path, *SMALL, *VARIANTS["fresh"], before=partial(sleep_in, "result")
    ) as program:
        program.wait_until((tmp_path / "asleep").exists)
        before = contents(tmp_path / "run")
        said = refused(tmp_path, "resume=run")
        assert said.startswith("mine-run: resume=run: a run is at work in it")
        assert contents(tmp_path / "run") == before
        program.signal(signal.SIGKILL)
        program.wait()
    assert resumed(tmp_path) == uninterrupted("fresh")


@pytest.mark.slow
def test_a_job_is_not_resumed_while_its_sweep_runs(tmp_path: Path) -> None:
    sweep = ("-m", *SMALL[:-1], *VARIANTS["fresh"], "sweep_dir=sweep", "hydra/launcher=basic")
    with started(tmp_path, *sweep, before=partial(sleep_in, "result")) as program:
        program.wait_until((tmp_path / "asleep").exists)
        said = refused(tmp_path, "resume=sweep/0")
        assert said.startswith("mine-run: resume=sweep/0: its sweep is running")
        program.signal(signal.SIGKILL)
        program.wait()
    assert run(tmp_path, "resume=sweep/0").returncode == 0


# Interrupts


@pytest.mark.slow  # two programs from nothing
def test_ctrl_c_in_a_terminal_and_the_printed_command(tmp_path: Path, uninterrupted: Any) -> None:
    """The command is typed as it was printed, in a shell, in the same folder."""
    programs = Path(sys.executable).parent
    env = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "TERM": "xterm",
    }
    arguments = [*SMALL[:-1], *VARIANTS["fresh"], "hydra.run.dir=my run"]
    keyboard, terminal = os.openpty()
    process = subprocess.Popen(
        [str(programs / "mine-run"), *arguments],
        cwd=tmp_path,
        env=env,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=partial(fcntl.ioctl, terminal, termios.TIOCSCTTY, 0),
    )
    os.close(terminal)
    shown = b""
    pressed = False
    try:
        while part := read(keyboard):
            shown += part
            if not pressed and last_step(tmp_path / "my run") >= 6:
                os.write(keyboard, b"\x03")
                pressed = True
    finally:
        process.kill()
        os.close(keyboard)
    text = shown.decode()
    assert process.wait() == 130, text
    assert "Traceback" not in text
    (printed,) = re.findall(r"go on with: (mine-run [^\r\n]*)", text)
    assert printed == "mine-run 'resume=my run'"
    done = subprocess.run(
        ["sh", "-c", printed], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert found(tmp_path / "my run") == uninterrupted("fresh")


def read(keyboard: int) -> bytes:
    try:
        return os.read(keyboard, 4096)
    except OSError:  # Linux's word for a terminal whose program has ended
        return b""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_finishes_the_step_and_names_the_command(
    number: int, code: int, tmp_path: Path, uninterrupted: Any
) -> None:
    with started(tmp_path, *SMALL, *VARIANTS["fresh"]) as program:
        program.wait_until(lambda: last_step(tmp_path / "run") >= 21)
        program.signal(number)
        assert program.wait() == code, program.stderr
        assert program.stderr.count("go on with: mine-run resume=run\n") == 1
        assert "Traceback" not in program.stderr
    assert not (tmp_path / "run" / "result.json").exists()
    assert resumed(tmp_path) == uninterrupted("fresh")


def sleep_in(method: str) -> None:
    """Makes a method of the task leave a mark in the working directory, then sleep."""
    from mine_cli.tasks.mi_estimate.training import MIEstimate

    def sleep(*arguments: Any, **options: Any) -> None:
        Path("asleep").touch()
        time.sleep(60)

    setattr(MIEstimate, method, sleep)


def test_the_second_ctrl_c_quits_at_once(tmp_path: Path) -> None:
    with started(tmp_path, *SMALL, before=partial(sleep_in, "train_step")) as program:
        program.wait_until((tmp_path / "asleep").exists)
        program.signal(signal.SIGINT)
        time.sleep(0.5)
        assert program.running
        began = time.monotonic()
        program.signal(signal.SIGINT)
        assert program.wait() == -signal.SIGINT
        assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("method", "number", "code"),
    [("__init__", signal.SIGTERM, 143), ("result", signal.SIGINT, 130)],
)
def test_an_interrupt_outside_the_training(
    method: str, number: int, code: int, tmp_path: Path, uninterrupted: Any
) -> None:
    arguments = (*SMALL, *VARIANTS["fresh"])
    with started(tmp_path, *arguments, before=partial(sleep_in, method)) as program:
        program.wait_until((tmp_path / "asleep").exists)
        program.signal(number)
        assert program.wait() == code, program.stderr
        assert program.stderr.splitlines()[-1].endswith("go on with: mine-run resume=run")
        assert "Traceback" not in program.stderr
    assert resumed(tmp_path) == uninterrupted("fresh")


def test_no_fewer_steps_than_were_done(tmp_path: Path) -> None:
    kill(tmp_path, 40, 0.0, *SMALL, *VARIANTS["fresh"])
    done = run(tmp_path, "resume=run", "trainer.steps=10")
    assert done.returncode == 2
    assert "trainer.steps=10: the run has done" in done.stderr


@pytest.mark.slow
def test_a_folder_that_names_classes_by_their_old_addresses_goes_on(tmp_path: Path) -> None:
    adversarial = [word for word in ADVERSARIAL if not word.startswith("trainer.steps=")]
    assert run(tmp_path, *adversarial, "trainer.steps=20").returncode == 0
    file = tmp_path / "run" / ".hydra" / "config.yaml"
    text, now = file.read_text(), "mine_cli.networks.fully_connected."
    assert text.count(now) == 2
    file.write_text(text.replace(now, "mine_cli.models.fully_connected."))
    done = run(tmp_path, "resume=run", "trainer.steps=30")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "result.json").read_text())["steps"] == 30
    assert mine_cli.load_generator(tmp_path / "run").sample(3).shape == (3, 2)


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_what_has_moved_is_where_the_table_says(old: str, new: str) -> None:
    targets = [target for target in TARGETS if target.startswith(new)]
    assert targets
    assert not [target for target in TARGETS if target.startswith(old)]
    for target in targets:
        saved = OmegaConf.create({"dataset": {"_target_": old + target.removeprefix(new)}})
        assert at_home(saved).dataset._target_ == target


@pytest.mark.slow
@pytest.mark.parametrize("file", ["train-images", "train-labels", "t10k-images", "t10k-labels"])
def test_other_images_are_refused_when_a_run_is_resumed(file: str, tmp_path: Path) -> None:
    write_images(tmp_path / "images")
    few = [word for word in BOTTLENECK if not word.startswith("trainer.steps=")]
    assert run(tmp_path, *few, "method=none", "trainer.steps=5").returncode == 0
    (found,) = (tmp_path / "images" / "MNIST" / "raw").glob(f"{file}-*")
    content = bytearray(found.read_bytes())
    content[-10:] = content[:-11:-1]  # the last ten pixels or labels in reverse
    found.write_bytes(content)
    done = run(tmp_path, "resume=run", "trainer.steps=8")
    assert done.returncode == 2
    assert found.name in done.stderr
    assert "not as when the run was trained" in done.stderr
