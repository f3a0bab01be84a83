"""The task: no network sees the rows it is reported on, and the best of it is what is reported."""

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mine_cli.bounds import Bound, Smile
from mine_cli.config.schemas import MIEstimateConf, TrainerConf
from mine_cli.data import Rows
from mine_cli.data.gaussian import Gaussian
from mine_cli.data.staircase import Staircase
from mine_cli.estimator.evaluation import Crossed, Evaluation
from mine_cli.estimator.term import MutualInformation
from mine_cli.networks.mlp import MLP, NoisyMLP
from mine_cli.tasks.mi_estimate import fold
from mine_cli.tasks.mi_estimate.parts import Parts, of_law, part_of, split_rows
from mine_cli.tasks.mi_estimate.training import MIEstimate
from mine_cli.training.trainer import Trainer
from mine_cli.training.training import Training

CPU = torch.device("cpu")
N = 300
CONF = MIEstimateConf(pairs=4000, pairs_during_training=2000, patience=None)
TRAINER = TrainerConf(
    steps=30, batch_size=32, lr=3e-3, evaluate_every=5, log_every=10, progress=False
)


def make_term(
    seed: int, bound: str | nn.Module = "dv", marginals: str = "derangement"
) -> MutualInformation:
    torch.manual_seed(seed % 2**32)
    return MutualInformation(MLP((2,), (2,), widths=[16]), bound, marginals, seed=seed)


def gaussian_rows(n: int = N) -> Rows:
    law = Gaussian(dim=2, rho=0.7)
    return Rows(*law.sample(n, torch.Generator().manual_seed(5)))


def finite(folds: int = 1) -> list[Parts]:
    rows = gaussian_rows()
    splits, _ = split_rows(rows, folds, "random", [0.6, 0.2, 0.2], 0)
    return [part_of(rows, split, CPU) for split in splits]


def task_on(parts: list[Parts], conf: MIEstimateConf = CONF, **term: Any) -> MIEstimate:
    views = [[part] for part in parts]
    return MIEstimate(conf, TRAINER, partial(make_term, **term), views, true_mi=0.67)


def trained(task: MIEstimate) -> MIEstimate:
    Trainer([Training(task, TRAINER)]).fit()
    return task


def state(task: MIEstimate) -> list[Tensor]:
    return [value.clone() for m in task.members for value in m.term.state_dict().values()]


def same(a: Sequence[Tensor], b: Sequence[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


# Who sees what


@pytest.mark.parametrize("marginals", ["derangement", "independent"])
@pytest.mark.parametrize("folds", [1, 3])
def test_no_report_row_reaches_the_training(folds: int, marginals: str) -> None:
    """A NaN in the report rows changes nothing before the report."""
    clean = trained(task_on(finite(folds), marginals=marginals))
    parts = finite(folds)
    for part in parts:
        part.report = tuple(torch.full_like(side, math.nan) for side in part.report)
    poisoned = trained(task_on(parts, marginals=marginals))
    assert same(state(clean), state(poisoned))
    assert clean.curve == poisoned.curve
    assert math.isfinite(clean.result()["estimate"])
    result = poisoned.result()
    assert result["status"] == "diverged"
    assert math.isnan(result["estimate"])


@pytest.mark.parametrize("folds", [1, 3])
def test_no_select_row_reaches_a_gradient(folds: int) -> None:
    clean = trained(task_on(finite(folds)))
    parts = finite(folds)
    for part in parts:
        part.select = tuple(side * 3 + 1 for side in part.select)
    other = trained(task_on(parts))
    weights = [
        [p.detach().clone() for m in task.members for p in m.term.network.parameters()]
        for task in (clean, other)
    ]
    assert same(*weights)
    assert clean.curve != other.curve


@pytest.mark.parametrize("marginals", ["derangement", "independent"])
def test_batches_of_a_fold_hold_its_own_fit_rows_alone(
    marginals: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also as marginal partners: every z in a batch is one of the fold's fit rows."""
    parts = finite(3)
    task = task_on(parts, marginals=marginals)
    seen: list[tuple[Tensor, ...]] = []
    (ensemble,) = task.stacked.ensembles
    train = ensemble.train
    monkeypatch.setattr(ensemble, "train", lambda *drawn: seen.append(drawn) or train(*drawn))
    trained(task)
    assert len(seen) == TRAINER.steps
    for k, part in enumerate(parts):
        for side in (0, 1):
            mine = torch.cat([drawn[side][k] for drawn in seen])
            allowed = {tuple(row) for row in part.fit[side].tolist()}
            assert {tuple(row) for row in mine.tolist()} == allowed


def test_the_report_is_touched_once_and_after_the_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = finite(2)
    task = task_on(parts)
    looked: list[int] = []
    embed = MLP.embed

    def recording(network: MLP, x: Tensor, z: Tensor, *noise: Any) -> tuple[Tensor, Tensor]:
        report = [part.report[0].data_ptr() for part in parts]
        looked.extend(k for k, first in enumerate(report) if x.data_ptr() == first)
        return embed(network, x, z, *noise)

    monkeypatch.setattr(MLP, "embed", recording)
    trained(task)
    assert looked == []
    task.result()
    assert looked == [0, 1]


def test_folds_are_trained_as_if_alone() -> None:
    """A fold's network is the one that its rows alone would have given."""
    together = trained(task_on(finite(3)))
    other = finite(3)
    other[0], other[2] = finite(3)[0], finite(3)[1]
    changed = trained(task_on(other))
    for old, new in zip(
        together.members[0].term.statistics_parameters(),
        changed.members[0].term.statistics_parameters(),
        strict=True,
    ):
        assert torch.allclose(old, new, atol=1e-5)


# Which state is reported


class Scripted(MIEstimate):
    """A task whose select values are given, one list for each fold."""

    script: list[list[float]]

    def evaluate(self, step: int) -> dict[str, float | None]:
        values = [values[step // TRAINER.evaluate_every] for values in self.script]
        wanted = iter(values)
        assess = fold.assess

        def scripted(bound: Bound, crossed: Crossed, **options: Any) -> Evaluation:
            found = assess(bound, crossed, **options)
            value = next(wanted)
            return Evaluation(**vars(found) | {"value": value, "joint_mean": value})

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fold, "assess", scripted)
            return super().evaluate(step)


def scripted(
    script: list[list[float]], patience: int | None = None, bound: str = "dv"
) -> tuple[MIEstimate, dict[int, list[Tensor]]]:
    """The task after its training, and its state at each evaluation."""
    conf = MIEstimateConf(pairs=4000, pairs_during_training=2000, patience=patience)
    parts = finite(len(script))
    views = [[part] for part in parts]
    task = Scripted(conf, TRAINER, partial(make_term, bound=bound), views)
    task.script = script
    states: dict[int, list[Tensor]] = {}
    evaluate = task.evaluate

    def recording(step: int) -> dict[str, float | None]:
        found = evaluate(step)
        states[step] = [
            p.detach().clone() for m in task.members for p in m.term.network.parameters()
        ]
        return found

    task.evaluate = recording
    return trained(task), states


def network(task: MIEstimate) -> list[Tensor]:
    return [p.detach().clone() for m in task.members for p in m.term.network.parameters()]


def test_the_best_on_the_select_rows_is_reported() -> None:
    task, states = scripted([[0.0, 0.3, 0.2, 0.7, 0.5, 0.6, 0.1]])
    assert task.members[0].best_step == 15
    assert same(network(task), states[30])
    result = task.result()
    assert same(network(task), states[15])
    assert result["metrics"]["best_steps"] == [15]
    report = task.members[0].parts.report
    again = task.members[0].term.evaluate(*report, pairs=CONF.pairs)
    assert result["estimate"] == again.value


def test_each_fold_keeps_its_own_best() -> None:
    task, states = scripted([[0.0, 0.9, 0, 0, 0, 0, 0], [0.0, 0.1, 0.2, 0.3, 0.4, 0.8, 0.5]])
    task.result()
    half = len(states[0]) // 2
    assert [m.best_step for m in task.members] == [5, 25]
    assert same(network(task)[:half], states[5][:half])
    assert same(network(task)[half:], states[25][half:])


@pytest.mark.parametrize(("patience", "last"), [(1, 10), (2, 25), (3, 30), (None, 30)])
def test_patience_counts_evaluations_without_a_better_value(
    patience: int | None, last: int
) -> None:
    task, states = scripted([[0.0, 0.5, 0.4, 0.6, 0.5, 0.6, 0.1]], patience)
    assert max(states) == last
    assert task.finished == (patience is not None)
    assert task.members[0].best_step == (5 if patience == 1 else 15)


def test_what_stopped_early_did_not_run_out_of_steps() -> None:
    task, _ = scripted([[0.0, 0.3, 0.2, 0.7, 0.5, 0.6, 0.1]])
    task.curve = [step / 10 for step in range(30)]
    assert task.result()["status"] == "not_converged"
    task.finished = True
    assert task.result()["status"] != "not_converged"


def test_a_fold_that_lost_patience_keeps_its_best_while_others_train_on() -> None:
    task, states = scripted(
        [[0.0, 0.5, 0.4, 0.3, 0.9, 1, 1], [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]], 2
    )
    assert max(states) == 30
    assert [m.best_step for m in task.members] == [5, 30]


def test_fresh_draws_never_stop_early() -> None:
    law = Gaussian(dim=2, rho=0.0)
    parts = [of_law(law, 100, 100, 0, CPU)]
    task = trained(task_on(parts, MIEstimateConf(pairs=4000, patience=1)))
    assert not task.finished
    assert len(task.curve) == 7


def test_each_stage_is_judged_on_rows_of_its_own_and_the_last_is_reported() -> None:
    """The best of an earlier stage is forgotten, though its value may have been higher."""
    law = Staircase([2, 0.5], dim=2)
    task = trained(task_on([of_law(law, 200, 300, 0, CPU)]))
    member, stages = task.members[0], task.stages
    assert [stage.true_mi for stage in stages] == [2, 0.5]
    assert member.parts is stages[1]
    assert member.best_step > TRAINER.steps / 2
    assert len(task.curve) == 3  # after 20, 25 and 30 steps
    select = member.term.evaluate(*stages[1].select, pairs=CONF.pairs_during_training)
    assert task.curve[-1] == select.value
    assert task.look(30)["mi/true"] == 0.5


def test_a_staircase_goes_on_from_its_state_in_any_stage() -> None:
    def make() -> MIEstimate:
        return task_on([of_law(Staircase([0.5, 1, 2], dim=2), 100, 200, 0, CPU)])

    def go(task: MIEstimate, steps: range) -> list[Any]:
        told = []
        for step in steps:
            task.train_step(step)
            told += [task.evaluate(step)] if step % 5 == 0 else []
        return told

    whole = make()
    for stop in (7, 10, 12, 20, 23):
        whole = make()
        go(whole, range(1, stop + 1))
        other = make()
        other.load_state_dict(copy.deepcopy(whole.state_dict()))
        assert go(whole, range(stop + 1, 31)) == go(other, range(stop + 1, 31))
        assert same(state(whole), state(other))
        assert whole.result() == other.result()


def test_a_value_that_is_no_lower_bound_does_not_choose() -> None:
    """Smile's rises with overconfidence: the Donsker-Varadhan value chooses in its place."""
    task = trained(task_on(finite(), bound=Smile(clip=0.05)))
    member = task.members[0]
    found = member.term.evaluate(*member.parts.select, pairs=CONF.pairs_during_training)
    before = member.best_quality
    member.best_quality = -math.inf
    assert member.select(99, found, None)
    assert member.best_quality == pytest.approx(found.joint_mean - found.log_partition)
    assert member.best_quality != pytest.approx(found.value, abs=1e-6)
    assert before >= member.best_quality


def test_an_evaluation_leaves_a_network_s_noise_on() -> None:
    """And a training that goes on draws the noise that the uninterrupted one draws."""

    def noisy(seed: int) -> MutualInformation:
        torch.manual_seed(seed % 2**32)
        return MutualInformation(NoisyMLP((2,), (2,), widths=[8]), "dv", seed=seed)

    task = MIEstimate(CONF, TRAINER, noisy, [[part] for part in finite(2)])
    task.evaluate(0)
    assert all(m.term.network.training for m in task.members)
    task.train_step(1)
    other = MIEstimate(CONF, TRAINER, noisy, [[part] for part in finite(2)])
    other.load_state_dict(copy.deepcopy(task.state_dict()))
    for each in (task, other):
        each.train_step(2)
    assert same(state(task), state(other))


# The numbers


def test_folds_are_pooled_over_every_row() -> None:
    task = trained(task_on(finite(3)))
    result = task.result()
    rows = [len(m.parts.report[0]) for m in task.members]
    values = result["metrics"]["fold_estimates"]
    assert result["metrics"]["report_rows"] == sum(rows) == N
    mean = sum(r * v for r, v in zip(rows, values, strict=True)) / N
    assert result["estimate"] == pytest.approx(mean)
    assert result["fold_sd"] == pytest.approx(torch.tensor(values).std().item(), rel=1e-5)
    assert result["error"] == pytest.approx(result["estimate"] - 0.67)
    assert result["fit_value"] is not None


def test_one_network_has_no_spread_between_folds_and_a_law_no_fit_value() -> None:
    assert trained(task_on(finite())).result()["fold_sd"] is None
    law = Gaussian(dim=2, rho=0.5)
    result = trained(task_on([of_law(law, 100, 200, 0, CPU)])).result()
    assert result["fit_value"] is None
    assert result["metrics"]["report_rows"] == 200


def test_the_constant_of_the_lower_bound_comes_from_the_select_rows() -> None:
    task = trained(task_on(finite()))
    result = task.result()
    member = task.members[0]
    select = member.term.evaluate(*member.parts.select, pairs=CONF.pairs_during_training)
    assert float(member.term.log_partition) == select.log_partition
    report = member.term.evaluate(*member.parts.report, pairs=CONF.pairs)
    a = select.log_partition
    expected = report.joint_mean - math.exp(report.log_partition - a) - a + 1
    assert result["lower_bound"] == pytest.approx(expected)
    assert result["lower_bound"] <= result["estimate"]


@pytest.mark.parametrize(("steps", "negatives"), [(30, 31), (3000, 299), (200, 198)])
def test_infonce_is_reported_with_what_a_tenth_of_the_training_pays_for(
    steps: int, negatives: int
) -> None:
    """At least the training's 31 negatives a row, at most the other 299 rows."""
    law = Gaussian(dim=2, rho=0.7)
    trainer = replace(TRAINER, steps=steps)
    term = partial(make_term, bound="infonce", marginals="all_pairs")
    task = MIEstimate(CONF, trainer, term, [[of_law(law, 60, N, 0, CPU)]])
    task.evaluate(0)
    assert task.result()["metrics"]["negatives"] == negatives


# Its state


@pytest.mark.parametrize("folds", [1, 3])
def test_a_task_goes_on_from_its_state(folds: int) -> None:
    """Weights, optimiser, order of the rows, curve, best state and patience so far."""
    whole = task_on(finite(folds), marginals="independent")
    saved: dict[str, Any] = {}
    for step in range(1, 21):
        whole.train_step(step)
        if step % 5 == 0:
            whole.evaluate(step)
        if step == 10:
            saved = copy.deepcopy(whole.state_dict())
    other = task_on(finite(folds), marginals="independent")
    other.load_state_dict(saved)
    for step in range(11, 21):
        other.train_step(step)
        if step % 5 == 0:
            other.evaluate(step)
    assert same(state(whole), state(other))
    assert whole.curve == other.curve
    assert len(other.curve) == 4
    for old, new in zip(whole.members, other.members, strict=True):
        assert (old.best_step, old.best_quality, old.waited) == (
            new.best_step, new.best_quality, new.waited,
        )  # fmt: skip
    assert whole.result() == other.result()
