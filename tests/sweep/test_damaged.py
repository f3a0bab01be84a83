"""Damaged files of sweeps and runs that are resumed: each is named, in a line."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mine_cli import estimate, load
from mine_cli.config.trust import seal
from mine_cli.errors import BadInput
from mine_cli.results.checkpoint import latest
from mine_cli.results.ledger import Ledger
from mine_cli.sweep import grouping, records
from mine_cli.sweep.folder import content_of
from tests.cli.test_forged import QUICK
from tests.inside import answer

NO_JSON = ["", "{", "[1", "\udcff", '{"a": ']
OTHERS = ["[]", "3", "null", '"text"']


@pytest.mark.parametrize("content", [*NO_JSON, *OTHERS])
@pytest.mark.parametrize("name", ["job.json", "result.json"])
def test_a_damaged_record_is_named(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content.encode(errors="surrogateescape"))
    read = records.read_record if name == "job.json" else (lambda f: records.finished(f, True))
    with pytest.raises(BadInput, match=rf"{name}: damaged"):
        read(tmp_path)


@pytest.mark.parametrize("content", [*NO_JSON, *OTHERS, '{"groups": [1]}', '{"groups": [[1]]}'])
def test_damaged_groups_are_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "groups.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(BadInput, match=r"groups\.json: damaged"):
        grouping.saved(tmp_path)


def test_a_table_is_made_of_what_is_sound(tmp_path: Path) -> None:
    for name, content in (("0", "{"), ("1", "[]"), ("2", "{}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "job.json").write_text(content)
        (tmp_path / name / "result.json").write_text(content)
    assert [row.status for row in Ledger(tmp_path).rows] == ["pending"] * 3


@pytest.mark.parametrize(
    "damage",
    [
        {"arguments": 3}, {"arguments": [3]}, {"cwd": None}, {"jobs": {}}, {"jobs": [3]},
        {"jobs": [{"folder": 3, "overrides": []}]}, {"jobs": [{"folder": "0"}]}, None,
    ],
)  # fmt: skip
def test_a_damaged_sweep_is_named(
    damage: dict[str, Any] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep").mkdir()
    sound: dict[str, Any] = {"schema": 1, "arguments": ["-m"], "cwd": "/", "jobs": []}
    content = sound | {"seal": seal(*content_of(sound), make=True)} | (damage or {})
    text = "{" if damage is None else json.dumps(content)
    (tmp_path / "sweep" / "sweep.json").write_text(text)
    code, _, err = answer(["resume=sweep"])
    assert (code, err.count("\n")) == (2, 1), err
    assert "sweep/sweep.json: damaged" in err


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import numpy as np

    folder = tmp_path_factory.mktemp("sound") / "run"
    x = np.random.default_rng(0).normal(size=(500, 1))
    estimate(x, x**2, folder=folder, **QUICK)
    return folder


@pytest.mark.parametrize("name", [".hydra/config.yaml", "checkpoints/best.pt"])
@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "other", "binary"])
def test_a_damaged_run_is_not_loaded_and_its_file_named(
    name: str, damage: str, sound: Path, tmp_path: Path
) -> None:
    shutil.copytree(sound, tmp_path / "run")
    file = tmp_path / "run" / name
    content = file.read_bytes()
    file.write_bytes(
        {
            "cut": content[: len(content) // 3], "empty": b"", "other": b"- a\n- b\n",
            "flipped": content[:700] + bytes([content[700] ^ 64]) + content[701:],
            "binary": bytes(range(256)),
        }[damage]
    )  # fmt: skip
    if (name, damage) == (".hydra/config.yaml", "flipped"):
        file.write_bytes(content.replace(b"widths:", b"width:"))
    with pytest.raises(BadInput) as caught:
        load(tmp_path / "run")
    assert str(tmp_path / "run") in str(caught.value) or "network: " in str(caught.value)
    assert len(caught.value.faults) == 1


def test_a_checkpoint_of_no_training_is_named(sound: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    shutil.copy(sound / "checkpoints" / "best.pt", tmp_path / "checkpoints" / "last.pt")
    with pytest.raises(BadInput, match=r"last\.pt: damaged, it knows no step"):
        latest(tmp_path)


def test_a_single_run_keeps_the_checkpoint_before_the_last_until_its_end(
    sound: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from mine_cli.results.folder import RunFolder

    assert not (sound / "checkpoints" / "earlier.pt").exists()
    files = RunFolder(tmp_path, tensorboard=False)
    files.last.write_bytes(b"first")
    files.keep_earlier()
    files.last.unlink()
    files.last.write_bytes(b"second")
    assert files.earlier.read_bytes() == b"first"
    files.close()
