"""A sweep's folder is taken by this very sweep or not at all."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mine_cli.errors import BadInput
from mine_cli.results.provenance import decides_numbers
from mine_cli.sweep.folder import claim, is_held, release, saved_sweep

JOBS = [
    {"folder": "0", "overrides": ["seed=0", "bound=mine"]},
    {"folder": "1", "overrides": ["seed=1", "bound=mine"]},
]


@pytest.fixture(autouse=True)
def command(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "argv", ["mine-run", "-m", "seed=0,1", "hydra.sweep.dir=sweep"])
    yield
    while release():
        pass


def test_a_new_folder_says_which_sweep_it_is_of(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "sweep"
    claim(folder, JOBS, "bits")
    saved = saved_sweep(folder)
    assert saved is not None
    assert saved["arguments"] == ["-m", "seed=0,1"]
    assert saved["jobs"] == JOBS
    assert saved["cwd"] == str(Path.cwd())
    assert is_held()
    held = release()
    assert not is_held()
    assert held is not None
    assert (held.folder, held.units) == (folder, "bits")
    assert release() is None


def test_the_same_sweep_comes_back(tmp_path: Path) -> None:
    claim(tmp_path, JOBS, "nats")
    release()
    before = (tmp_path / "sweep.json").read_bytes()
    shown = [
        job | {"overrides": [*job["overrides"], "units=bits", "hydra/launcher=joblib"]}
        for job in JOBS
    ]
    claim(tmp_path, shown, "bits")
    assert (tmp_path / "sweep.json").read_bytes() == before


@pytest.mark.parametrize(
    "others",
    [
        JOBS[:1],
        [*JOBS, {"folder": "2", "overrides": ["seed=2", "bound=mine"]}],
        [JOBS[0], {"folder": "1", "overrides": ["seed=2", "bound=mine"]}],
        [JOBS[0], {"folder": "b", "overrides": ["seed=1", "bound=mine"]}],
        [],
    ],
)
def test_another_sweep_is_told_apart(others: list[dict[str, Any]], tmp_path: Path) -> None:
    claim(tmp_path, JOBS, "nats")
    release()
    before = (tmp_path / "sweep.json").read_bytes()
    with pytest.raises(BadInput, match=r"holds another sweep, mine-run -m seed=0,1; name"):
        claim(tmp_path, others, "nats")
    assert (tmp_path / "sweep.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.json"]


def test_a_search_is_known_by_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claim(tmp_path, [], "nats")
    release()
    claim(tmp_path, [], "nats")
    release()
    monkeypatch.setattr(sys, "argv", ["mine-run", "-m", "seed=0,2"])
    with pytest.raises(BadInput, match="another sweep"):
        claim(tmp_path, [], "nats")


@pytest.mark.parametrize("content", ["{}", "[1]", "no JSON"])
def test_a_folder_of_another_program_is_not_touched(content: str, tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text(content)
    with pytest.raises(BadInput, match="holds other files and no sweep; name another folder"):
        claim(tmp_path, JOBS, "nats")
    assert (tmp_path / "sweep.json").read_text() == content


def test_a_folder_is_taken_once_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    claim(folder, JOBS, "nats")
    with pytest.raises(BadInput, match="a sweep is running in it"):
        claim(folder, JOBS, "nats")
    release()
    claim(folder, JOBS, "nats")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"^sweep_dir=.*/file: .*/file is a file"):
        claim(tmp_path / "file", JOBS, "nats")


@pytest.mark.parametrize(
    ("override", "decides"),
    [
        ("seed=1", True),
        ("bound=mine", True),
        ("+bound.x=1", True),
        ("trainer=smoke", True),
        ("trainer.lr=1", True),
        ("-m", True),
        ("units=bits", False),
        ("++dataset.path=a", False),
        ("trainer.device=cuda", False),
        ("hydra.launcher.n_jobs=2", False),
        ("hydra/launcher=joblib", False),
        ("retry_diverged=false", False),
    ],
)
def test_which_overrides_decide_numbers(override: str, decides: bool) -> None:
    assert decides_numbers(override) is decides
