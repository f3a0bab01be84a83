"""Pictures of a `task=ali` run and of a sweep over methods, from files alone."""

from pathlib import Path

import pytest
from matplotlib.image import imread

from mine_cli.figures.ali.comparison import compare_autoencoders
from mine_cli.figures.ali.faithfulness import faithfulness
from mine_cli.figures.ali.pictures import embeddings, generated, reconstructions
from mine_cli.figures.ali.run import ALIRun
from tests.ali_folders import encoded_run

EVERY = (generated, reconstructions, embeddings, faithfulness)


@pytest.mark.parametrize("draw", EVERY)
@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize("n", [3, 64])
def test_every_picture_of_a_run(draw: type, images: bool, n: int, tmp_path: Path) -> None:
    found = draw(encoded_run(tmp_path, images=images, n=n))
    assert isinstance(found, Path)
    assert found == tmp_path / "figures" / f"{draw.__name__}.png"
    assert imread(found).std() > 0.05


@pytest.mark.parametrize("draw", EVERY)
def test_nothing_is_drawn_of_an_empty_folder(draw: type, tmp_path: Path) -> None:
    assert draw(tmp_path) is None


def test_a_run_without_a_result_is_named_by_its_data(tmp_path: Path) -> None:
    encoded_run(tmp_path, "alice_l2", seed=3)
    (tmp_path / "result.json").unlink()
    run = ALIRun.read(tmp_path)
    assert run.name == "ALICE (l2), seed 3"
    assert run.titled().splitlines() == [
        "ALICE (l2), seed 3, step 300",
        "reconstructed as its own 50 %, error 1.00",
        "10 modes sampled, KL 0.100",
    ]


@pytest.mark.parametrize("images", [False, True])
def test_methods_stand_side_by_side(images: bool, tmp_path: Path) -> None:
    for number, method in enumerate(("alice_l2", "ali", "ali_mine", "ali_mine")):
        encoded_run(tmp_path / str(number), method, seed=number, images=images)
    found = compare_autoencoders(tmp_path)
    assert found == tmp_path / "compare.png"
    assert imread(found).std() > 0.05


def test_runs_that_have_not_ended_are_not_compared(tmp_path: Path) -> None:
    encoded_run(tmp_path / "0", "ali", status="running")
    assert compare_autoencoders(tmp_path) is None
