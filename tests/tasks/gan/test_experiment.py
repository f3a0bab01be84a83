"""``task=gan`` made ready to run: what is refused, what is told, which arms are compared."""

from pathlib import Path
from typing import Any

import pytest
import torch
from matplotlib.image import imread
from omegaconf import DictConfig
from torch import Tensor, nn

from mine_cli.errors import BadInput
from mine_cli.tasks import registry
from mine_cli.tasks.registry import experiment_of
from tests import composition
from tests.gan_folders import GRID, images_run, points_run

SHORT = (1000, 2000)
SMALL = (
    "trainer.device=cpu", "generator.widths=[6,5]", "discriminator.widths=[4]",
    "network.widths=[3]", "dataset.n=200",
)  # fmt: skip


def composed(*overrides: str) -> DictConfig:
    return composition.composed("task=gan", *SMALL, *overrides)


# A user's own parts, as a `_target_` names them


class Flat(nn.Module):
    """A generator of three coordinates."""

    def __init__(self, latent_dim: int, shape: tuple[int, ...], out: int = 3) -> None:
        super().__init__()
        self.linear = nn.Linear(latent_dim, out)

    def forward(self, latent: Tensor) -> Tensor:
        return self.linear(latent)


class Deaf(Flat):
    """A generator for latents of another size."""

    def __init__(self, latent_dim: int, shape: tuple[int, ...]) -> None:
        super().__init__(latent_dim + 1, shape, 2)


class Column(nn.Module):
    """A discriminator whose logits are a column."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.linear = nn.Linear(shape[0], 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


class OfImages(Column):
    """A discriminator that looks for an axis that points in the plane do not have."""

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x.mean(3)).squeeze(-1)


class Score(nn.Module):
    """A statistics network for as many numbers of x and of z, with a score for each of them."""

    def __init__(self, x_shape: tuple[int, ...], z_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(x_shape))

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.weight * x * z


class Pairs:
    """A data set for another task."""

    def sample(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return torch.randn(n, 2, generator=generator), torch.randn(n, 2, generator=generator)


class Points:
    """Samples that nobody can judge."""

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, 2, generator=generator)


def own(section: str, part: type, *overrides: str) -> DictConfig:
    cfg = composed(*overrides)
    cfg[section] = {"_target_": f"{__name__}.{part.__name__}"}
    return cfg


# What is refused


@pytest.mark.parametrize(
    ("cfg", "line"),
    [
        (lambda: composed("task.code_dim=3"), r"^task.code_dim=3: larger than the latent"),
        (
            lambda: own("generator", Flat),
            r"^generator: makes samples of shape \(3,\); the data set's have \(2,\)$",
        ),
        (
            lambda: own("generator", Deaf),
            r"^generator: Deaf cannot take \[4, 2\]: .*shapes cannot be",
        ),
        (
            lambda: own("discriminator", Column),
            r"^discriminator: logits of 4 samples have shape \[4, 1\]; want \[4\]$",
        ),
        (
            lambda: own("discriminator", OfImages),
            r"^discriminator: OfImages cannot take \[4, 2\]: Dimension out of range",
        ),
        (
            lambda: own("network", Score),
            r"^network: scores of 4 rows have shape \[4, 2\]; want \[4\]$",
        ),
        (
            lambda: own("network", Score, "task.latent_dim=5"),
            r"^network: .* cannot score x \[4, 2\] with z \[4, 5\]: The size of tensor",
        ),
        (
            lambda: own("dataset", Pairs),
            r"^dataset: Pairs has no draw\(n, generator\): task=gan wants samples, not pairs",
        ),
    ],
)
def test_what_cannot_be_trained_is_one_line(cfg: Any, line: str) -> None:
    with pytest.raises(BadInput, match=line) as caught:
        registry.checked(cfg())
    assert len(str(caught.value).splitlines()) == 1


def test_a_data_set_of_ones_own_needs_no_more_than_draws() -> None:
    cfg = own("dataset", Points)
    registry.checked(cfg)
    assert "Points; x (2,)" in registry.dry_run(experiment_of(cfg))


def test_checking_leaves_the_models_as_they_were() -> None:
    """Each comes from its own random stream, whatever was drawn before."""
    job = experiment_of(composed())
    before = torch.get_rng_state()
    first = job.models()
    job.check()
    second = experiment_of(composed("network.widths=[7,7]")).models()
    assert torch.equal(torch.get_rng_state(), before)
    for name in ("generator", "discriminator"):
        for a, b in zip(first[name].parameters(), second[name].parameters(), strict=True):
            assert torch.equal(a, b)


# What is told


def test_a_dry_run_tells_shapes_and_counts() -> None:
    cfg = composed("task.latent_dim=4", "task.code_dim=3", "task.beta=0.5", "task.latent=uniform")
    told = experiment_of(cfg).listing()
    # BatchNorm's gain and bias in place of a bias; the statistics network sees x and the code.
    generator = 4 * 6 + 2 * 6 + 6 * 5 + 2 * 5 + 5 * 2 + 2
    assert told["dataset"] == "GaussianGrid; x (2,)"
    assert told["latent"] == "4 uniform, 3 of them code"
    assert told["generator"] == f"fully_connected, {generator} parameters"
    assert told["discriminator"] == f"fully_connected, {2 * 4 + 4 + 4 + 1} parameters"
    assert told["network"] == f"MLP, {(2 + 3) * 3 + 3 + 3 + 1} parameters"
    assert told["bound"] == "Mine, beta 0.5"
    assert told["marginals"] == "Derangement, 100 pairs a batch"
    assert told["training"] == "8000 steps of 100 samples on cpu"
    assert list(told) == [
        line.split()[0] for line in registry.dry_run(experiment_of(cfg)).splitlines()[:-1]
    ]


@pytest.mark.parametrize(
    ("code", "said"), [(None, "infinite: "), (4, "infinite: "), (3, "not known: ")]
)
def test_the_truth_is_infinite_or_not_known(code: int | None, said: str) -> None:
    """It is the code that decides; part of the latent leaves noise in the samples."""
    dim = "null" if code is None else code
    head = experiment_of(composed("task.latent_dim=4", f"task.code_dim={dim}")).head()
    assert head["true_mi"] is None
    assert head["true_mi_note"].startswith(said)
    assert head["true_mi_note"].endswith("the estimate is a diagnostic, not a result")
    assert head["gan"]["latent_dim"] == 4
    assert head["gan"]["code_dim"] == (code or 4)
    assert head["trainer"]["lr"] == 5e-4


def test_a_sweeper_is_given_the_divergence() -> None:
    metrics = {"kl": 0.03, "modes": 24.0, "high_quality": 0.5, "js": 0.01, "samples": 2500}
    compared = experiment_of(composed()).compared({"metrics": metrics})
    assert next(iter(compared.items())) == ("result/kl", 0.03)
    assert set(compared.values()) == {0.03, 24.0, 0.5, 0.01}
    nothing = experiment_of(composed()).compared({"metrics": {}})
    assert set(nothing.values()) == {None}


def test_the_folder_begins_with_the_data(tmp_path: Path) -> None:
    job = experiment_of(composed("task.samples=150", "seed=3", "task.beta=0.5"))
    kept: dict[str, Any] = {}

    class Files:
        def keep(self, name: str, arrays: dict[str, Any]) -> None:
            kept.update({"name": name, **arrays})

    job.begin(Files())  # type: ignore[arg-type]
    assert (kept["name"], kept["beta"], kept["seed"]) == ("data", 0.5, 3)
    assert kept["x"].shape == (150, 2)
    rows = {tuple(row) for row in job.dataset.draw(2000, torch.Generator()).numpy()}
    assert {tuple(row) for row in kept["x"]} <= rows  # of the 200 fixed samples


# Arms


def arms(sweep: Path, *changes: dict[str, Any], **both: Any) -> None:
    """Runs of a sweep: beta 0 and 1 of two seeds, then more with these changes."""
    runs: list[dict[str, Any]] = [
        {"beta": beta, "seed": seed} for beta in (0.0, 1.0) for seed in (0, 1)
    ]
    trainer = {"lr": 1e-4, "steps": 2000, "device": "cpu"}
    for number, run in enumerate([*runs, *changes]):
        points_run(sweep / str(number), steps=SHORT, **({"trainer": trainer} | both | run))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The names of the runs that each comparison would draw."""
    drawn: list[list[str]] = []

    def record(sweep: Path) -> None:
        drawn.append(sorted(path.parent.name for path in sweep.glob("*/result.json")))

    monkeypatch.setattr("mine_cli.tasks.gan.experiment.figures.compare_generators", record)
    return drawn


def sweep_ended(sweep: Path, task: str = "gan") -> None:
    registry.after_sweep_job(DictConfig({"task": {"name": task}}), sweep)


@pytest.mark.parametrize("run", [points_run, images_run])
def test_two_arms_are_drawn(run: Any, tmp_path: Path) -> None:
    for beta in (0.0, 1.0):
        run(tmp_path / f"{beta}", beta, steps=SHORT)
    sweep_ended(tmp_path)
    assert imread(tmp_path / "compare.png").std() > 0.05


@pytest.mark.slow
def test_jobs_that_end_at_once_are_not_in_one_anothers_way(
    tmp_path: Path, temporaries: list[str]
) -> None:
    for beta in (0.0, 1.0):
        points_run(tmp_path / f"{beta}", beta, steps=SHORT)
    temporaries.clear()
    sweep_ended(tmp_path)
    sweep_ended(tmp_path)
    assert len(set(temporaries)) == len(temporaries) == 2


def test_arms_differ_in_beta_and_seed_alone(tmp_path: Path, drawn: list[list[str]]) -> None:
    seeded = GRID | {"seed": 1}
    arms(tmp_path, {"beta": 0.5, "seed": 2, "dataset": seeded, "status": "collapsed"})
    sweep_ended(tmp_path)
    assert drawn == [["0", "1", "2", "3", "4"]]


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": GRID | {"sigma": 0.1}},
        {"network": {"_target_": "own.Network"}},
        {"marginals": {"_target_": "mine_cli.marginals.Shuffle", "num": 1}},
        {"generator": {"widths": [10]}},
        {"gan": {"beta": 0.0, "clip": "none"}},
        {"trainer": {"lr": 1e-3, "steps": 2000, "device": "cpu"}},
        {"trainer": {"lr": 1e-4, "steps": 4000, "device": "cpu"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_setting_that_differs_is_no_arm(
    change: dict[str, Any], tmp_path: Path, drawn: list[list[str]]
) -> None:
    arms(tmp_path, {"beta": 0.0, "seed": 2} | change)
    sweep_ended(tmp_path)
    assert drawn == []


def test_a_run_that_ended_early_or_elsewhere_is_an_arm(
    tmp_path: Path, drawn: list[list[str]]
) -> None:
    elsewhere = {"lr": 1e-4, "steps": 2000, "device": "cuda", "progress": True}
    lost = {"beta": 1.0, "seed": 2, "status": "diverged", "steps": SHORT[:1]}
    for number, change in enumerate([{"trainer": elsewhere, "beta": 0.0}, lost]):
        settings = {"steps": SHORT, "trainer": {"lr": 1e-4, "steps": 2000, "device": "cpu"}}
        points_run(tmp_path / str(number), **(settings | change))
    sweep_ended(tmp_path)
    assert drawn == [["0", "1"]]


def test_one_arm_is_no_comparison(tmp_path: Path, drawn: list[list[str]]) -> None:
    sweep_ended(tmp_path)
    points_run(tmp_path / "0", 1.0, 0, steps=SHORT)
    sweep_ended(tmp_path)
    points_run(tmp_path / "1", 1.0, 1, steps=SHORT)
    sweep_ended(tmp_path)
    (tmp_path / "2").mkdir()  # a run without a result as yet
    sweep_ended(tmp_path)
    assert drawn == []


def test_other_tasks_compare_nothing(tmp_path: Path, drawn: list[list[str]]) -> None:
    arms(tmp_path)
    sweep_ended(tmp_path, "mi-estimate")
    assert drawn == []
