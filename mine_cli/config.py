"""The configuration: where conf/ lies, its schemas, and what is checked before a run."""

import copy
import logging
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from mine_cli import locks, processes, ranks
from mine_cli.errors import BadInput, RunFailed
from mine_cli.keys import group_list, key_list
from mine_cli.resume import saved_configuration, saved_import_folders
from mine_cli.schemas import register
from mine_cli.validation import validate

__all__ = [
    "BelowWarning",
    "CheckBeforeRun",
    "check_folder",
    "check_place",
    "conf_dir",
    "error_lines",
    "register",
    "run_configuration",
    "tell",
    "validate",
    "without_hydra",
]


def conf_dir() -> str:
    """The config root: inside the package in a wheel, one level up in a checkout."""
    here = Path(__file__).resolve().parent
    return str(next(d for d in (here / "conf", here.parent / "conf") if d.is_dir()))


def run_configuration(cfg: DictConfig, hydra: Any) -> DictConfig:
    """A run's configuration: the composed one, or the one that a resumed run's folder holds.

    Also makes a user's own classes importable: from the working directory, and from the folders
    that `-cd` or `hydra.searchpath` named, those of the first run included.

    Arguments:
        cfg: as Hydra composed it, without its own node.
        hydra: that node.
    """
    import_from([Path.cwd(), *own_config_folders(hydra)])
    if cfg.resume is None:
        return cfg
    folder = Path(cfg.resume)
    import_from(saved_import_folders(folder))
    return saved_configuration(folder, list(hydra.overrides.task))


def own_config_folders(hydra: Any) -> Iterator[Path]:
    """The folders of configuration that the user added."""
    for source in hydra.runtime.config_sources:
        if source.provider not in ("hydra", "main") and source.schema == "file":
            yield Path(source.path)


def import_from(folders: Iterable[Path]) -> None:
    """Append folders to Python's search path, behind everything that is installed."""
    for folder in folders:
        if str(folder) not in sys.path:
            sys.path.append(str(folder))


class CheckBeforeRun(Callback):
    """Checks a single run before Hydra makes its folder; a fault ends the program with exit 2."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        # Hydra logs an exception raised here and goes on; SystemExit alone ends the program.
        try:
            cfg, folder = without_hydra(config), Path(config.hydra.run.dir)
            check_before_run(cfg, config.hydra)
            ranks.all_ready()
            if not cfg.dry_run and processes.rank() == 0:
                take_folder(folder, resumed=cfg.resume is not None)
        except Exception as stop:
            tell(stop)
            raise SystemExit(getattr(stop, "exit_code", 1)) from None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Takes the folder of a sweep whose jobs are not known beforehand."""
        from mine_cli.sweep.folder import check_search, claim

        n = processes.count()
        try:
            if n > 1:
                raise BadInput(f"a sweep: cannot be shared by {n} processes; leave out -m")
            if config.dry_run or config.resume is not None:
                raise BadInput("resume and dry_run look at one run; leave them out of a sweep")
            if not config.hydra.sweeper._target_.endswith(".GridSweeper"):  # that takes its own
                folder = Path(config.hydra.sweep.dir)
                check_search(folder, config.hydra.sweeper)
                claim(folder, [], config.units)
        except RunFailed as stop:
            tell(stop)
            raise SystemExit(stop.exit_code) from None


def without_hydra(config: DictConfig) -> DictConfig:
    """A copy of what Hydra composed, as a run is given it: without Hydra's own node."""
    cfg = copy.deepcopy(config)
    with read_write(cfg), open_dict(cfg):
        del cfg["hydra"]
    return cfg


def check_before_run(cfg: DictConfig, hydra: Any) -> None:
    """Raise BadInput for a folder or a configuration that cannot be run."""
    folder = Path(hydra.run.dir)
    of_a_sweep = any(o.startswith("hydra.sweep.dir=") for o in hydra.overrides.hydra)
    if of_a_sweep and not cfg.dry_run:
        raise BadInput("sweep_dir: names the folder of a sweep; want -m, or hydra.run.dir=FOLDER")
    if cfg.dry_run and hydra.output_subdir is not None:
        raise BadInput("dry_run: writes nothing only if given on the command line: dry_run=true")
    if cfg.resume is not None and Path(cfg.resume) != folder:
        raise BadInput(f"resume: works only on the command line: mine-run resume={cfg.resume}")
    if not cfg.dry_run and cfg.resume is None and processes.rank() == 0:
        check_folder(folder)
    cfg = run_configuration(cfg, hydra)
    faults = validate(cfg) or list(processes.faults(cfg))
    if faults:
        raise BadInput(*faults)
    from mine_cli.jobs import check  # imports torch, for which a mistyped number need not wait

    check(cfg)
    if cfg.resume is not None and processes.rank() == 0:
        from mine_cli.runs import check_inputs

        check_inputs(cfg, folder)


def take_folder(folder: Path, resumed: bool) -> None:
    """Keeps everybody else out of a run's folder until the run ends; made where it is not there.

    Raises:
        BadInput: another process has it, or was there first.
    """
    from mine_cli.sweep.folder import saved_sweep

    if resumed and saved_sweep(folder.parent) is not None:
        # Shared: jobs of one sweep may be resumed side by side, but not while the sweep runs.
        locks.hold(folder.parent, f"resume={folder}: its sweep is running", shared=True)
    folder.mkdir(parents=True, exist_ok=True)
    name = "resume" if resumed else "hydra.run.dir"
    locks.hold(folder, f"{name}={folder}: a run is at work in it")
    if not resumed:
        check_folder(folder)


def check_folder(folder: Path) -> None:
    """Raise BadInput where a new run's files cannot go into the folder, or it holds others."""
    from mine_cli.sweep.folder import saved_sweep

    if saved_sweep(folder) is not None:
        raise BadInput(f"hydra.run.dir={folder}: holds a sweep; name another folder")
    if any((folder / trace).exists() for trace in (".hydra", "result.json", "checkpoints")):
        raise BadInput(
            f"hydra.run.dir={folder}: already holds a run; name another folder, or go on with "
            f"that run: mine-run resume={folder}"
        )
    check_place("hydra.run.dir", folder)


def check_place(key: str, folder: Path) -> None:
    """Raise BadInput where a folder cannot be made, or written in; it was given by this key."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise BadInput(f"{key}={folder}: {there} is a file; name another folder")
    if not os.access(there, os.W_OK):
        raise BadInput(f"{key}={folder}: {there} is not writable; name another folder")


def tell(stop: Exception) -> None:
    """One line for each fault on stderr; the traceback too where HYDRA_FULL_ERROR=1."""
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        traceback.print_exception(stop)
    for line in error_lines(stop):
        print(f"mine-run: {line}", file=sys.stderr)


def error_lines(stop: Exception) -> list[str]:
    """An error in words: as it is for our own, with its type for another's."""
    if isinstance(stop, RunFailed):
        return str(stop).splitlines()
    if isinstance(stop, OSError) and stop.strerror:
        return [f"{stop.filename}: {stop.strerror}" if stop.filename else stop.strerror]
    return [f"{type(stop).__name__}: {' '.join(str(stop).split())}"]


class BelowWarning(logging.Filter):
    """Keeps warnings and errors off stdout, which another handler shows on stderr.

    Also what is only for the log files.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno < logging.WARNING and not getattr(record, "only_in_files", False)


register()
OmegaConf.register_new_resolver("mine_run.options", group_list, replace=True)
OmegaConf.register_new_resolver("mine_run.keys", key_list, replace=True)
