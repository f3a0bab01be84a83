"""What Hydra refuses, in one line that names what there is."""

import tomllib
from pathlib import Path

import pytest
from hydra.errors import ConfigCompositionException, MissingConfigException

from mine_cli.api import composed
from mine_cli.config.hydra_errors import EXTRAS, refusal, wanted
from mine_cli.errors import BadInput

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_nearest_name_is_offered_where_one_is_near() -> None:
    assert wanted("lrr", ["steps", "lr"]) == "want one of steps, lr; did you mean lr?"
    assert wanted("epochs", ["steps", "lr"]) == "want one of steps, lr"


def test_options_in_folders_of_ones_own_are_named(tmp_path: Path) -> None:
    (tmp_path / "experiment" / "mine").mkdir(parents=True)
    (tmp_path / "experiment" / "mine" / "first.yaml").write_text("# @package _global_\nseed: 1\n")
    with pytest.raises(BadInput, match=r"mine/first, .*; did you mean mine/first\?$"):
        composed([f"hydra.searchpath=['file://{tmp_path}']", "experiment=mine/frist"])


def test_who_asks_for_a_missing_option_is_named() -> None:
    said = "In 'dataset/own': Could not find 'bound/min'\n\nAvailable options in 'bound':\n\tmine"
    stop = MissingConfigException(said, "bound/min", ["mine"])
    told = "dataset/own: bound=min: no such option; want one of mine; did you mean mine?"
    assert refusal(stop) == told


@pytest.mark.parametrize("option", EXTRAS)
def test_what_an_extra_would_bring_is_told_with_it(option: str) -> None:
    group, _, name = option.partition("=")
    said = f"Could not find '{group}/{name}'\n\nAvailable options in '{group}':\n\tbasic"
    stop = MissingConfigException(said, f"{group}/{name}", ["basic", "fused"])
    extra = EXTRAS[option]
    told = f"{option}: not installed; want one of basic, fused, or pip install 'mine-run[{extra}]'"
    assert refusal(stop) == told
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    plugin = f"hydra-{name.partition('_')[0]}-{group.removeprefix('hydra/')}"
    assert any(line.startswith(plugin) for line in project["optional-dependencies"][extra])


def test_the_folder_of_a_sweep_is_among_the_root_keys_alone() -> None:
    """On the command line it is one, though Hydra does not know it."""
    for typo in ("sweepdir=a", "+sweepdir=a"):
        with pytest.raises(
            BadInput, match=r"sweepdir: no such key; .*; did you mean sweep_dir\?$"
        ):
            composed([typo])
    for typo in ("dataset.sweepdir=a", "+dataset.sweepdir=a"):
        with pytest.raises(BadInput, match=r"dataset\.sweepdir: no such key; want") as caught:
            composed([typo])
        assert "sweep_dir" not in str(caught.value)


def test_what_hydra_tells_well_is_left_to_it() -> None:
    assert refusal(ConfigCompositionException("Could not delete from config.")) is None
    assert refusal(MissingConfigException("Primary config not found", "config")) is None
    assert refusal(ValueError("Error merging override a=b")) is None


@pytest.mark.parametrize(
    ("word", "line"),
    [
        (
            "my.npz",
            "my.npz: want KEY=VALUE, for data of your own dataset=arrays dataset.path=my.npz",
        ),
        ("seed", "seed: want KEY=VALUE"),
        (
            "dataset.x=[a, ",
            "dataset.x=[a, : no viable alternative at input '[a, '; what has spaces",
        ),
        ("seed=0,1", "seed=0,1: several values are a sweep, mine-run -m; a list is seed=[0,1]"),
    ],
)
def test_words_that_cannot_be_read_are_told_with_what_was_meant(word: str, line: str) -> None:
    with pytest.raises(BadInput) as stop:
        composed([word])
    assert str(stop.value).startswith(line)


def test_a_folder_that_cannot_be_made_is_one_line() -> None:
    stop = FileNotFoundError(2, "No such file or directory", "/proc/x")
    assert refusal(stop) == "/proc/x: No such file or directory"
