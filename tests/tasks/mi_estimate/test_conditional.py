"""Information given a third variable: the difference, its error, and what is said of it."""

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mine_cli
from mine_cli.api import composed
from mine_cli.data.arrays import from_memory
from mine_cli.errors import BadInput
from mine_cli.estimator.difference import GIVEN, JOINT
from mine_cli.results.summary import summary
from mine_cli.tasks.mi_estimate.conditional import ConditionalEstimate, judged
from mine_cli.tasks.mi_estimate.experiment import MIEstimateExperiment
from tests.program import run

CPU = torch.device("cpu")
QUICK: dict[str, Any] = {
    "trainer.steps": 20, "trainer.progress": False, "network.widths": [16],
    "trainer.evaluate_every": 10, "references": "none",
}  # fmt: skip

Array = np.ndarray[Any, Any]
Law = tuple[Array, Array, Array, float]  # x, z, w, and the information given w


def chain(n: int, seed: int) -> Law:
    """x -> w -> z."""
    rng = np.random.default_rng(seed)
    x, e, f = rng.normal(size=(3, n))
    w = 0.8 * x + 0.6 * e
    return x, 0.8 * w + 0.6 * f, w, 0.0


def collider(n: int, seed: int) -> Law:
    """x -> w <- z, with noise of variance 1/4: var(z | w) = 5/9 and var(z | x, w) = 1/5."""
    rng = np.random.default_rng(seed)
    x, z, e = rng.normal(size=(3, n))
    return x, z, x + z + 0.5 * e, 0.5 * math.log(5 / 9 * 5)


def xor(n: int, seed: int) -> Law:
    """Two fair coins and whether they differ."""
    x, w = np.random.default_rng(seed).integers(0, 2, (2, n))
    return x, x ^ w, w, math.log(2)


def words(law: Law) -> Law:
    """The same law with classes in the place of numbers."""
    x, z, w, truth = law
    return (*(np.where(side > 0, "yes", "no") for side in (x, z, w)), truth)


def experiment(law: Law, *overrides: str) -> MIEstimateExperiment:
    quick = (f"{key}={value}" for key, value in QUICK.items())
    given = ("dataset=arrays", "dataset.path=memory", "dataset.given=given")
    cfg = composed([*given, *(word.replace(" ", "") for word in quick), *overrides])
    x, z, w, _ = law
    return MIEstimateExperiment(cfg, from_memory(x, z, given=w))


def started(found: MIEstimateExperiment) -> ConditionalEstimate:
    task = found.start(CPU)
    assert isinstance(task, ConditionalEstimate)
    return task


# What is found


@pytest.mark.parametrize("law", [chain(800, 0), collider(800, 0), xor(600, 0), words(xor(600, 1))])
def test_within_three_errors_of_the_truth(law: Law) -> None:
    """The critics in closed form find these laws after a few steps."""
    x, z, w, truth = law
    found = mine_cli.estimate(x, z, given=w, **QUICK)
    assert found.mi is not None
    assert found.standard_error is not None
    assert abs(found.mi - truth) < 3 * found.standard_error
    assert found.status == "ok"
    assert found.result["p_value"] is None
    assert (found.result.get("note") is None) == (truth > 0)
    assert found.lower_bound is None


@pytest.mark.parametrize("law", [chain, collider, xor])
@pytest.mark.parametrize(
    "seed", [pytest.param(0, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.long)]
)
def test_the_usual_training_is_as_right(law: Any, seed: int) -> None:
    x, z, w, truth = law(1000, seed)
    found = mine_cli.estimate(x, z, given=w, seed=seed, **{"trainer.progress": False})
    assert found.mi is not None
    assert abs(found.mi - truth) < 3 * found.standard_error
    assert found.status == "ok"


def test_the_error_is_that_of_the_difference_and_not_of_the_parts() -> None:
    x, z, w, _ = chain(800, 3)
    found = mine_cli.estimate(x, z, given=w, **QUICK)
    of_terms = [term["standard_error"] for term in found.result["terms"].values()]
    assert found.standard_error is not None
    assert found.standard_error < 0.4 * math.hypot(*of_terms)
    values = [term["estimate"] for term in found.result["terms"].values()]
    assert found.mi == pytest.approx(values[0] - values[1])
    assert [*found.result["terms"]] == [JOINT, GIVEN] == ["I(x, w; z)", "I(w; z)"]


def test_columns_of_a_frame_and_blocks() -> None:
    """Transfer entropy: what x tells of z's next row to who knows this one."""
    rng = np.random.default_rng(0)
    x, e = rng.normal(size=(2, 1200))
    z = np.zeros(1200)
    for i in range(1199):
        z[i + 1] = 0.6 * z[i] + 0.5 * x[i] + 0.6 * e[i]
    options = QUICK | {"dataset.lag": 1, "split": "blocks"}
    found = mine_cli.estimate(x, z, given=np.c_[z, rng.normal(size=1200)], **options)
    assert found.mi is not None
    truth = 0.5 * math.log(1 + 0.25 / 0.36)
    assert abs(found.mi - truth) < 3 * found.standard_error


# The same rows


def test_both_terms_have_the_same_folds_and_margins() -> None:
    task = started(experiment(chain(300, 0), "folds=3"))
    joint, given = (task.terms[name].folds for name in (JOINT, GIVEN))
    for wide, narrow in zip(joint, given, strict=True):
        for one, other in zip(wide.members, narrow.members, strict=True):
            assert one.parts.kind == other.parts.kind
            for part in ("fit", "select", "report"):
                (x, z), (w, same_z) = getattr(one.parts, part), getattr(other.parts, part)
                assert torch.equal(x[:, 1:], w)
                assert torch.equal(z, same_z)


def test_heavy_tails_of_one_decide_the_margins_of_both() -> None:
    x, z, w, _ = chain(2000, 0)
    assert experiment((np.tan(1.57 * np.tanh(x)) ** 3, z, w, 0.0)).kinds == ["rank"]
    assert experiment((x, z, w, 0.0)).kinds == ["standard", "rank"]


# What is said of it


def test_what_training_left_is_seen_between_folds() -> None:
    x, z, w, _ = chain(300, 5)
    found = mine_cli.estimate(x, z, given=w, **QUICK)
    assert found.standard_error is not None
    assert found.standard_error >= found.result["fold_sd"] / math.sqrt(5) > 0


@pytest.mark.parametrize(
    ("estimate", "error", "note", "status"),
    [
        (0.5, 0.1, None, None),
        (0.1, 0.06, "nothing found beyond chance", None),
        (-0.1, 0.06, "nothing found beyond chance", None),
        (-0.3, 0.1, "never less than", "below_reference"),
    ],
)
def test_what_is_said_of_a_difference(
    estimate: float, error: float, note: str | None, status: str | None
) -> None:
    found = judged(estimate, error)
    assert found.get("status") == status
    assert note in found["note"] if note else "note" not in found


# The run


def test_it_goes_on_from_its_state_bit_for_bit() -> None:
    def steps(task: ConditionalEstimate, first: int, last: int) -> None:
        for step in range(first, last + 1):
            task.train_step(step)
            if step % 10 == 0:
                task.evaluate(step)

    whole, cut = (started(experiment(collider(300, 0), "folds=2")) for _ in range(2))
    steps(whole, 1, 20)
    steps(cut, 1, 10)
    file = io.BytesIO()
    torch.save(cut.state_dict(), file)
    again = started(experiment(collider(300, 0), "folds=2"))
    again.load_state_dict(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    steps(again, 11, 20)
    assert again.curve == whole.curve
    assert again.result() == whole.result()


def table(path: Path, n: int = 300) -> Path:
    x, z, w, _ = collider(n, 0)
    rows = "\n".join(
        f"{a},{b},{c},{'f' if a > 0 else 'm'}" for a, b, c in zip(x, z, w, strict=True)
    )
    path.write_text(f"a,b,c,s\n{rows}\n")
    return path


@pytest.mark.slow
def test_from_the_command(tmp_path: Path) -> None:
    table(tmp_path / "t.csv")
    options = [f"{key}={value}".replace(" ", "") for key, value in QUICK.items()]
    chosen = ("dataset=arrays", "dataset.path=t.csv", "dataset.x=a", "dataset.z=b")
    more = ("dataset.given=[c,s]", "references=auto", "hydra.run.dir=run")
    done = run(tmp_path, *chosen, *options, *more)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert {*result["terms"]} == {JOINT, GIVEN}
    for name, term in result["terms"].items():
        assert f"    {name:<14}{term['estimate']:7.4f} ±" in done.stdout
    assert result["references"]["ksg"]["note"] == "k=3, given w"
    page = (tmp_path / "run" / "report.html").read_text()
    assert "How much a tells of b beside c, s" in page
    assert "x and z given w" in page
    with pytest.raises(BadInput, match="difference of two terms"):
        mine_cli.load(tmp_path / "run")


@pytest.mark.slow
def test_jobs_of_one_shape_train_as_one_and_find_the_same(tmp_path: Path) -> None:
    table(tmp_path / "t.csv")
    options = [f"{key}={value}".replace(" ", "") for key, value in QUICK.items()]
    chosen = ("dataset=arrays", "dataset.path=t.csv", "dataset.x=a", "dataset.z=b")
    jobs = ("-m", "dataset.given=c", "seed=0,1", "folds=2", "hydra.sweep.dir=sweep")
    done = run(tmp_path, *chosen, *options, *jobs)
    assert done.returncode == 0, done.stderr
    assert "2 jobs in 1 group" in done.stdout
    alone = ("dataset.given=c", "seed=1", "folds=2", "hydra.run.dir=alone")
    assert run(tmp_path, *chosen, *options, *alone).returncode == 0
    (fused,) = (tmp_path / "sweep").glob("*seed=1*/result.json")
    found, single = (
        json.loads(path.read_text())["estimate"]
        for path in (fused, tmp_path / "alone" / "result.json")
    )
    assert found == pytest.approx(single, abs=1e-4)


def test_a_negative_difference_is_told(tmp_path: Path) -> None:
    result = {
        "task": "mi-estimate", "status": "ok", "estimate": -0.01, "standard_error": 0.02,
        "p_value": None, "p_value_note": "permuting z would part it from w as well",
        "terms": {JOINT: {"estimate": 0.3, "standard_error": 0.03, "status": "ok"},
                  GIVEN: {"estimate": 0.31, "standard_error": 0.03, "status": "high_variance"}},
        **judged(-0.01, 0.02),
    }  # fmt: skip
    told = summary(result)
    assert "! nothing found beyond chance" in told
    assert "I(w; z)        0.3100 ± 0.0300" in told
    assert "(high_variance)" in told
    assert "p-value          none" in told


def test_what_the_data_cannot_say_is_refused() -> None:
    x, z, w, _ = chain(200, 0)
    for wrong, fault in (
        (w[:150], "want as many in each"),
        (np.zeros(200), "the same value in every row"),
        (np.zeros((200, 2, 2)) + w[:, None, None], "want columns beside given"),
    ):
        with pytest.raises(BadInput, match=fault):
            mine_cli.estimate(x, z, given=wrong, **QUICK)
    with pytest.raises(BadInput, match="want given=w"):
        mine_cli.estimate(x, z, **{"dataset.given": "w"})
