"""What Hydra composes from `conf/`, for tests of what is done with it.

As in a sweep, what has the same options is composed once and copied: `tests/sweep/test_compose.py`
checks that nothing else comes of it.
"""

from functools import cache

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig

from mine_cli.config.compose import conf_dir, without_hydra
from mine_cli.sweep.compose import Composer

__all__ = ["composed"]


def composed(*overrides: str) -> DictConfig:
    """The configuration of these overrides, the caller's own to change."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        return without_hydra(composer().job(overrides, 0))


@cache
def composer() -> Composer:
    loader = GlobalHydra.instance().config_loader()
    return Composer(loader, loader.load_configuration("config", [], RunMode.RUN))
