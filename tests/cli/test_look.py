"""`show` and `compare`: what runs and sweeps have left, looked at again."""

from pathlib import Path

import pytest

from mine_cli.cli.look import looked_at
from mine_cli.errors import BadInput
from mine_cli.results.files import read_json
from mine_cli.results.ledger import Ledger
from mine_cli.results.summary import summary
from mine_cli.results.sweep_table import table
from mine_cli.sweep.folder import saved_sweep
from tests.sweep_folders import estimated, finish, jobs_of, sweep_folder

GRID = {"bound": ["mine", "dv"], "seed": [0, 1]}


def run(folder: Path, bound: str, seed: int, estimate: float, lr: float = 1e-3) -> Path:
    """The files of a run by itself, as far as they are looked at."""
    (folder / ".hydra").mkdir(parents=True)
    own = "  ema_rate: 0.01\n" if bound == "Mine" else ""
    (folder / ".hydra" / "config.yaml").write_text(
        f"seed: {seed}\nunits: bits\nbound:\n  _target_: mine_cli.bounds.{bound}\n{own}"
        f"dataset:\n  seed: ${{seed}}\ntrainer:\n  lr: {lr}\n  device: cpu{seed}\n"
    )
    finish(folder, seed=seed, estimate=estimate, standard_error=0.01)
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_and_a_sweep_are_shown_as_they_ended(here: Path) -> None:
    alone = run(here / "a, b=1", "Mine", 3, 0.5)
    result = read_json(alone / "result.json")
    assert looked_at(["show=a, b=1"]) == summary(result, "nats", Path("a, b=1"))
    sweep = sweep_folder(here / "sweep", jobs_of(GRID))
    for number, job in enumerate(jobs_of(GRID)):
        finish(sweep / str(number), **estimated({"dataset.rho": 0.5, **job}))
    for units in ("nats", "bits"):
        assert looked_at([f"units={units}", "show=sweep"]) == table(Ledger(Path("sweep")), units)


def test_runs_side_by_side_tell_what_differs(here: Path) -> None:
    """What follows from another setting, or decides no number, is no difference."""
    run(here / "a", "Mine", 0, 0.5)
    run(here / "b=1,c", "DV", 1, 0.6, lr=1e-4)
    said = looked_at(["compare=[a,b=1,c]"])
    assert said is not None
    (place,) = (here / "outputs" / "compare").iterdir()
    ledger = Ledger(place)
    assert ledger.keys == ["bound", "trainer.lr"]
    assert [row.overrides for row in ledger.rows] == [
        {"seed": "0", "bound": "Mine", "trainer.lr": "0.001"},
        {"seed": "1", "bound": "DV", "trainer.lr": "0.0001"},
    ]
    assert [row.numbers["estimate"] for row in ledger.rows] == [0.5, 0.6]
    assert said.startswith("2 runs side by side: 2 ok\n")
    assert {"results.csv", "summary.csv", "sweep.png"} <= {path.name for path in place.iterdir()}
    assert "go on with it" not in said
    assert saved_sweep(place) is None


def test_runs_alike_are_told_apart_by_their_places(here: Path) -> None:
    for name in ("a", "b"):
        run(here / name, "Mine", 0, 0.5)
    assert "2 runs side by side" in str(looked_at(["compare=[a,b]"]))
    (place,) = (here / "outputs" / "compare").iterdir()
    assert [row.overrides for row in Ledger(place).rows] == [{"run": "a"}, {"run": "b"}]


def test_a_sweep_beside_a_run(here: Path) -> None:
    sweep = sweep_folder(here / "sweep", jobs_of({"seed": [0, 1]}))
    for seed in (0, 1):
        run(sweep / str(seed), "Mine", seed, 0.5)
    run(here / "a", "DV", 0, 0.6)
    assert "3 runs side by side" in str(looked_at(["compare=[sweep,a]"]))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["show=none"], "show=none: no such folder"),
        (["show=empty"], "show=empty: holds no run and no sweep"),
        (["show=begun"], "show=begun: holds a run without a result yet; .* mine-run resume=begun"),
        (["show=a", "seed=1"], "seed=1: show only looks; want units"),
        (["compare=[a]"], r"compare=\[a\]: one run: want two or more"),
        (["compare=[a,none]"], "compare=none: no such folder"),
        (["show=a", "units=hartley"], "units=hartley: must be one of nats, bits"),
    ],
)
def test_what_cannot_be_looked_at(words: list[str], told: str, here: Path) -> None:
    run(here / "a", "Mine", 0, 0.5)
    (here / "empty").mkdir()
    (here / "begun" / "checkpoints").mkdir(parents=True)
    with pytest.raises(BadInput, match=told):
        looked_at(words)
    assert not (here / "outputs").exists()


def test_other_commands_are_none_of_it() -> None:
    assert looked_at(["-m", "seed=0,1", "task=gan"]) is None
