"""How far a sweep is: what is left to do, to its end, whatever was done before."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import OmegaConf

from mine_cli.sweep.groups import Work
from mine_cli.sweep.launch import Crew
from tests.sweep_folders import finish


@pytest.fixture
def crew(tmp_path: Path) -> Crew:
    """Two groups of two jobs of 100 steps each; job 0 has ended before."""
    cfg = OmegaConf.create(
        {
            "trainer": {"steps": 100, "progress": False},
            "retry_diverged": True,
            "hydra": {"overrides": {"task": ["seed=0"]}},
        }
    )
    works = [Work(number, cfg, tmp_path / str(number)) for number in range(4)]
    finish(works[0].folder)
    launcher: Any = SimpleNamespace(
        hydra_context=SimpleNamespace(callbacks=SimpleNamespace()), task_function=None
    )
    return Crew([works[:2], works[2:]], tmp_path, 1, launcher)


def test_what_ended_before_is_not_counted_and_the_end_is_a_hundred(
    crew: Crew, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    crew.reached(60, [0, 1])  # goes on from a checkpoint, and takes along a job that had ended
    crew.reached(100, [0])
    crew.reached(100, [1])
    crew.reached(90, [2, 3])
    crew.reached(100, [2])  # stopped early
    crew.reached(100, [2])
    crew.reached(100, [3])
    parts = (20, 93, 100)
    assert caplog.messages == [f"{part} % of 300 steps" for part in parts]
