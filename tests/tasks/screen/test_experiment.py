"""The whole of a screen: the command and what it leaves, from Python, going on, bad input."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import mine_cli
from mine_cli.errors import BadInput
from mine_cli.tasks.run import run_experiment
from mine_cli.tasks.screen.experiment import ScreenExperiment
from mine_cli.tasks.screen.training import COLUMNS, Screen
from tests import program

pytestmark = pytest.mark.usefixtures("coarse")

QUICK: dict[str, Any] = {"trainer.steps": 4, "trainer.progress": False}


def frame(n: int = 300) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    y = rng.normal(size=n)
    linear = y + rng.normal(size=n)
    linear[:20] = np.nan
    return {
        "outcome": y,
        "linear": linear,
        "gene_1": rng.normal(size=n),
        "gene_2": rng.normal(size=n),
        "kind": np.where(y + rng.normal(size=n) > 0, "high", "low"),
        "cell": np.array([f"c{i:04d}" for i in range(n)]),
    }


def write(folder: Path, columns: dict[str, Any]) -> Path:
    path = folder / "cells.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow(["" if isinstance(v, float) and np.isnan(v) else v for v in row])
    return path


def test_the_command_ranks_the_columns_of_a_table(tmp_path: Path) -> None:
    write(tmp_path, frame())
    done = program.run(
        tmp_path, "task=screen", "dataset.path=cells.csv", "dataset.z=outcome", "trainer.steps=4",
        "hydra.run.dir=run",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with (tmp_path / "run" / "screen.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert {row["x"] for row in rows[:2]} == {"linear", "kind"}
    assert [row["rows"] for row in rows if row["x"] == "linear"] == ["280"]
    assert (rows[-1]["x"], rows[-1]["status"]) == ("cell", "skipped")
    assert "an identifier" in rows[-1]["note"]
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["metrics"]["pairs"] == result["steps"] == 4
    assert result["metrics"]["found"] == 2
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Which columns tell of outcome" in page
    assert "data:image/png" in page
    shown = done.stdout + done.stderr
    assert "left out: cell: 300 classes" in shown
    assert shown.index("linear") < shown.index("gene_1")


def test_the_command_ranks_what_columns_tell_beyond_another(tmp_path: Path) -> None:
    write(tmp_path, frame())
    done = program.run(
        tmp_path, "task=screen", "dataset.path=cells.csv", "dataset.z=outcome",
        "dataset.given=kind", "trainer.steps=4", "hydra.run.dir=run",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with (tmp_path / "run" / "screen.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["x"] for row in rows} == {"linear", "gene_1", "gene_2", "cell"}
    assert rows[0]["x"] == "linear"
    assert float(rows[0]["q_value"]) < 0.05
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["given"] == "kind"
    assert "p_value_note" not in result
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Which columns tell of outcome beyond what kind tells" in page
    assert "what x tells of z to who knows kind already" in " ".join(done.stdout.split())
    shown = program.run(tmp_path, "show=run")
    assert "what x tells of z to who knows kind already" in " ".join(shown.stdout.split())


def test_given_numbers_there_are_no_p_values_and_the_reason_is_said(tmp_path: Path) -> None:
    found = mine_cli.screen(
        frame(), z="outcome", given="gene_1", x=["linear", "kind", "gene_2"],
        folder=tmp_path / "run", **QUICK,
    )  # fmt: skip
    assert {*found["p_value"]} == {*found["q_value"]} == {None}
    why = "permuting z would part it from gene_1 as well"
    assert found.result["p_value_note"] == why
    assert found.result["metrics"]["found"] == sum(low > 0 for low in found["low"]) > 0
    assert why in str(found)
    assert "two standard errors above 0" in str(found)
    page = (tmp_path / "run" / "report.html").read_text()
    assert why in page
    assert '<th class="n">q</th>' not in page
    with (tmp_path / "run" / "screen.csv").open() as file:
        assert {row["q_value"] for row in csv.DictReader(file)} == {""}


def test_given_classes_every_pair_is_drawn_as_a_map(tmp_path: Path) -> None:
    found = mine_cli.screen(
        frame(), x=["outcome", "gene_*"], given="kind", folder=tmp_path / "run", **QUICK
    )
    assert len(found) == 3
    assert all(p is not None for p in found["p_value"])
    assert (tmp_path / "run" / "figures" / "screen.png").stat().st_size > 0


def test_without_an_outcome_every_pair_is_screened_and_drawn_as_a_map(tmp_path: Path) -> None:
    found = mine_cli.screen(
        frame(), x=["outcome", "gene_*", "kind"], folder=tmp_path / "run", **QUICK
    )
    assert len(found) == 6
    assert found.result["metrics"]["pairs"] == 6
    assert (tmp_path / "run" / "figures" / "screen.png").stat().st_size > 0
    assert "Which columns tell of which" in (tmp_path / "run" / "report.html").read_text()


def test_frames_and_arrays_give_the_same_table() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    arrays = frame()
    of_arrays = mine_cli.screen(arrays, z="outcome", **QUICK)
    for given in (pandas.DataFrame(arrays), polars.DataFrame(arrays)):
        assert mine_cli.screen(given, z="outcome", **QUICK).rows == of_arrays.rows


def test_a_screening_is_a_table() -> None:
    found = mine_cli.screen(frame(), z="outcome", x=["gene_*", "linear"], **QUICK)
    assert found["x"][0] == "linear"
    assert [*found.to_pandas().columns] == [*COLUMNS]
    assert len(found.to_pandas()) == len(found) == 3
    shown = found._repr_html_()
    assert "linear" in shown
    assert "share information" in shown
    assert f"{found.rows[0]['estimate']:.3f}" in str(found)
    assert "of 3 pairs" in str(found)


def test_classes_by_name_are_classes() -> None:
    rng = np.random.default_rng(1)
    code = rng.permutation(8)[(rank := rng.integers(0, 8, 500))].astype(float)
    found = mine_cli.screen({"a": code, "b": rank}, categorical=["a", "b"], **QUICK)
    assert found["estimate"][0] > 1.5
    assert found["estimate"][0] <= np.log(8) + 0.1


def test_a_run_that_goes_on_leaves_the_table_of_one_that_was_not_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**QUICK, "trainer.checkpoint_every": 2, "folds": 5}
    whole = mine_cli.screen(frame(), folder=tmp_path / "whole", **options)
    step = Screen.train_step

    def stops(self: Screen, number: int) -> Any:
        if number == 8:
            raise KeyboardInterrupt
        return step(self, number)

    monkeypatch.setattr(Screen, "train_step", stops)
    with pytest.raises(KeyboardInterrupt):
        mine_cli.screen(frame(), folder=tmp_path / "part", **options)
    done: list[int] = []
    monkeypatch.setattr(
        Screen, "train_step", lambda self, number: done.append(number) or step(self, number)
    )
    from mine_cli.api import composed
    from mine_cli.config.overrides import override
    from mine_cli.data.arrays import frame_of

    given = {**options, "resume": str(tmp_path / "part")}
    cfg = composed(["task=screen", "dataset.path=memory", *map(override, given.items())])
    experiment = ScreenExperiment(cfg, frame_of(frame()))
    run_experiment(experiment, tmp_path / "part")
    assert done == [7, 8, 9, 10]
    assert experiment.table() == whole.rows
    assert (tmp_path / "part" / "screen.csv").read_bytes() == (
        tmp_path / "whole" / "screen.csv"
    ).read_bytes()


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["dataset.z=nope"], "dataset.z=nope: not there: cells.csv has outcome, linear"),
        (["dataset.z=outcome", "dataset.x=[outcome,kind]"], "share outcome: want it in one of"),
        (["dataset.x=[zz*]"], "dataset.x=zz*: matches no column"),
        (["dataset.x=kind"], "one column, kind: want at least two"),
        (["dataset.z=cell"], "cell: 300 classes: want at most 50"),
        (["dataset.given=nope"], "dataset.given=nope: not there: cells.csv has outcome, linear"),
        (["dataset.z=outcome", "dataset.given=outcome"], "dataset.given and dataset.z share out"),
        (["dataset.x=[kind,gene_1]", "dataset.given=kind"], "dataset.given and dataset.x share"),
        (["dataset.given=cell"], "cell: 300 classes: want at most 50"),
        (["dataset.given=[kind,gene_1]"], "kind, gene_1: several columns: task=screen takes one"),
        (["dataset.given=gene_*"], "dataset.given=gene_1, gene_2: several columns"),
        (["dataset.x=kind", "dataset.given=gene_1"], "one column, kind: want at least two"),
        (["dataset.categorical=[q]"], "dataset.categorical=q: not there"),
        (["dataset.missing=refuse"], "linear: missing in 20 rows"),
        (["network=mlp"], "network: task=screen takes none"),
        (["bound=mine"], "bound: task=screen takes none"),
        (["split=blocks"], "split=blocks: only task=mi-estimate splits its data"),
        (["margins=rank"], "margins=rank: only task=mi-estimate"),
        (["trainer.device=cuda"], "trainer.device=cuda: task=screen trains on the CPU"),
        (["trainer.dtype=bfloat16"], "trainer.dtype=bfloat16: task=screen trains on the CPU"),
        (["dataset.lag=3"], "dataset.lag=3: only task=mi-estimate pairs rows anew"),
        (["dataset.test_path=cells.csv"], "dataset.test_path: only task=infobottleneck"),
        (["dataset=gaussian"], "dataset=gaussian: task=screen takes one of arrays"),
        (["task.widths=[]"], "task.widths=[]: must be a list that is not empty"),
        (["task.typo=1"], "typo"),
        (["folds=0"], "folds=0: must be at least 1"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_no_folder(
    tmp_path: Path, overrides: list[str], told: str
) -> None:
    write(tmp_path, frame())
    path = [] if "dataset=gaussian" in overrides else ["dataset.path=cells.csv"]
    done = program.run(tmp_path, "task=screen", *path, *overrides, "hydra.run.dir=run")
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"frame": scipy.sparse.random(200, 3, format="csr")}, "a sparse matrix: want it dense"),
        ({"frame": frame(), "z": "nope"}, "dataset.z=nope: not there: frame has"),
        ({"frame": frame(), "given": "nope"}, "dataset.given=nope: not there: frame has"),
        ({"frame": frame(), "z": "kind", "given": "kind"}, "dataset.given and dataset.z share"),
        ({"frame": frame(), "given": ["kind", "gene_1"]}, "several columns: task=screen takes"),
        ({"frame": frame() | {"flat": np.ones(300)}, "given": "flat"}, "flat: the same value in"),
        ({"frame": frame(), "dataset.given": "kind"}, "dataset.given: want given="),
        ({"frame": frame(50)}, "frame: 50 rows: want at least 100"),
        ({"frame": {}}, "frame: no columns"),
        ({"frame": {"a": np.zeros(200), "b": np.zeros(100)}}, "want as many in each"),
        ({"frame": {"a": np.ones(200), "b": np.ones(200)}}, "fewer than two columns can be used"),
        ({"frame": frame(), "bound": "mine"}, "bound: only task=mi-estimate chooses one"),
        ({"frame": frame(), "categorical": ["q"]}, "categorical=q: not there"),
        ({"frame": frame(), "typo": 1}, "typo"),
        ({"frame": frame(), "dataset.z": "outcome"}, "dataset.z: want z="),
        ({"frame": 3.0}, "frame: "),
    ],
)  # fmt: skip
def test_bad_input_from_python_is_refused_by_name(given: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=told.replace("(", r"\(")):
        mine_cli.screen(**given)


def test_columns_that_never_meet_are_refused() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 300))
    a[:150], b[150:] = np.nan, np.nan
    with pytest.raises(BadInput, match="no two columns have values in more than 0 rows"):
        mine_cli.screen({"a": a, "b": b}, **QUICK)
    c = np.random.default_rng(1).normal(size=300)
    with pytest.raises(BadInput, match="no two columns, beside b, have values in more than 0"):
        mine_cli.screen({"a": a, "b": b, "c": c}, given="b", **QUICK)
