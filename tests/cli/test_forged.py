"""Forged folders: nothing that a folder names is run, and nothing is written outside of it."""

import json
import pickle
import random
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

import mine_cli
from mine_cli import estimate, load
from mine_cli.config import trust
from mine_cli.config.validation import TARGETS
from mine_cli.errors import BadInput
from tests.inside import answer

QUICK: dict[str, Any] = {
    "trainer.steps": 2, "trainer.batch_size": 32, "trainer.progress": False, "references": "none",
    "trainer.tensorboard": False, "trainer.device": "cpu", "task.pairs": 1000,
}  # fmt: skip
PLANTED = """\
from pathlib import Path

Path("{marker}").touch()

from mine_cli.networks import MLP


class Net(MLP):
    pass
"""
OWN = "from mine_cli.networks import MLP\n\n\nclass Own(MLP):\n    pass\n"


class Touch:
    """What touches a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the program's own parts alone, with what Hydra would leave beside it."""
    folder = tmp_path_factory.mktemp("honest") / "run"
    x = np.random.default_rng(0).normal(size=(500, 1))
    estimate(x, x**2, folder=folder, **QUICK)
    config = OmegaConf.load(folder / ".hydra" / "config.yaml")
    np.savez(folder.parent / "rows.npz", x=x, z=x**2)
    config.dataset.path = str(folder.parent / "rows.npz")
    OmegaConf.save(config, folder / ".hydra" / "config.yaml")
    return folder


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def calls(there: Path, marker: Path) -> list[dict[str, Any]]:
    """Nodes that would touch the marker if they were built, or what they name imported."""
    pickled, source = str(there / "planted.pkl"), str(there / "planted.py")
    by_numpy = {"file": pickled, "allow_pickle": True}
    return [
        {"_target_": "os.system", "command": f"touch {marker}"},
        {"_target_": "subprocess.run", "args": ["touch", str(marker)]},
        {"_target_": "builtins.open", "file": str(marker), "mode": "w"},
        {"_target_": "pathlib.Path.touch", "_args_": [str(marker)]},
        {"_target_": "shutil.copy", "src": source, "dst": str(marker)},
        {"_target_": "torch.load", "f": pickled, "weights_only": False},
        {"_target_": "numpy.load", **by_numpy},
        {"_target_": "pandas.read_pickle", "filepath_or_buffer": pickled},
        {
            "_target_": "mine_cli.results.checkpoint.torch.load",
            "f": pickled,
            "weights_only": False,
        },
        {"_target_": "mine_cli.data.arrays.np.load", **by_numpy},
        {"_target_": "mine_cli.results.files.os.system", "command": f"touch {marker}"},
        {"_target_": "planted.Net"},
        {"_target_": "planted.nothing", "_partial_": True},
    ]


def written(node: object) -> str:
    """A node in the words of a resolver that makes nodes of text."""
    if isinstance(node, dict):
        return "{" + ",".join(f"{key}:{written(value)}" for key, value in node.items()) + "}"
    return json.dumps(node).replace('"', "'")


Place = Callable[[dict[str, Any], dict[str, Any]], None]
PLACES: dict[str, Place] = {
    "network": lambda c, n: c.update(network=n),
    "bound": lambda c, n: c.update(bound=n),
    "marginals": lambda c, n: c.update(marginals=n),
    "dataset": lambda c, n: c.update(dataset=n),
    "key": lambda c, n: c["network"].update(activation=n),
    "list": lambda c, n: c["network"].update(widths=[8, n]),
    "extra": lambda c, n: c["network"].update({"a.b": n}),
    "referred": lambda c, n: c.update(planted=n, network="${planted}"),
    "deeper": lambda c, n: (c.update(planted={"a": [n]}), c["bound"].update(x="${planted.a}")),
    "made": lambda c, n: c["network"].update(activation="${oc.create:" + written(n) + "}"),
    "decoded": lambda c, n: c["network"].update(
        {"a.b": '${oc.decode:"' + written(n) + '"}'}
    ),
    "whole": lambda c, n: c.update(network='${oc.decode:"' + written(n) + '"}'),
    "named": lambda c, n: c.update(
        planted=n["_target_"], network={**n, "_target_": "${planted}"}
    ),
}  # fmt: skip


def forge(honest: Path, desk: Path, seed: int) -> Path:
    """A copy of a run, with one of the calls in one of the places."""
    draw = random.Random(seed)
    run, there, marker = desk / "run", desk / "elsewhere", desk / "marker"
    shutil.copytree(honest, run)
    there.mkdir()
    (there / "planted.py").write_text(PLANTED.format(marker=marker))
    (there / "planted.pkl").write_bytes(pickle.dumps(Touch(marker)))
    config: Any = OmegaConf.to_container(OmegaConf.load(run / ".hydra" / "config.yaml"))
    everything = calls(there, marker)
    PLACES[list(PLACES)[seed % len(PLACES)]](config, draw.choice(everything))
    config["trust"] = True  # which is not for a folder to say
    OmegaConf.save(OmegaConf.create(config), run / ".hydra" / "config.yaml")
    hydra = {"hydra": {"runtime": {"cwd": str(there), "config_sources": []}}}
    OmegaConf.save(OmegaConf.create(hydra), run / ".hydra" / "hydra.yaml")
    if draw.random() < 0.5:
        seal = {"sources": {}, "seal": draw.choice(["0" * 64, None, 3, "forged"])}
        (run / ".hydra" / "seal.json").write_text(json.dumps(seal))
    return run


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refuses(honest: Path, desk: Path, seed: int) -> None:
    run = forge(honest, desk, seed)
    before = contents(desk)
    code, _, err = answer([f"resume={run}"])
    assert code == 2, err
    assert err.startswith(f"mine-run: resume={run}: "), err
    assert err.count("\n") == 1, err
    with pytest.raises(BadInput) as caught:
        load(run)
    assert str(caught.value).startswith(str(run))
    assert contents(desk) == before
    assert "planted" not in sys.modules


@pytest.mark.parametrize("seed", range(len(PLACES)))
def test_what_a_forged_folder_names_is_not_run(seed: int, honest: Path, desk: Path) -> None:
    refuses(honest, desk, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 150))
def test_what_fifty_forged_folders_name_is_not_run(seed: int, honest: Path, desk: Path) -> None:
    refuses(honest, desk, seed)


def test_the_calls_would_have_touched_the_marker(desk: Path) -> None:
    """A test of the test: built unasked, a planted call has an effect."""
    from hydra.utils import instantiate

    marker = desk / "marker"
    (desk / "planted.pkl").write_bytes(pickle.dumps(Touch(marker)))
    (desk / "planted.py").write_text("")
    took_effect = []
    for node in calls(desk, marker)[:-2]:
        marker.unlink(missing_ok=True)
        with suppress(Exception):  # newer versions of Hydra refuse some by themselves
            instantiate(node)
        took_effect.append(marker.exists())
    assert sum(took_effect) >= 5


def test_an_honest_folder_needs_no_word(honest: Path, desk: Path) -> None:
    """Parts of the program go on wherever the folder is from; nothing is imported for them."""
    shutil.copytree(honest, desk / "run")
    hydra = {"hydra": {"runtime": {"cwd": str(desk), "config_sources": []}}}
    OmegaConf.save(OmegaConf.create(hydra), desk / "run" / ".hydra" / "hydra.yaml")
    assert load(desk / "run").training is False
    assert str(desk) not in sys.path


@pytest.fixture
def own(desk: Path) -> Path:
    """A run of this user's with a network of his own, which lies in another folder."""
    there = desk / "there"
    there.mkdir()
    (there / "own_parts.py").write_text(OWN)
    sys.path.append(str(there))
    x = np.random.default_rng(0).normal(size=(500, 1))
    own = {"network._target_": "own_parts.Own", "portfolio": "none"}
    estimate(x, x**2, folder=desk / "run", **QUICK, **own)
    return desk / "run"


def test_ones_own_parts_are_loaded_without_a_word(own: Path) -> None:
    assert load(own).training is False
    assert "own_parts" in sys.modules
    kept = json.loads((own / ".hydra" / "seal.json").read_text())
    assert [*kept["sources"]] == ["own_parts.Own"]
    assert len(kept["seal"]) == len(kept["sources"]["own_parts.Own"]) == 64


@pytest.mark.parametrize("changed", ["source", "configuration", "folders", "seal", "user"])
def test_what_was_sealed_is_as_it_was_or_refused(
    changed: str, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, source = own / ".hydra" / "config.yaml", own.parent / "there" / "own_parts.py"
    if changed == "source":
        source.write_text(source.read_text() + "    other = True\n")
    elif changed == "configuration":
        config.write_text(config.read_text().replace("gelu", "relu"))
    elif changed == "folders":
        hydra = {"hydra": {"runtime": {"cwd": "/elsewhere", "config_sources": []}}}
        OmegaConf.save(OmegaConf.create(hydra), own / ".hydra" / "hydra.yaml")
    elif changed == "seal":
        (own / ".hydra" / "seal.json").unlink()
    else:
        monkeypatch.setenv("XDG_STATE_HOME", str(own.parent / "of another user"))
    said = "not as when the run was trained" if changed == "source" else r"load\(..., trust=True\)"
    with pytest.raises(BadInput, match=rf"^{own}: .*own_parts\.Own.*{said}"):
        load(own)
    assert load(own, trust=True).training is False


def test_without_a_home_nothing_is_sealed_and_nothing_fails(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    cfg = OmegaConf.create(OmegaConf.load(own / ".hydra" / "config.yaml"))
    assert trust.seal_of_run(own, cfg)["seal"] is None
    with pytest.raises(BadInput, match="no run of yours"):
        load(own)


def test_the_secret_is_the_users_alone(own: Path) -> None:
    assert trust.secret_file().stat().st_mode & 0o077 == 0
    assert len(trust.secret_file().read_bytes()) == 32


def test_the_file_of_a_classifier_is_not_for_a_folder_to_choose(honest: Path, desk: Path) -> None:
    shutil.copytree(honest, desk / "run")
    config = OmegaConf.load(desk / "run" / ".hydra" / "config.yaml")
    config.task = {"name": "classifier", "path": str(desk / "precious")}
    OmegaConf.save(config, desk / "run" / ".hydra" / "config.yaml")
    code, _, err = answer([f"resume={desk / 'run'}"])
    assert (code, err.count("\n")) == (2, 1)
    assert "names task.path" in err


@pytest.mark.parametrize("name", ["metrics.csv", "mine-run.log", "tb", "checkpoints/last.pt"])
def test_a_link_out_of_the_folder_is_not_followed(name: str, honest: Path, desk: Path) -> None:
    shutil.copytree(honest, desk / "run")
    precious = desk / "precious"
    precious.mkdir() if name == "tb" else precious.write_text("precious")
    planted = desk / "run" / name
    planted.unlink(missing_ok=True)
    planted.symlink_to(precious)
    before = contents(desk)
    code, _, err = answer([f"resume={desk / 'run'}", "trainer.steps=4"])
    assert (code, err.count("\n")) == (2, 1), err
    assert f"{planted} is a link out of the folder" in err
    assert contents(desk) == before


def test_a_new_run_follows_no_planted_link_either(desk: Path) -> None:
    (desk / "run").mkdir()
    (desk / "precious").write_text("precious")
    (desk / "run" / "mine-run.log").symlink_to(desk / "precious")
    code, _, err = answer(["hydra.run.dir=run", "trainer=smoke"])
    assert (code, err.count("\n")) == (2, 1), err
    assert "mine-run.log is a link out of the folder" in err
    assert contents(desk / "run").values() == {}.values() or (desk / "precious").read_text()
    assert (desk / "precious").read_text() == "precious"


SWEEP = {"schema": 1, "jobs": []}


@pytest.mark.parametrize(
    "arguments",
    [
        ["-m", "network._target_=planted.Net", "seed=0,1"],
        ["-m", "hydra.launcher._target_=planted.Launcher", "seed=0,1"],
        ["-m", "+hydra.callbacks.own._target_=planted.Callback", "seed=0,1"],
        ["-m", "hydra.searchpath=[file://planted]", "seed=0,1"],
        ["-cd", "planted", "-m", "experiment=planted"],
        ["-m", "seed=0,1"],
    ],
)
def test_the_command_of_a_forged_sweep_is_shown_not_run(arguments: list[str], desk: Path) -> None:
    (desk / "sweep").mkdir()
    (desk / "planted.py").write_text(PLANTED.format(marker=desk / "marker"))
    forged = SWEEP | {"arguments": arguments, "cwd": str(desk), "seal": "0" * 64}
    (desk / "sweep" / "sweep.json").write_text(json.dumps(forged))
    before = contents(desk)
    code, _, err = answer(["resume=sweep"])
    assert (code, err.count("\n")) == (2, 1), err
    assert err.startswith("mine-run: resume=sweep: would run mine-run ")
    assert err.endswith("trust=true runs it\n")
    assert contents(desk) == before


def test_trust_is_for_what_is_resumed(desk: Path) -> None:
    code, _, err = answer(["trust=true", "dry_run=true", "trainer=smoke"])
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("mine-run: trust=true: ")


def test_no_option_of_the_program_calls_what_its_values_name() -> None:
    """What is built unasked are classes of the package, none of which is of another one."""
    from hydra.utils import get_object

    for target in TARGETS:
        assert get_object(target).__module__.startswith("mine_cli."), target
    assert mine_cli.__name__ == "mine_cli"
