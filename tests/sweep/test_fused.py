"""Jobs trained as one model: as alone, whatever happens to their neighbours."""

import csv
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from mine_cli.bounds import BOUNDS, DV
from mine_cli.errors import Interrupted, RunFailed
from mine_cli.sweep.fused import FusedJob, FusedTraining, same_moment
from mine_cli.sweep.planning import bytes_of
from mine_cli.tasks import run
from mine_cli.tasks.registry import experiment_of
from mine_cli.training.task import CannotFuse
from mine_cli.training.trainer import Trainer
from mine_cli.training.training import Training
from tests import composition
from tests.image_folders import write_images

pytestmark = pytest.mark.usefixtures("undrawn")

SMALL = (
    "trainer=smoke", "trainer.device=cpu", "trainer.tensorboard=false", "trainer.progress=false",
    "references=none", "task.select_rows=300", "task.report_rows=500", "task.pairs=10000",
    "task.pairs_during_training=6000", "dataset.rho=0.5",
)  # fmt: skip
SQUEEZED = (
    "task=infobottleneck", "dataset=arrays", "trainer.device=cpu", "trainer.tensorboard=false",
    "trainer.progress=false", "trainer.steps=60", "trainer.batch_size=50", "trainer.lr=1e-3",
    "trainer.evaluate_every=20", "trainer.log_every=20", "encoder.widths=[16]",
    "encoder.features=4", "network.widths=[16]", "task.average=0.9", "task.pairs=10000",
    "task.pairs_during_training=6000", "task.samples=2", "task.attacked_rows=20",
)  # fmt: skip
VECTORS = ("mlp", "mlp_shallow", "noisy_mlp", "separable", "separable_quadratic", "bilinear")
NARROW = {
    "mlp": ["network.widths=[12,12]"],
    "noisy_mlp": ["network.widths=[12,12]"],
    "separable": ["network.widths=[12]", "network.features=6"],
    "separable_quadratic": ["network.widths=[12]", "network.features=6"],
    "conv": ["network.channels=[2,2]", "network.widths=[8]"],
    "conditioned_conv": ["network.channels=[2,2]"],
}


class Fails(DV):
    """A bound that fails after so many steps."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after, self.left = after, [after]

    def loss(self, t_joint: torch.Tensor, t_marginal: torch.Tensor) -> torch.Tensor:
        self.left[0] -= 1
        if self.left[0] < 0:
            raise FileNotFoundError(2, "No such file", "absent.txt")
        return super().loss(t_joint, t_marginal)


class Explodes(DV):
    """A bound that is not a number from the start."""

    def loss(self, t_joint: torch.Tensor, t_marginal: torch.Tensor) -> torch.Tensor:
        return super().loss(t_joint, t_marginal) * float("nan")


class Stubborn(torch.nn.Module):
    """A network that draws from the global stream, which no batched model may do."""

    def __init__(self, x_shape: Sequence[int], z_shape: Sequence[int]) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def forward(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        rows = torch.cat([x, z], 1)
        return self.layer(rows + 0.1 * torch.randn_like(rows)).squeeze(1)


def composed(*overrides: str) -> DictConfig:
    return composition.composed(*overrides)


def configuration(*overrides: str) -> DictConfig:
    return composed(*SMALL, *overrides)


@pytest.fixture(scope="session")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of labelled rows, in a file."""
    random = np.random.default_rng(0)
    z = random.integers(3, size=800)
    x = random.normal(size=(3, 5))[z] * 2 + random.normal(size=(800, 5))
    path = tmp_path_factory.mktemp("blobs") / "blobs.npz"
    np.savez(path, x=x, z=z)
    return path


def bottleneck(path: Path, *overrides: str) -> DictConfig:
    """A bottleneck on the rows of a file."""
    return composed(*SQUEEZED, f"dataset.path={path}", *overrides)


def with_own(section: str, what: type, *overrides: str, **arguments: Any) -> DictConfig:
    """A configuration in which a class of this file is the network or the bound."""
    cfg = configuration(*overrides)
    own = {"_target_": f"{__name__}.{what.__name__}", **arguments}
    OmegaConf.update(cfg, section, OmegaConf.create(own), merge=False)
    return cfg


def trained(folder: Path, configurations: Sequence[DictConfig]) -> list[FusedJob]:
    """The jobs, as one model, in folders of their numbers; in their order."""
    jobs = [FusedJob(experiment_of(cfg), folder / str(i)) for i, cfg in enumerate(configurations)]
    assert {job for ended in FusedTraining(jobs).train() for job in ended} == {*jobs}
    return jobs


def alone(cfg: DictConfig, folder: Path) -> dict[str, Any]:
    return run.run_experiment(experiment_of(cfg), folder)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def numbers(folder: Path) -> list[dict[str, str]]:
    """metrics.csv but for the timings."""
    with (folder / "metrics.csv").open(newline="") as file:
        rows = csv.DictReader(file)
        return [{k: v for k, v in row.items() if not k.startswith("time/")} for row in rows]


OTHERS = ["trainer.lr=1e-3", "seed=3", "dataset.rho=0.8"]


TERMS = [
    *((bound, "mlp", "derangement") for bound in BOUNDS if bound != "infonce"),
    ("infonce", "mlp", "all_pairs"), ("dv", "mlp", "all_pairs"), ("mine", "mlp", "independent"),
    *(("mine", network, "shuffle") for network in VECTORS if network != "mlp"),
]  # fmt: skip
QUICK = (TERMS[0], ("infonce", "mlp", "all_pairs"), ("mine", "noisy_mlp", "shuffle"))


@pytest.mark.parametrize(
    ("bound", "network", "marginals"),
    [t if t in QUICK else pytest.param(*t, marks=pytest.mark.slow) for t in TERMS],
)
def test_a_job_among_others_is_what_it_is_alone(
    bound: str, network: str, marginals: str, tmp_path: Path
) -> None:
    """200 steps: the estimate within 1e-4 nats, the same status, the same files."""
    own = [
        f"bound={bound}", f"network={network}", f"marginals={marginals}", "trainer.steps=200",
        "trainer.evaluate_every=50", *NARROW.get(network, []),
    ]  # fmt: skip
    jobs = [configuration(*own, "seed=1"), configuration(*own, *OTHERS), configuration(*own)]
    for cfg, found in zip(jobs, trained(tmp_path / "fused", jobs), strict=True):
        expected = alone(cfg, tmp_path / "alone" / found.folder.name)
        assert found.result is not None
        assert found.result["estimate"] == pytest.approx(expected["estimate"], abs=1e-4)
        assert found.result["status"] == expected["status"]
        assert found.result["objective"] == pytest.approx(expected["objective"], abs=1e-4)
        assert files(found.folder) == files(tmp_path / "alone" / found.folder.name)
        rows = numbers(found.folder)
        other = numbers(tmp_path / "alone" / found.folder.name)
        assert [row["step"] for row in rows] == [row["step"] for row in other]
        assert rows[0].keys() == other[0].keys()


IMAGES = [
    ("conv", "image_label", "all_pairs"), ("conv", "image_halves", "shuffle"),
    ("conditioned_conv", "image_label", "shuffle"),
]  # fmt: skip


@pytest.mark.parametrize(("network", "dataset", "marginals"), IMAGES)
def test_a_job_on_images_among_others_is_what_it_is_alone(
    network: str, dataset: str, marginals: str, tmp_path: Path
) -> None:
    """The same for networks of convolutions, on as few images as have a batch."""
    own = [
        f"data_dir={write_images(tmp_path / 'images')}", f"dataset={dataset}",
        f"network={network}", f"marginals={marginals}", *NARROW[network], "trainer.steps=20",
        "trainer.batch_size=32", "trainer.evaluate_every=10",
    ]  # fmt: skip
    images = [setting for setting in SMALL if not setting.startswith("dataset.")]
    jobs = [composed(*images, *own, f"seed={seed}") for seed in range(2)]
    assert len({experiment_of(cfg).fusion_key() for cfg in jobs}) == 1
    for cfg, found in zip(jobs, trained(tmp_path / "fused", jobs), strict=True):
        expected = alone(cfg, tmp_path / "alone" / found.folder.name)
        assert found.result is not None
        assert found.result["estimate"] == pytest.approx(expected["estimate"], abs=1e-4)
        assert found.result["status"] == expected["status"]
        assert files(found.folder) == files(tmp_path / "alone" / found.folder.name)


METHODS = [
    ["method=mine_gaussian"],
    ["method=mine_additive", "task.statistics_steps=2", "task.sees=input"],
    ["method=mine_propagated", "marginals=independent"],
    ["method=vib"],
    ["method=none"],
    ["method=dropout"],
    ["method=label_smoothing"],
]
QUICK_METHODS = (METHODS[1], METHODS[3])


@pytest.mark.parametrize(
    "own",
    [
        pytest.param(own, id=" ".join(own), marks=[pytest.mark.slow] * (own not in QUICK_METHODS))
        for own in METHODS
    ],
)
def test_a_bottleneck_among_others_is_what_it_is_alone(
    own: list[str], blobs: Path, tmp_path: Path
) -> None:
    """Each with a seed, beta, rates and a bound of its own; one shape for all."""
    others = [["trainer.lr=2e-3", "seed=3", "dataset.seed=1"], ["seed=1"], []]
    if "mine" in own[0]:
        others[0] += ["method.beta=0.1", "bound=mine"]
        others[1] += ["method.beta=0.5", "task.statistics_lr=5e-3"]
    elif "vib" in own[0]:
        others[1] += ["method.beta=0.5"]
    jobs = [bottleneck(blobs, *own, *other) for other in others]
    assert len({experiment_of(cfg).fusion_key() for cfg in jobs}) == 1
    for cfg, found in zip(jobs, trained(tmp_path / "fused", jobs), strict=True):
        folder = tmp_path / "alone" / found.folder.name
        same_bottleneck(found, alone(cfg, folder))
        assert files(found.folder) == files(folder)
        rows, other = numbers(found.folder), numbers(folder)
        assert [row["step"] for row in rows] == [row["step"] for row in other]
        assert rows[0].keys() == other[0].keys()


def same_bottleneck(found: FusedJob, expected: dict[str, Any]) -> None:
    assert found.result is not None
    assert found.result["status"] == expected["status"]
    assert found.result["estimate"] == pytest.approx(expected["estimate"], abs=1e-4)
    for name in ("cross_entropy", "error", "i_zy"):
        assert found.result["metrics"][name] == pytest.approx(expected["metrics"][name], abs=1e-4)


def test_bottlenecks_of_other_methods_and_shapes_are_not_alike(blobs: Path) -> None:
    others = [
        ["method=mine_additive"], ["method.information=kl"], ["encoder.widths=[8]"],
        ["task.average=null"], ["trainer.batch_size=40"], ["marginals=derangement"],
    ]  # fmt: skip
    jobs = [bottleneck(blobs, "method=mine_gaussian", *other) for other in ([], *others)]
    assert len({experiment_of(cfg).fusion_key() for cfg in jobs}) == len(jobs)


def test_the_rows_of_bottlenecks_count_once_against_the_memory(blobs: Path) -> None:
    own, shared = bytes_of(experiment_of(bottleneck(blobs, "method=mine_gaussian")))
    assert shared == 800 * (5 * 4 + 8)
    assert own > 0
    assert bytes_of(experiment_of(configuration()))[1] == 0


@pytest.mark.parametrize("method", ["mine_gaussian", "vib"])
def test_a_bottleneck_goes_on_alone_or_with_others(
    method: str, blobs: Path, tmp_path: Path
) -> None:
    """Halfway one goes on alone that began with another, and the other way round."""
    own = [f"method={method}", "trainer.checkpoint_every=20"]
    jobs = [
        bottleneck(blobs, *own, f"seed={i}", f"method.beta={b}") for i, b in ((0, 0.3), (1, 0))
    ]
    straight = [alone(cfg, tmp_path / "straight" / str(i)) for i, cfg in enumerate(jobs)]
    halves = {name: [tmp_path / name / str(i) for i in range(2)] for name in ("one", "other")}

    def halfway(fused: list[FusedJob]) -> None:
        training = FusedTraining(fused)
        save = training.trainer.save

        def cut(trainings: Sequence[Training]) -> None:
            save(trainings)
            if training.step == 40:
                raise KeyboardInterrupt

        training.trainer.save = cut  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            list(training.train())

    halfway([*map(FusedJob, map(experiment_of, jobs), halves["one"])])
    for cfg, folder, expected in zip(jobs, halves["one"], straight, strict=True):
        cfg.resume = str(folder)
        same_bottleneck(FusedJob(experiment_of(cfg), folder, result=alone(cfg, folder)), expected)
        cfg.resume = None
    for cfg, folder in zip(jobs, halves["other"], strict=True):
        halfway([FusedJob(experiment_of(cfg), folder)])
    states = same_moment(halves["other"])
    resumed = [*map(FusedJob, map(experiment_of, jobs), halves["other"], states)]
    list(FusedTraining(resumed).train())
    for ended, expected in zip(resumed, straight, strict=True):
        same_bottleneck(ended, expected)


def test_a_bottleneck_whose_bound_fails_leaves_alone(blobs: Path, tmp_path: Path) -> None:
    own = ["method=mine_gaussian", "trainer.steps=40"]
    jobs = [bottleneck(blobs, *own, f"seed={seed}") for seed in range(3)]
    bound = {"_target_": f"{__name__}.Fails", "after": 15}
    OmegaConf.update(jobs[1], "bound", OmegaConf.create(bound), merge=False)
    first, failed, last = trained(tmp_path / "fused", jobs)
    assert failed.error == "absent.txt: No such file"
    for found, cfg in ((first, jobs[0]), (last, jobs[2])):
        same_bottleneck(found, alone(cfg, tmp_path / "alone" / found.folder.name))


@pytest.mark.slow
def test_bounds_and_rates_in_one_model(tmp_path: Path) -> None:
    jobs = [
        configuration(f"bound={bound}", f"trainer.lr={lr}", f"seed={seed}", "trainer.steps=60")
        for seed, (bound, lr) in enumerate([("mine", 1e-3), ("smile", 2e-3), ("tuba", 2e-3)])
    ]
    jobs += [configuration("bound=mine", "bound.rate=0.5", "seed=1", "trainer.steps=60")]
    for cfg, found in zip(jobs, trained(tmp_path / "fused", jobs), strict=True):
        expected = alone(cfg, tmp_path / "alone" / found.folder.name)
        assert found.result is not None
        assert found.result["estimate"] == pytest.approx(expected["estimate"], abs=1e-4)


def test_who_fails_or_diverges_leaves_and_nobody_notices(tmp_path: Path) -> None:
    own = ["trainer.steps=40", "trainer.evaluate_every=10"]
    jobs = [
        configuration(*own, "seed=0"),
        with_own("bound", Explodes, *own),
        configuration(*own, "seed=2"),
        with_own("bound", Fails, *own, after=15),
    ]
    first, diverged, second, failed = trained(tmp_path / "fused", jobs)
    assert failed.result is None
    assert failed.error == "absent.txt: No such file"
    assert "Traceback (most recent call last)" in (failed.folder / "mine-run.log").read_text()
    assert "Traceback" not in (first.folder / "mine-run.log").read_text()
    assert diverged.result is not None
    assert diverged.result["status"] == "diverged"
    assert json.loads((diverged.folder / "result.json").read_text())["status"] == "diverged"
    for found, cfg in ((first, jobs[0]), (second, jobs[2])):
        expected = alone(cfg, tmp_path / "alone" / found.folder.name)
        assert found.result is not None
        assert found.result["estimate"] == pytest.approx(expected["estimate"], abs=1e-4)


def test_whose_checkpoint_cannot_be_written_leaves_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoints are written several at a time: a full disk is still one job's own."""
    save = Training.save

    def sometimes(training: Training) -> None:
        assert training.folder is not None
        if training.folder.path.name == "1" and training.record.steps == 20:
            raise RunFailed("no space is left")
        save(training)

    monkeypatch.setattr(Training, "save", sometimes)
    own = ("trainer.steps=40", "trainer.checkpoint_every=10")
    found = trained(tmp_path, [configuration(*own, f"seed={seed}") for seed in range(6)])
    assert [ended.error for ended in found] == [None, "no space is left", *[None] * 4]
    kept = [torch.load(ended.folder / "checkpoints" / "last.pt")["step"] for ended in found]
    assert kept == [40, 10, *[40] * 4]


def test_a_job_that_is_interrupted_after_its_last_step_is_evaluated_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that runs alone; one that has steps to go is saved."""
    own = ("trainer.steps=20", "trainer.evaluate_every=10")
    jobs = [
        FusedJob(experiment_of(configuration(*own, f"seed={i}")), tmp_path / f"{i}")
        for i in range(2)
    ]
    take = Trainer.take

    def interrupted(trainer: Trainer) -> None:
        take(trainer)
        if trainer.step == 20:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Trainer, "take", interrupted)
    with pytest.raises(Interrupted):
        list(FusedTraining(jobs).train())
    for job in jobs:
        assert job.result is not None
        assert job.result["steps"] == 20
        assert [row["step"] for row in numbers(job.folder) if row["mi/estimate"]][-1] == "20"


@pytest.mark.slow
def test_early_stopping_is_each_job_s_own(tmp_path: Path) -> None:
    """On finite data that hold nothing, one with no patience ends before one with much."""
    own = ["dataset.n=400", "dataset.rho=0", "trainer.steps=120", "trainer.evaluate_every=10"]
    patience = (1, 12)
    jobs = [configuration(*own, f"task.patience={p}", "trainer.batch_size=64") for p in patience]
    found = trained(tmp_path, jobs)
    taken = [ended.result["steps"] for ended in found if ended.result]
    assert taken[0] < taken[1] == 120
    for cfg, ended in zip(jobs, found, strict=True):
        expected = alone(cfg, tmp_path / "alone" / ended.folder.name)
        assert ended.result is not None
        assert ended.result["steps"] == expected["steps"]
        assert ended.result["estimate"] == pytest.approx(expected["estimate"], abs=1e-4)


def test_what_cannot_be_batched_is_said_before_anything_is_written(tmp_path: Path) -> None:
    jobs = [with_own("network", Stubborn, f"seed={seed}") for seed in range(2)]
    with pytest.raises(CannotFuse, match="vmap"):
        trained(tmp_path, jobs)
    assert not list(tmp_path.iterdir())


def test_jobs_go_back_to_the_latest_moment_that_all_have(tmp_path: Path) -> None:
    """As a training leaves them that was killed between the checkpoints of two jobs."""
    own = ("trainer.steps=40", "trainer.checkpoint_every=10")
    jobs = [configuration(*own, f"seed={seed}") for seed in range(2)]

    folders = [tmp_path / str(i) for i in range(2)]

    def steps() -> list[int | None]:
        return [None if state is None else state["step"] for state in same_moment(folders)]

    assert steps() == [None, None]
    stopped: list[int] = []

    training = FusedTraining([*map(FusedJob, map(experiment_of, jobs), folders)])
    save = training.trainer.save

    def cut(trainings: Sequence[Training]) -> None:
        if training.step < 20:
            return save(trainings)
        trainings[0].checkpoint()
        stopped.append(training.step)
        raise KeyboardInterrupt

    training.trainer.save = cut  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        list(training.train())
    assert stopped == [20]
    assert steps() == [10, 10]
    resumed = [*map(FusedJob, map(experiment_of, jobs), folders, same_moment(folders))]
    list(FusedTraining(resumed).train())
    straight = trained(tmp_path / "straight", jobs)
    for found, expected in zip(resumed, straight, strict=True):
        assert found.result is not None
        assert expected.result is not None
        assert found.result["estimate"] == expected.result["estimate"]
        assert numbers(found.folder) == numbers(expected.folder)
        assert files(found.folder) == files(expected.folder)


@pytest.mark.slow
def test_at_the_end_of_a_whole_training_as_alone(tmp_path: Path) -> None:
    """A quarter of the default length: the same status, estimates within two errors."""
    own = (
        "trainer=default",
        "task.select_rows=2000",
        "task.report_rows=4000",
        "trainer.steps=1500",
    )
    jobs = [configuration(*own, f"seed={seed}") for seed in range(2)]
    for cfg, found in zip(jobs, trained(tmp_path / "fused", jobs), strict=True):
        expected = alone(cfg, tmp_path / "alone" / found.folder.name)
        assert found.result is not None
        assert found.result["status"] == expected["status"]
        apart = found.result["estimate"] - expected["estimate"]
        assert abs(apart) < 2 * expected["standard_error"]
