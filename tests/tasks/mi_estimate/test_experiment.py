"""What the data decide of an estimate: folds, batch, length, critics, and the word at the end."""

import numpy as np
import pytest
import torch

from mine_cli.api import composed
from mine_cli.data.arrays import from_memory
from mine_cli.data.elliptical import Student
from mine_cli.data.gaussian import Gaussian
from mine_cli.tasks.mi_estimate.experiment import MIEstimateExperiment
from mine_cli.tasks.registry import dry_run

RNG = np.random.default_rng(0)


def experiment(x: np.ndarray, z: np.ndarray, *overrides: str) -> MIEstimateExperiment:
    cfg = composed(["dataset=arrays", "dataset.path=memory", *overrides])
    return MIEstimateExperiment(cfg, from_memory(x, z))


def normal(n: int, columns: int = 1) -> np.ndarray:
    return RNG.normal(size=(n, columns))


@pytest.mark.parametrize(
    ("n", "batch", "steps"),
    [(100, 32, 162), (199, 32, 320), (1000, 144, 360), (10_000, 256, 2025)],
)
def test_batch_and_length_follow_the_rows(n: int, batch: int, steps: int) -> None:
    found = experiment(normal(n), normal(n))
    found.check()
    trainer = found.cfg.trainer
    assert (found.cfg.folds, trainer.batch_size) == (5, batch)
    assert trainer.steps == pytest.approx(steps, rel=0.02)
    assert all(len(split.fit) > batch for split in found.splits)


def test_what_is_given_stays() -> None:
    words = ("folds=2", "trainer.steps=70", "trainer.batch_size=90")
    cfg = experiment(normal(400), normal(400), *words).cfg
    assert (cfg.folds, cfg.trainer.steps, cfg.trainer.batch_size) == (2, 70, 90)


def test_fresh_draws_have_one_network_and_one_fold() -> None:
    found = MIEstimateExperiment(composed([]), Gaussian())
    assert (found.cfg.folds, found.portfolio, found.kinds) == (1, False, ["standard"])
    assert found.cfg.trainer.steps == 3000


def test_the_caller_s_configuration_is_left_alone() -> None:
    cfg = composed(["dataset=arrays", "dataset.path=memory"])
    MIEstimateExperiment(cfg, from_memory(normal(200), normal(200)))
    assert cfg.folds is None
    assert cfg.trainer.steps is None


@pytest.mark.parametrize(
    ("overrides", "portfolio"),
    [
        ((), True), (("bound=dv",), True), (("bound=mine_f",), False), (("bound=smile",), False),
        (("portfolio=none",), False), (("bound=infonce", "marginals=all_pairs"), False),
    ],
)  # fmt: skip
def test_critics_are_weighed_where_the_bound_is_concave(
    overrides: tuple[str, ...], portfolio: bool
) -> None:
    assert experiment(normal(200), normal(200), *overrides).portfolio is portfolio


def test_images_have_one_network() -> None:
    found = experiment(RNG.normal(size=(200, 1, 8, 8)), normal(200))
    assert (found.portfolio, found.cfg.folds) == (False, 1)


def test_heavy_tails_are_seen_by_ranks_alone() -> None:
    cauchy = np.tan(np.pi * (RNG.random((2000, 1)) - 0.5))
    assert experiment(cauchy, normal(2000)).kinds == ["rank"]
    assert experiment(normal(2000), cauchy).kinds == ["rank"]
    assert experiment(normal(2000), normal(2000)).kinds == ["standard", "rank"]
    assert experiment(cauchy, normal(2000), "portfolio=none").kinds == ["rank"]
    assert experiment(normal(2000), normal(2000), "portfolio=none").kinds == ["standard"]


@pytest.mark.parametrize("portfolio", ["auto", "none"])
@pytest.mark.parametrize("kind", ["standard", "rank"])
def test_margins_that_are_asked_for_are_taken(portfolio: str, kind: str) -> None:
    words = (f"portfolio={portfolio}", f"margins={kind}")
    cauchy = np.tan(np.pi * (RNG.random((2000, 1)) - 0.5))
    assert experiment(cauchy, normal(2000), *words).kinds == [kind]
    fresh = MIEstimateExperiment(composed([f"margins={kind}"]), Gaussian())
    ((parts,),) = fresh.views_on(torch.device("cpu"))
    assert parts.kind == kind


@pytest.mark.parametrize(("degrees", "kind"), [(1, "rank"), (2, "rank"), (30, "standard")])
def test_heavy_tails_of_fresh_draws_are_seen_by_ranks(degrees: int, kind: str) -> None:
    found = MIEstimateExperiment(composed(["dataset=student"]), Student(dim=2, degrees=degrees))
    assert found.kinds == [kind]


@pytest.mark.parametrize(
    ("law", "steps", "rate"),
    [
        (Gaussian(dim=1), 3000, 7e-3), (Gaussian(dim=4), 3000, 7e-3),
        (Gaussian(dim=5), 6000, 1e-3), (Gaussian(dim=20), 6000, 1e-3),
    ],
)  # fmt: skip
def test_steps_and_rate_of_fresh_draws_go_by_their_columns(
    law: Gaussian, steps: int, rate: float
) -> None:
    trainer = MIEstimateExperiment(composed([]), law).cfg.trainer
    assert (trainer.steps, trainer.batch_size, trainer.lr) == (steps, 512, rate)
    given = composed(["trainer.steps=70", "trainer.batch_size=90", "trainer.lr=0.1"])
    trainer = MIEstimateExperiment(given, law).cfg.trainer
    assert (trainer.steps, trainer.batch_size, trainer.lr) == (70, 90, 0.1)


def test_references_see_fresh_draws_as_the_law_gives_them() -> None:
    """The report rows, not their margins."""
    found = MIEstimateExperiment(composed(["margins=rank", "task.report_rows=300"]), Gaussian())
    found.views = found.views_on(torch.device("cpu"))
    rows, ((parts,),) = found._reported(), found.views
    assert parts.margins is not None
    assert torch.equal(parts.margins[0](rows.x), parts.report[0])
    assert not torch.equal(rows.x, parts.report[0])


def test_networks_of_a_portfolio_see_what_their_margins_say() -> None:
    x = np.exp(normal(500) / 2)
    (views, *_) = experiment(x, x + normal(500), "folds=2").views_on(torch.device("cpu"))
    assert [view.kind for view in views] == ["standard", "rank"]
    standard, rank = (view.fit[0] for view in views)
    assert standard.max() > 3.5
    assert abs(float((rank**3).mean())) < 0.2


def test_a_dry_run_says_what_was_noticed_about_the_data() -> None:
    found = experiment(np.repeat(normal(100), 2, axis=0), np.repeat(normal(100), 2, axis=0))
    found.check()
    (told,) = [line for line in dry_run(found).splitlines() if line.startswith("! ")]
    assert "100 rows are copies of others" in told


@pytest.mark.parametrize(
    ("status", "reference", "said"),
    [
        ("ok", {"estimate": 1.3, "error": 0.01}, "below_reference"),
        ("ok", {"estimate": 1.02, "error": 0.01}, None),
        ("ok", {"estimate": 1.3}, None),  # not to be trusted, as KSG of many columns
        ("ok", {"estimate": None}, None),
        ("high_variance", {"estimate": 1.3, "error": 0.01}, None),
    ],
)
def test_ok_is_not_the_word_where_a_trusted_reference_says_more(
    status: str, reference: dict[str, float | None], said: str | None
) -> None:
    found = experiment(normal(200), normal(200))
    result = {"status": status, "estimate": 1.0, "standard_error": 0.02}
    quiet = {"estimate": 0.1, "error": 0.01}
    for known in ({"ksg": reference, "copula": quiet}, {"ksg": quiet, "copula": reference}):
        assert found._judged(result, known).get("status") == said
