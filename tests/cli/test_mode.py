"""A command is composed once, and is a run or a sweep as Hydra would have found."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.main import main as hydra_main
from hydra.types import RunMode

from mine_cli.cli import mode
from mine_cli.config.compose import conf_dir
from tests.inside import answer

HYDRAS = Hydra.get_mode  # before any test has run
COMMANDS = [
    [],
    ["seed=3", "bound=infonce", "+bound.extra=1", "~marginals"],
    ["hydra.run.dir=a", "hydra.output_subdir=null", "hydra/job_logging=none"],
    ["hydra.mode=RUN"],
    ["hydra.mode=MULTIRUN", "hydra.sweep.dir=b"],
    ["hydra.mode=MULTIRUN", "seed=1", "hydra.mode=RUN"],
    ["experiment=gan/25gaussians"],
    ["experiment=gan/25gaussians", "hydra.mode=RUN"],
    ["+hydra.launcher.nope=1"],
    ["bound=nope"],
]


def found(overrides: list[str], look_up: Callable[..., Any], *own: str) -> object:
    """What a way to look up the mode finds for a command line."""
    modes: list[object] = []

    def looked_up(hydra: Hydra, config_name: str, overrides: list[str]) -> RunMode:
        modes.append(look_up(hydra, config_name, overrides))
        raise SystemExit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Hydra, "get_mode", looked_up)
        patch.setattr("sys.argv", ["mine-run", *own, *overrides])
        start = hydra_main(version_base="1.3", config_path=conf_dir(), config_name="config")
        with pytest.raises(SystemExit):
            start(lambda cfg: None)()
    GlobalHydra.instance().clear()
    return modes[0]


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Hydra's own way to look up the mode, and ours."""
    monkeypatch.setattr(Hydra, "get_mode", HYDRAS)
    mode.composed_once()
    assert Hydra.get_mode is not HYDRAS
    return HYDRAS, Hydra.get_mode


@pytest.mark.parametrize("overrides", COMMANDS, ids=" ".join)
def test_the_mode_is_what_hydra_finds(
    overrides: list[str], ways: tuple[Callable[..., Any], Callable[..., Any]]
) -> None:
    hydras, ours = ways
    assert found(overrides, ours) == found(overrides, hydras)


def test_a_folder_of_ones_own_may_say_it(
    tmp_path: Path, ways: tuple[Callable[..., Any], Callable[..., Any]]
) -> None:
    (tmp_path / "network").mkdir()
    own = "# @package _global_\nhydra:\n  mode: MULTIRUN\n"
    (tmp_path / "network" / "own.yaml").write_text(own)
    for words in (["-cd", str(tmp_path)], [f"hydra.searchpath=[file://{tmp_path}]"]):
        assert found(["network=own"], ways[1], *words) == RunMode.MULTIRUN


def test_of_what_is_shipped_experiments_alone_say_it() -> None:
    conf = Path(conf_dir())
    saying = {
        file.relative_to(conf).parts[0]
        for file in conf.rglob("*.yaml")
        if "mode: MULTIRUN" in file.read_text() or "mode: RUN" in file.read_text()
    }
    assert saying == {"experiment"}


@pytest.mark.parametrize(
    ("word", "elsewhere"),
    [
        ("seed=1", False),
        ("network=conv", False),
        ("hydra.sweep.dir=c", False),
        ("hydra/job_logging=none", False),
        ("hydra/job_logging=own", True),
        ("+hydra/launcher=joblib", True),
        ("++hydra.mode=MULTIRUN", True),
        ("~hydra.mode", True),
        ("hydra={mode: MULTIRUN}", True),
        ("+network@hydra=own", True),
        ("+experiment=staircase", True),
    ],
)
def test_words_that_may_bring_it(word: str, elsewhere: bool) -> None:
    assert mode.leads_elsewhere(word) == elsewhere


@pytest.mark.parametrize("flags", [[], ["-m"]])
def test_a_command_is_composed_once(
    flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    compose, composed = Hydra.compose_config, []

    def counted(*arguments: Any, **options: Any) -> Any:
        composed.append(options["run_mode"])
        return compose(*arguments, **options)

    monkeypatch.setattr(Hydra, "compose_config", counted)
    code, _, _ = answer([*flags, "trainer.lr=0"])
    assert (code, len(composed)) == (2, 1)
