"""What is checked is what runs: nothing is built or split a second time before the first step."""

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.program import run

SMALL = (
    "trainer=smoke", "trainer.device=cpu", "trainer.tensorboard=false", "references=none",
    "task.pairs=10000", "trainer.steps=4", "hydra.run.dir=run",
)  # fmt: skip
SPLIT = {
    "mi-estimate": "mine_cli.tasks.mi_estimate.parts.three_way",
    "infobottleneck": "mine_cli.tasks.infobottleneck.rows.validation_split",
}


def count() -> None:
    """Counts, until the first step, and leaves the counts in a file."""
    from mine_cli.config import validation
    from mine_cli.data.arrays import Arrays
    from mine_cli.tasks import registry
    from mine_cli.tasks.infobottleneck import rows
    from mine_cli.tasks.infobottleneck.training import InfoBottleneck
    from mine_cli.tasks.mi_estimate import parts
    from mine_cli.tasks.mi_estimate.training import MIEstimate

    counts: Counter[str] = Counter()

    def counted(owner: Any, name: str, what: str) -> None:
        plain = getattr(owner, name)

        def call(*args: Any, **options: Any) -> Any:
            counts[what] += 1
            return plain(*args, **options)

        setattr(owner, name, call)

    def stopped(task: type) -> None:
        plain: Callable[..., Any] = task.train_step

        def train_step(self: Any, step: int) -> Any:
            if step == 1:
                Path("counts.json").write_text(json.dumps(counts))
            return plain(self, step)

        task.train_step = train_step

    counted(parts, "folds", "splits")
    counted(rows, "validation_split", "splits")
    counted(Arrays, "__init__", "data sets")
    counted(validation, "splitting_faults", "validations")
    for experiment in set(registry.EXPERIMENTS.values()):
        counted(experiment, "__init__", "experiments")
    stopped(MIEstimate)
    stopped(InfoBottleneck)


@pytest.mark.parametrize("task", ["mi-estimate", "infobottleneck"])
def test_a_run_builds_and_splits_once_before_its_first_step(task: str, tmp_path: Path) -> None:
    import numpy as np

    x = np.random.default_rng(0).normal(size=(600, 4))
    np.savez(tmp_path / "rows.npz", x=x, z=(x[:, 0] > 0).astype(int))
    own = ["method=vib", "trainer.batch_size=50"] if task == "infobottleneck" else []
    arguments = [f"task={task}", "dataset=arrays", "dataset.path=rows.npz", *own]
    few = [setting for setting in SMALL if not own or setting not in SMALL[3:5]]
    done = run(tmp_path, *arguments, *few, before=count)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "counts.json").read_text()) == {
        "validations": 1, "data sets": 1, "experiments": 1, "splits": 1,
    }  # fmt: skip


OWN_DATA = """\
import os

from mine_cli.data.gaussian import Gaussian


class Law(Gaussian):
    def __init__(self, number):
        super().__init__()
        with open(os.environ["BUILT"], "a") as file:
            file.write(f"{os.getpid()} {number}\\n")
"""


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["fused", "basic"])
def test_a_job_of_a_sweep_is_built_once_to_plan_it_and_once_to_train_it(
    launcher: str, tmp_path: Path
) -> None:
    (tmp_path / "my_conf" / "dataset").mkdir(parents=True)
    (tmp_path / "my_conf" / "own.py").write_text(OWN_DATA)
    (tmp_path / "my_conf" / "dataset" / "own.yaml").write_text("_target_: own.Law\nnumber: 0\n")
    fewer = ("task.select_rows=300", "task.report_rows=500")
    chosen = ("dataset=own", "dataset.number=0,1,2,3", "sweep_dir=sweep")
    others = () if launcher == "fused" else ("hydra/launcher=basic",)
    built = tmp_path / "built.txt"
    done = run(
        tmp_path, "-cd", "my_conf", "-m", *SMALL[:-1], *fewer, *chosen, *others,
        env={"BUILT": os.fspath(built)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in built.read_text().splitlines()]
    numbers = Counter(number for _, number in lines)
    planner = lines[0][0]
    planned = Counter(number for pid, number in lines if pid == planner)
    assert numbers == dict.fromkeys("0123", 2)
    assert planned == dict.fromkeys("0123", 2 if others else 1)
