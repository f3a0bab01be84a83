"""The command line as a user meets it: subprocesses in an empty folder."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from mine_cli import __version__
from mine_cli.cli import command as cli
from mine_cli.cli.arguments import for_hydra
from mine_cli.errors import BadInput
from tests.program import run

SMOKE = (
    "trainer=smoke", "trainer.device=cpu", "trainer.tensorboard=false", "references=none",
    "task.select_rows=300", "task.report_rows=500", "task.pairs=10000",
)  # fmt: skip
FEW_SAMPLES = (
    "task=gan", "trainer.steps=6", "trainer.batch_size=32", "trainer.device=cpu",
    "trainer.evaluate_every=6", "trainer.tensorboard=false", "task.samples=200",
    "task.pairs=2000", "generator.widths=[16]", "discriminator.widths=[16]",
    "network.widths=[16]", "hydra.sweep.dir=sweep",
)  # fmt: skip
ARMS = """\
# @package _global_
defaults:
  - override /task: gan

task:
  average: null

hydra:
  mode: MULTIRUN
  sweeper:
    params:
      task.beta: 0,0.5
"""
OWN_NETWORK = """\
from torch import nn


class Sum(nn.Module):
    def __init__(self, x_shape, z_shape, gain):
        super().__init__()
        self.linear = nn.Linear(x_shape[0], 1)
        self.gain = gain

    def embed(self, x, z, noise=None):
        return x, z

    def head(self, a, b, noise=None):
        return self.gain * self.linear(a + b).squeeze(-1)

    def forward(self, x, z):
        return self.head(x, z)
"""

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """`mine-run ARGUMENTS` in a folder of its own.

    With options for python itself the process is started from nothing (`-P`: python's -m would
    put the folder on the path).
    """

    def command(
        *arguments: str, python: tuple[str, ...] = (), drawn: bool = False
    ) -> subprocess.CompletedProcess[str]:
        if not python:
            return run(tmp_path, *arguments, drawn=drawn)
        entry = [sys.executable, "-P", *python, "-m", "mine_cli", *arguments]
        env = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.run(
            entry, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
        )

    return command


def made(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def run_folder(folder: Path) -> Path:
    (found,) = (folder / "outputs" / "mi-estimate").iterdir()
    return found


@pytest.mark.parametrize("flag", ["--help", pytest.param("-h", marks=pytest.mark.slow)])
def test_help_shows_examples_groups_and_keys_without_torch(
    flag: str, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "my_conf" / "network").mkdir(parents=True)
    (tmp_path / "my_conf" / "network" / "own.yaml").write_text("_target_: own.Sum\n")
    done = command("-cd", "my_conf", flag, python=("-X", "importtime"))
    assert done.returncode == 0
    assert "hydra.main" in done.stderr
    assert "torch" not in done.stderr
    assert "schema" not in done.stdout
    assert sum(line.startswith("  mine-run") for line in done.stdout.splitlines()) == 8
    networks = (
        "bilinear, conditioned_conv, conv, conv_mlp, mlp, mlp_deep, mlp_shallow, mlp_wide, "
        "noisy_mlp, own"
    )
    assert networks in " ".join(done.stdout.split())  # as they are wrapped
    assert 'eval "$(mine-run -sc install=bash)"' in done.stdout
    assert "  hydra " not in done.stdout
    assert "    trainer.batch_size=512 " in done.stdout
    assert made(tmp_path) == ["my_conf", "my_conf/network", "my_conf/network/own.yaml"]


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["--help", "--hydra-help"])
def test_a_reader_that_has_read_enough_is_no_error(flag: str, tmp_path: Path) -> None:
    nobody, end = os.pipe()
    os.close(nobody)
    entry = [sys.executable, "-P", "-m", "mine_cli", flag]
    done = subprocess.run(
        entry, cwd=tmp_path, stdout=end, stderr=subprocess.PIPE, text=True, timeout=120
    )
    os.close(end)
    assert (done.returncode, done.stderr) == (0, "")


def test_completion_offers_options_without_torch(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMP_LINE", "mine-run bound=s")
    monkeypatch.setenv("COMP_POINT", "16")
    done = command("-sc", "query=bash", python=("-X", "importtime"))
    assert done.stdout.split() == ["bound=smile"]
    assert "torch" not in done.stderr


def test_version(command: Command) -> None:
    assert command("--version").stdout == f"mine-run {__version__}\n"


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("dataset.roh=0.5", "dataset.roh: no such key; want one of dim, rho,"),
        ("trainer.lr=fast", "Value 'fast' of type 'str' could not be converted to Float"),
        ("bound=nwj", "bound=nwj: no such option; want one of dv, infonce, js, mine, "),
    ],
)
def test_what_hydra_refuses_is_bad_input(
    argument: str, said: str, command: Command, tmp_path: Path
) -> None:
    done = command(argument)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert made(tmp_path) == []


def test_every_fault_is_one_line_and_exit_2_and_no_folder(
    command: Command, tmp_path: Path
) -> None:
    done = command("dataset.rho=1.5", "trainer.lr=-1", "+network.depth=3")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "mine-run: dataset.rho=1.5: must lie strictly between -1 and 1, or null",
        "mine-run: network.depth: no such key; want one of widths, activation, lengths",
        "mine-run: trainer.lr=-1.0: must be positive and finite, or null",
    ]
    assert done.stdout == ""
    assert made(tmp_path) == []


def test_a_fault_has_a_traceback_only_if_asked_for(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    done = command("dataset.rho=1.5")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_a_fault_that_building_finds_makes_no_folder(command: Command, tmp_path: Path) -> None:
    done = command("dataset=arrays", "dataset.path=absent.npz")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("mine-run: ")
    assert "absent.npz" in line
    assert made(tmp_path) == []


def test_dry_run_writes_nothing(command: Command, tmp_path: Path) -> None:
    done = command("dry_run=true", "network=separable")
    assert done.returncode == 0, done.stderr
    assert "Separable" in done.stdout
    assert "parameters" in done.stdout
    assert made(tmp_path) == []


def test_dry_run_of_a_sweep_lists_its_jobs(command: Command, tmp_path: Path) -> None:
    done = command("-m", *SMOKE, "dry_run=true", "seed=1,2")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "composing and checking 2 jobs"
    assert [line.split() for line in lines if "seed=" in line] == [
        ["0", "seed=1"],
        ["1", "seed=2"],
    ]
    assert lines[-1] == "Nothing was written."
    assert made(tmp_path) == []
    done = command("-m", "dry_run=true", "seed=1,2", "bound=none")
    assert done.returncode == 2


@pytest.mark.slow
def test_a_working_directory_of_the_run_s_own(command: Command, tmp_path: Path) -> None:
    """What was read before the run changed it is found after it as well."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "be.npz", x=rng.normal(size=300), z=rng.normal(size=300))
    data = ("dataset=arrays", "dataset.path=be.npz", "trainer.batch_size=64")
    done = command(*SMOKE, *data, "hydra.job.chdir=true", "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "result.json").exists()


def test_dry_run_from_a_file_is_refused(command: Command, tmp_path: Path) -> None:
    (tmp_path / "my_conf" / "experiment").mkdir(parents=True)
    (tmp_path / "my_conf" / "experiment" / "dry.yaml").write_text(
        "# @package _global_\ndry_run: true\n"
    )
    done = command("-cd", "my_conf", "experiment=dry")
    assert done.returncode == 2
    assert "on the command line: dry_run=true" in done.stderr
    assert not (tmp_path / "outputs").exists()


def test_a_run_then_its_folder_again_then_resume(command: Command, tmp_path: Path) -> None:
    done = command(*SMOKE)
    assert done.returncode == 0, done.stderr
    folder = run_folder(tmp_path)
    result = json.loads((folder / "result.json").read_text())
    assert result["steps"] == 20
    assert (folder / "mine-run.log").read_text() != ""
    saved = {f.name: f.read_bytes() for f in (folder / ".hydra").iterdir()}

    done = command(*SMOKE, f"hydra.run.dir={folder}")
    assert done.returncode == 2
    assert "already holds a run" in done.stderr

    log = (folder / "mine-run.log").read_text()
    done = command(f"resume={folder.relative_to(tmp_path)}", "trainer.steps=30")
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "result.json").read_text())["steps"] == 30
    assert {f.name: f.read_bytes() for f in (folder / ".hydra").iterdir()} == saved
    assert (folder / "mine-run.log").read_text().startswith(log)
    assert run_folder(tmp_path) == folder


def test_a_network_of_ones_own_runs_and_resumes(command: Command, tmp_path: Path) -> None:
    (tmp_path / "my_conf" / "network").mkdir(parents=True)
    (tmp_path / "my_conf" / "network" / "own.yaml").write_text("_target_: own.Sum\ngain: 2.0\n")
    (tmp_path / "my_conf" / "own.py").write_text(OWN_NETWORK)
    done = command("-cd", "my_conf", "network=own", *SMOKE)
    assert done.returncode == 0, done.stderr
    folder = run_folder(tmp_path)
    assert OmegaConf.load(folder / ".hydra" / "config.yaml").network.gain == 2.0
    done = command(f"resume={folder}", "trainer.steps=25")
    assert done.returncode == 0, done.stderr


class Returned(Callback):
    """Keeps what a sweeper is told of each job."""

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        with Path("returned").open("a") as file:
            print(config.hydra.job.num, job_return.return_value, file=file)


def check_arms(sweep: Path, *betas: float) -> list[dict[str, Any]]:
    """The results of a sweep of adversarial arms, drawn in one picture."""
    results = [json.loads(path.read_text()) for path in sorted(sweep.glob("*/result.json"))]
    assert [result["gan"]["beta"] for result in results] == [*betas]
    assert all(result["steps"] == 6 for result in results)
    assert (sweep / "compare.png").stat().st_size > 10_000
    return results


@pytest.fixture
def arms(tmp_path: Path) -> Path:
    """A folder of one's own with an experiment that sweeps beta."""
    (tmp_path / "my_conf" / "experiment").mkdir(parents=True)
    (tmp_path / "my_conf" / "experiment" / "arms.yaml").write_text(ARMS)
    return tmp_path / "my_conf"


@pytest.mark.slow  # two trainings and their pictures
def test_an_experiment_starts_both_arms_and_draws_them(
    arms: Path, command: Command, tmp_path: Path
) -> None:
    """Without -m; the sweeper minimises the divergence; a resumed arm is drawn anew."""
    told = f"+hydra.callbacks.told._target_={__name__}.Returned"
    done = command("-cd", str(arms), "experiment=arms", *FEW_SAMPLES[1:], told, drawn=True)
    assert done.returncode == 0, done.stderr
    results = check_arms(tmp_path / "sweep", 0, 0.5)
    lines = (tmp_path / "returned").read_text().splitlines()  # as the jobs end, side by side
    returned = {int(job): float(value) for job, value in map(str.split, lines)}
    assert returned == {job: result["metrics"]["kl"] for job, result in enumerate(results)}
    assert [result["gan"]["average"] for result in results] == [None, None]

    (tmp_path / "sweep" / "compare.png").unlink()
    done = command("resume=sweep/beta=0", drawn=True)
    assert done.returncode == 0, done.stderr
    check_arms(tmp_path / "sweep", 0, 0.5)


@pytest.mark.slow
def test_a_sweep_of_both_arms(command: Command, tmp_path: Path) -> None:
    done = command("-m", *FEW_SAMPLES, "task.beta=0,1", "seed=0,1", "bound=js", drawn=True)
    assert done.returncode == 0, done.stderr
    check_arms(tmp_path / "sweep", 0, 0, 1, 1)


def test_dry_run_of_an_experiment_of_arms_looks_at_one(
    arms: Path, command: Command, tmp_path: Path
) -> None:
    before = made(tmp_path)
    done = command("-cd", str(arms), "experiment=arms", *FEW_SAMPLES[1:], "dry_run=true")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "Everything builds and one forward pass ran; nothing was written."
    assert [line.split()[0] for line in lines[:2]] == ["dataset", "latent"]
    assert made(tmp_path) == before


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The least that `resume` takes for a run."""
    run = tmp_path / "a run"
    for name in (".hydra", "checkpoints"):
        (run / name).mkdir(parents=True)
    (run / ".hydra" / "config.yaml").write_text("task:\n  name: mi-estimate\n")
    (run / "checkpoints" / "last.pt").write_bytes(b"state")
    return run


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda run: run.rename(run.parent / "moved"), "no such folder"),
        (lambda run: (run / ".hydra" / "config.yaml").unlink(), "not the folder of a mine-run"),
        (
            lambda run: (run / ".hydra" / "config.yaml").write_text("task: {name: other}\n"),
            "not the folder of a mine-run run",
        ),
        (
            lambda run: (run / ".hydra" / "config.yaml").write_text("a: [\n"),
            "not the folder of a mine-run run",
        ),
    ],
)
def test_resume_of_what_is_no_run_of_ours(
    spoil: Callable[[Path], object], said: str, folder: Path
) -> None:
    spoil(folder)
    with pytest.raises(BadInput, match=said):
        for_hydra([f"resume={folder}"])


def test_resume_changes_nothing_but_steps_device_and_paths(folder: Path) -> None:
    typed = [f"resume={folder}", "trainer.lr=1", "-m", "trainer.steps=9", "bound=dv"]
    with pytest.raises(BadInput) as caught:
        for_hydra(typed)
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [
        "-m",
        "trainer.lr=1",
        "bound=dv",
    ]


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        ("seed=1 -m bound=dv", "-m seed=1 bound=dv"),
        ("seed=1 --info plugins bound=dv", "--info plugins seed=1 bound=dv"),
        ("seed=1 -i bound=dv", "-i seed=1 bound=dv"),
        ("seed=1 --cfg job -cd . bound=dv", "--cfg job -cd . seed=1 bound=dv"),
        ("seed=1 --config-dir=. -m", "--config-dir=. -m seed=1"),
        ("-sc install=bash", "-sc install=bash"),
    ],
)
def test_flags_stand_first_with_their_values(typed: str, given: str) -> None:
    assert for_hydra(typed.split()) == given.split()


def test_resume_starts_hydra_in_the_runs_own_folder(folder: Path) -> None:
    given = for_hydra(["dataset.path=new.npz", f"resume='{folder}'", "trainer.steps=9"])
    assert given == [
        "++dataset.path=new.npz",
        "trainer.steps=9",
        f"resume='{folder}'",
        f"hydra.run.dir='{folder}'",
        "hydra.output_subdir=null",
    ]


@pytest.mark.parametrize("name", ["it's", 'a "b"', "a,b=c", "end\\", "${x"])
def test_a_folder_of_any_name_reaches_hydra_as_it_is(name: str, folder: Path) -> None:
    folder = folder.rename(folder.with_name(name))
    parsed = OverridesParser.create().parse_overrides(for_hydra([f"resume={folder}"])[:2])
    assert [(o.key_or_group, o.value()) for o in parsed] == [
        ("resume", str(folder)),
        ("hydra.run.dir", str(folder)),
    ]


@pytest.mark.parametrize("flag", [["-cd", "{}"], ["--config-dir", "{}"], ["--config-dir={}"]])
def test_broken_yaml_of_ones_own_is_one_line(flag: list[str], tmp_path: Path) -> None:
    (tmp_path / "bound").mkdir()
    (tmp_path / "bound" / "good.yaml").write_text("_target_: own.Bound\n")
    assert for_hydra(["seed=1"]) == ["seed=1"]
    (tmp_path / "bound" / "own.yaml").write_text("a: [1\nb: 2\n")
    with pytest.raises(BadInput, match=r"own\.yaml, line 2, column 2: no YAML: ") as caught:
        for_hydra(["seed=1", *(part.format(tmp_path) for part in flag)])
    assert len(caught.value.faults) == 1
    assert "\n" not in caught.value.faults[0]


def test_resume_null_is_an_ordinary_run() -> None:
    assert for_hydra(["resume=null", "seed=1"]) == ["resume=null", "seed=1"]


def test_resume_in_a_bad_folder_writes_nothing(command: Command, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    done = command("resume=other")
    assert done.returncode == 2
    assert done.stderr.startswith("mine-run: resume=other: not the folder of a mine-run run")
    assert made(tmp_path) == ["other"]


@pytest.mark.parametrize("typed", [["resume=a sweep", "units=bits"], ["-m", "seed=0,1"]])
def test_what_is_interrupted_before_it_begins_says_how_it_goes_on(
    typed: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C in the seconds of the imports; a new sweep has nothing yet to go on with."""

    def interrupted(arguments: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "for_hydra", interrupted)
    monkeypatch.setattr("sys.argv", ["mine-run", *typed])
    assert cli.start() == 130
    said = "; go on with: mine-run 'resume=a sweep' units=bits" if "units=bits" in typed else ""
    assert capsys.readouterr().err == f"mine-run: interrupted{said}\n"


def test_the_table_of_a_sweep_alone_says_how_it_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "is_held", lambda: True)
    assert cli.the_same_again([f"resume={folder}"]) == ""
