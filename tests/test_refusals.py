"""What Hydra refuses, in one line that names what there is."""

from pathlib import Path

import pytest
from hydra.errors import ConfigCompositionException, MissingConfigException

from mine_cli.api import composed
from mine_cli.errors import BadInput
from mine_cli.refusals import refusal, wanted


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


def test_what_hydra_tells_well_is_left_to_it() -> None:
    assert refusal(ConfigCompositionException("Could not delete from config.")) is None
    assert refusal(MissingConfigException("Primary config not found", "config")) is None
    assert refusal(ValueError("Error merging override a=b")) is None
