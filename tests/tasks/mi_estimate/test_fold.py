"""A fold's critics and the one T that reports: what may reach a weight, and what is kept of it."""

import copy
import math
from functools import partial

import pytest
import torch
from torch import Tensor

from mine_cli.bounds import DV
from mine_cli.config.schemas import MIEstimateConf, TrainerConf
from mine_cli.data import Rows
from mine_cli.data.gaussian import Gaussian
from mine_cli.data.margins import MARGINS
from mine_cli.estimator.term import MutualInformation
from mine_cli.networks.contingency import Contingency
from mine_cli.networks.elliptical import Elliptical
from mine_cli.networks.mlp import MLP
from mine_cli.tasks.load import Committee, Scorer
from mine_cli.tasks.mi_estimate.fold import Fold, fitted_critics
from mine_cli.tasks.mi_estimate.parts import Parts, part_of, split_rows
from mine_cli.tasks.mi_estimate.training import MIEstimate
from mine_cli.training.trainer import Trainer
from mine_cli.training.training import Training

CPU = torch.device("cpu")
CONF = MIEstimateConf(pairs=8000, pairs_during_training=4000, patience=None)
TRAINER = TrainerConf(
    steps=20, batch_size=32, lr=3e-3, evaluate_every=5, log_every=10, progress=False
)
CROSSING = {"pairs": 4000}


def make_term(seed: int, width: int = 2) -> MutualInformation:
    torch.manual_seed(seed % 2**32)
    return MutualInformation(MLP((width,), (width,), widths=[16]), "dv", seed=seed)


def gaussian(n: int = 400) -> Rows:
    return Rows(*Gaussian(dim=2, rho=0.7).sample(n, torch.Generator().manual_seed(5)))


def views(rows: Rows, folds: int = 2) -> list[list[Parts]]:
    splits, _ = split_rows(rows, folds, "random", [0.6, 0.2, 0.2], 0)
    return [[part_of(rows, split, CPU, kind) for kind in MARGINS] for split in splits]


def task_on(of_folds: list[list[Parts]]) -> MIEstimate:
    return MIEstimate(CONF, TRAINER, make_term, of_folds, portfolio=True)


def trained(task: MIEstimate) -> MIEstimate:
    Trainer([Training(task, TRAINER)]).fit()
    return task


def weights(task: MIEstimate) -> list[list[float]]:
    return [fold.weights for fold in task.folds]


def test_the_critics_are_a_network_for_each_margins_and_the_closed_forms() -> None:
    names = [critic.name for critic in task_on(views(gaussian())).folds[0].critics]
    assert names == ["network_standard", "network_rank", "elliptical"]


def test_discrete_variables_have_a_table() -> None:
    x = torch.arange(300).remainder(3)[:, None].float()
    z = torch.where(torch.rand(300, 1, generator=torch.Generator().manual_seed(0)) < 0.7, x, 0.0)
    names = [c.name for c in fitted_critics(views(Rows(x, z))[0], DV(), CROSSING)]
    assert names == ["contingency", "elliptical"]


def test_no_report_row_reaches_a_weight() -> None:
    clean, poisoned = views(gaussian()), views(gaussian())
    for of_fold in poisoned:
        for part in of_fold:
            part.report = tuple(torch.full_like(side, math.nan) for side in part.report)
    found, other = trained(task_on(clean)), trained(task_on(poisoned))
    assert weights(found) == weights(other)
    assert found.curve == other.curve
    found.result()
    other.result()
    assert weights(found) == weights(other)


def test_no_select_row_reaches_a_closed_form() -> None:
    clean, moved = views(gaussian()), views(gaussian())
    for part in moved[0]:
        part.select = tuple(3 * side + 1 for side in part.select)
    for old, new in zip(
        fitted_critics(clean[0], DV(), CROSSING), fitted_critics(moved[0], DV(), CROSSING),
        strict=True,
    ):  # fmt: skip
        for a, b in zip(old.network.buffers(), new.network.buffers(), strict=True):
            assert torch.equal(a, b)
        assert not torch.equal(old.scores, new.scores)


def test_what_is_reported_is_the_weighted_sum_within_limits() -> None:
    task = trained(task_on(views(gaussian())))
    task.result()
    fold = task.folds[0]
    x, z = fold.part("report")
    expected = torch.zeros(len(x))
    for critic, weight in zip(fold.critics, fold.weights, strict=True):
        own = critic.network(*critic.parts.report).clamp(*critic.limits.tolist())
        expected += weight * own
    assert torch.allclose(fold.network()(x, z), expected, atol=1e-5)


def test_a_network_that_never_got_better_has_no_weight() -> None:
    """At its start it is as good as chance: whatever it says of select rows is that."""
    task = task_on(views(gaussian()))
    task.evaluate(0)
    for fold in task.folds:
        assert fold.weights[:2] == [0.0, 0.0]
        assert fold.weights[2] > 0.5


def test_where_nothing_was_learned_nothing_is_found() -> None:
    rows = Rows(*torch.randn(2, 60, 12, generator=torch.Generator().manual_seed(0)))
    make = partial(make_term, width=12)
    task = MIEstimate(CONF, TRAINER, make, views(rows), portfolio=True)
    assert [c.name for c in task.folds[0].critics] == ["network_standard", "network_rank"]
    task.evaluate(0)
    assert task.result()["estimate"] == pytest.approx(0, abs=0.2)


def test_it_goes_on_from_its_state() -> None:
    whole = task_on(views(gaussian()))
    saved = {}
    for step in range(1, 21):
        whole.train_step(step)
        if step % 5 == 0:
            whole.evaluate(step)
        if step == 10:
            saved = copy.deepcopy(whole.state_dict())
    other = task_on(views(gaussian()))
    other.load_state_dict(saved)
    for step in range(11, 21):
        other.train_step(step)
        if step % 5 == 0:
            other.evaluate(step)
    assert whole.curve == other.curve
    assert whole.result() == other.result()


def test_the_result_is_the_same_after_a_training_that_is_over() -> None:
    task = trained(task_on(views(gaussian())))
    other = task_on(views(gaussian()))
    other.load_state_dict(copy.deepcopy(task.state_dict()))
    assert other.result() == task.result()


def test_what_was_kept_scores_new_rows_as_the_fold_does() -> None:
    rows = gaussian()
    task = trained(task_on(views(rows)))
    task.result()
    kept = [fold.best() for fold in task.folds]
    committee = Committee([Scorer(state, partial(make_term, 0)) for state in kept], (2,), (2,))
    x, z = gaussian(50).x, gaussian(50).z

    def log_ratio(fold: Fold) -> Tensor:
        sides = (
            torch.cat([m.parts.margins[side](values) for m in fold.members], 1)
            for side, values in enumerate((x, z))
        )
        return fold.network()(*sides) - fold.log_partition

    expected = torch.stack([log_ratio(fold) for fold in task.folds]).mean(0)
    assert torch.allclose(committee(x, z), expected.float(), atol=1e-5)


def test_a_network_alone_is_reported_as_it_is() -> None:
    of_folds = [[views_[0]] for views_ in views(gaussian())]
    alone = trained(MIEstimate(CONF, TRAINER, make_term, of_folds))
    fold = alone.folds[0]
    assert fold.alone
    assert fold.network() is fold.members[0].network
    assert alone.result()["metrics"]["weights"] == []


@pytest.mark.parametrize("form", [Contingency, Elliptical])
def test_a_closed_form_crosses_as_it_scores_pairs(form: type) -> None:
    x = torch.randint(4, (200, 1), generator=torch.Generator().manual_seed(0)).float()
    network = form.fit(x, 3 - x)
    a, b = network.embed(x, 3 - x)
    matrix = network.head(a[:, None], b[None])
    assert torch.allclose(matrix[0, 5], network(x[:1], (3 - x)[5:6])[0])
    assert torch.allclose(matrix.diagonal(), network(x, 3 - x))
