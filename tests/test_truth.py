"""Estimates against known truths, through the program's own path; most of it takes minutes."""

import os
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
import torch

from mine_cli.bounds import Smile
from mine_cli.data.gaussian import Gaussian
from mine_cli.estimator.evaluation import evaluate
from mine_cli.tasks import registry
from mine_cli.tasks import run as runs
from tests.composition import composed
from tests.conftest import GaussianLogRatio

MNIST = Path(os.environ.get("MINE_RUN_DATA", "data"))
needs_mnist = pytest.mark.skipif(
    not (MNIST / "MNIST" / "raw").is_dir(),
    reason="no MNIST: put its four .gz files into MNIST/raw of the folder MINE_RUN_DATA names",
)


SEEDS = [
    pytest.param(seed, marks=pytest.mark.slow if seed < 2 else pytest.mark.long)
    for seed in range(5)
]


def run(*overrides: str) -> dict[str, Any]:
    """The result of one run that keeps nothing."""
    cfg = composed("references=none", "trainer.log_every=100000", *overrides)
    return runs.run_experiment(registry.checked(cfg), None)


def estimates(seeds: int, *overrides: str) -> list[float]:
    found = [run(*overrides, f"seed={seed}") for seed in range(seeds)]
    assert all(f["status"] in ("ok", "not_converged", "high_variance") for f in found)
    return [f["estimate"] for f in found]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_default_run(seed: int) -> None:
    result = run(f"seed={seed}")
    assert result["true_mi"] == pytest.approx(1.0217, abs=1e-4)
    assert abs(result["error"]) < 0.05
    assert result["status"] == "ok"


def test_one_dimension_in_a_few_seconds() -> None:
    found = run("dataset.dim=1", "trainer.steps=1000", "task.report_rows=20000")
    assert found["estimate"] == pytest.approx(0.511, abs=0.03)


ONE_DIMENSION = ("dataset.dim=1", "dataset.rho=0.8", "task.report_rows=20000")


@pytest.mark.slow
@pytest.mark.parametrize("bound", ["mine", "dv", "mine_f", "js", "smile", "tuba", "infonce"])
def test_every_bound_in_one_dimension(bound: str) -> None:
    seeds, steps = (1, 500) if bound == "infonce" else (2, 2000)  # all pairs take their time
    found = estimates(seeds, *ONE_DIMENSION, f"bound={bound}", f"trainer.steps={steps}")
    assert mean(found) == pytest.approx(0.511, abs=0.03)


TWENTY_DIMENSIONS = ("experiment=gaussian_20d",)


@pytest.mark.slow
@pytest.mark.parametrize("bound", ["mine", "mine_f"])
def test_perceptrons_in_twenty_dimensions(bound: str) -> None:
    found = estimates(1, *TWENTY_DIMENSIONS, f"bound={bound}")
    assert mean(found) == pytest.approx(2.877, abs=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("bound", ["mine", "mine_f", "tuba"])
def test_a_narrow_perceptron_serves_every_bound(bound: str) -> None:
    """With T from 0 the first units of `mine_f` went into raising it, and 1.0 nats were found."""
    options = ("dataset.dim=20", "dataset.rho=0.5", "network.widths=[64,64]", "marginals.num=4")
    found = run(*options, f"bound={bound}", "trainer.steps=1500")
    assert found["estimate"] == pytest.approx(2.75, abs=0.10)


@pytest.mark.slow
def test_infonce_in_twenty_dimensions() -> None:
    options = ("bound=infonce", "network=separable", "network.widths=[256,256]")
    more = ("marginals.rows=512", "trainer.steps=3000", "task.negatives=4096")
    found = estimates(1, "dataset.dim=20", "dataset.rho=0.5", *options, *more)
    assert mean(found) == pytest.approx(2.877, abs=0.10)


@pytest.mark.slow
def test_smile_is_near_its_own_optimum_in_twenty_dimensions() -> None:
    # Under the true log-ratio the clipped bound is *above* the mutual information here.
    x, z = Gaussian(dim=20, rho=0.5).sample(40_000, torch.Generator().manual_seed(0))
    optimum = evaluate(GaussianLogRatio(20, 0.5), Smile(), x, z, pairs=2_000_000).value
    found = estimates(1, *TWENTY_DIMENSIONS, "bound=smile")
    assert mean(found) == pytest.approx(optimum, abs=0.10)


@pytest.mark.parametrize("seed", SEEDS)
def test_ten_thousand_rows_never_read_above_the_truth(seed: int) -> None:
    gaussian = ("dataset.dim=20", "dataset.rho=0.5", "dataset.n=10000")
    result = run(*gaussian, "folds=5", "network=mlp", "trainer.steps=2000", f"seed={seed}")
    assert result["estimate"] <= result["true_mi"] + 2 * result["standard_error"]
    assert result["estimate"] >= 2.4


@pytest.mark.slow
def test_infonce_at_ten_nats_says_that_it_is_at_its_ceiling() -> None:
    options = ("dataset.dim=20", "dataset.rho=null", "dataset.mi=10", "bound=infonce")
    result = run(*options, "network=separable", "marginals.rows=512", "trainer.steps=1500")
    assert result["status"] == "at_ceiling"


@pytest.mark.slow
@pytest.mark.parametrize(("information", "steps", "most"), [(6, 100, 4.0), (10, 500, 6.2)])
def test_too_few_steps_are_not_ok_beside_what_a_copula_says(
    information: int, steps: int, most: float
) -> None:
    # The rate falls to nothing, so that the curve is flat wherever it has come to.
    law = ("dataset.dim=20", "dataset.rho=null", f"dataset.mi={information}", "references=auto")
    options = ("bound=infonce", "network=separable", "marginals.rows=512")
    result = run(*law, *options, f"trainer.steps={steps}")
    assert result["estimate"] < most
    assert result["status"] == "below_reference"


@pytest.mark.slow
@needs_mnist
def test_an_mnist_image_tells_its_label() -> None:
    result = run("dataset=image_label", f"data_dir={MNIST}")
    assert result["true_mi"] == pytest.approx(2.301, abs=0.001)
    assert abs(result["error"]) < 0.10


@needs_mnist
@pytest.mark.parametrize("seed", SEEDS)
def test_shuffled_labels_tell_nothing(seed: int) -> None:
    options = ("dataset=image_label", f"data_dir={MNIST}", "dataset.shuffle_labels=true")
    result = run(*options, f"seed={seed}")
    assert result["status"] != "diverged"
    assert -0.02 <= result["estimate"] <= max(2 * result["standard_error"], 0.005)
