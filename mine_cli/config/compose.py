"""The configuration: where conf/ lies, its schemas, and what is checked before a run."""

import copy
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from hydra.conf import HydraConf
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from mine_cli.config.keys import group_list, key_list
from mine_cli.config.resume import saved_configuration
from mine_cli.config.schemas import register
from mine_cli.config.trust import trusted_folders
from mine_cli.config.validation import validate

__all__ = ["conf_dir", "register", "run_configuration", "validate", "without_hydra"]


def conf_dir() -> str:
    """Returns the config root: inside the package in a wheel, one level up in a checkout."""
    here = Path(__file__).resolve().parent.parent
    return str(next(d for d in (here / "conf", here.parent / "conf") if d.is_dir()))


def run_configuration(cfg: DictConfig, hydra: HydraConf) -> DictConfig:
    """Returns a run's configuration: the composed one, or that in a resumed run's folder.

    Also makes a user's own classes importable: from the working directory, and from the folders
    that `-cd` or `hydra.searchpath` named, those of the first run included.

    Arguments:
        cfg: as Hydra composed it, without its own node.
        hydra: that node.

    Raises:
        BadInput: a resumed run's folder names code that is not the user's own.
    """
    here = [Path.cwd(), *own_config_folders(hydra)]
    if cfg.resume is None:
        import_from(here)
        return cfg
    folder = Path(cfg.resume)
    import_from(trusted_folders(folder, cfg.trust, here))
    return saved_configuration(folder, list(hydra.overrides.task))


def own_config_folders(hydra: HydraConf) -> Iterator[Path]:
    """Yields the folders of configuration that the user added."""
    for source in hydra.runtime.config_sources:
        if source.provider not in ("hydra", "main") and source.schema == "file":
            yield Path(source.path)


def import_from(folders: Iterable[Path]) -> None:
    """Appends folders to Python's search path, behind everything that is installed."""
    for folder in folders:
        if str(folder) not in sys.path:
            sys.path.append(str(folder))


def without_hydra(config: DictConfig) -> DictConfig:
    """Returns a copy of what Hydra composed, as a run is given it: without Hydra's own node."""
    cfg = copy.deepcopy(config)
    with read_write(cfg), open_dict(cfg):
        del cfg["hydra"]
    return cfg


register()
OmegaConf.register_new_resolver("mine_run.options", group_list, replace=True)
OmegaConf.register_new_resolver("mine_run.keys", key_list, replace=True)
