"""What is checked before Hydra makes a folder: configuration, data, networks, the folder."""

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from hydra.conf import HydraConf
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from mine_cli.config import processes
from mine_cli.config.compose import run_configuration, without_hydra
from mine_cli.config.hydra_errors import in_a_line
from mine_cli.config.imports import kept
from mine_cli.config.validation import process_faults, validate
from mine_cli.errors import BadInput, RunFailed, exit_code, refuse, tell
from mine_cli.results import locks
from mine_cli.results.folder import check_links
from mine_cli.results.locks import check_place
from mine_cli.training import distributed

if TYPE_CHECKING:
    from mine_cli.tasks.protocol import Experiment

__all__ = ["CheckBeforeRun", "check_folder", "experiment_of_run"]

checked: list["Experiment"] = []
"""What was checked is what runs: this process's experiment, until its job takes it from here."""


class CheckBeforeRun(Callback):
    """Checks a single run before Hydra makes its folder; a fault ends the program with exit 2."""

    def on_run_start(self, config: DictConfig, **kwargs: object) -> None:
        # Hydra logs an exception raised here and goes on; SystemExit alone ends the program.
        try:
            check_modes(config)
            cfg, folder = without_hydra(config), folder_of(config, "run")
            checked[:] = [check_before_run(cfg, config.hydra)]
            distributed.all_ready()
            if not cfg.dry_run and processes.rank() == 0:
                take_folder(folder, resumed=cfg.resume is not None)
        except Exception as stop:
            end_with(stop)

    def on_multirun_start(self, config: DictConfig, **kwargs: object) -> None:
        """Takes the folder of a sweep whose jobs are not known beforehand."""
        from mine_cli.sweep.folder import check_search, claim

        n = processes.count()
        try:
            check_modes(config)
            if n > 1:
                raise BadInput(f"a sweep: cannot be shared by {n} processes; leave out -m")
            if config.resume is not None:
                raise BadInput("resume looks at one run; leave it out of a sweep")
            if not config.hydra.sweeper._target_.endswith(".GridSweeper"):  # that takes its own
                if config.dry_run:
                    raise BadInput("dry_run: a search finds its jobs as it goes; leave it out")
                folder = folder_of(config, "sweep")
                check_search(folder, config.hydra.sweeper)
                claim(folder, [], config.units)
        except (RunFailed, OmegaConfBaseException) as stop:
            end_with(stop)


def end_with(stop: Exception) -> NoReturn:
    """Ends the program with what is wrong; an interpolation that leads nowhere is bad input."""
    if isinstance(stop, OmegaConfBaseException):
        stop = BadInput(in_a_line(stop))
    tell(stop)
    raise SystemExit(exit_code(stop)) from None


def check_modes(config: DictConfig) -> None:
    """Raises BadInput where a key is deleted that says what is to be done."""
    keys = ("resume", "trust", "dry_run", "units")
    refuse(f"{key}: missing; leave out ~{key}" for key in keys if key not in config)


def folder_of(config: DictConfig, mode: str) -> Path:
    """The folder of a run or a sweep.

    Raises:
        BadInput: for an interpolation in it that leads nowhere.
    """
    try:
        return Path(config.hydra[mode].dir)
    except OmegaConfBaseException as stop:
        raise BadInput(f"hydra.{mode}.dir: {str(stop).splitlines()[0]}") from stop


def check_before_run(cfg: DictConfig, hydra: HydraConf) -> "Experiment":
    """Builds the experiment of a run.

    Raises:
        BadInput: for a folder or a configuration that cannot be run.
    """
    folder = Path(hydra.run.dir)
    of_a_sweep = any(o.startswith("hydra.sweep.dir=") for o in hydra.overrides.hydra)
    if of_a_sweep and not cfg.dry_run:
        raise BadInput("sweep_dir: names the folder of a sweep; want -m, or hydra.run.dir=FOLDER")
    if cfg.dry_run and hydra.output_subdir is not None:
        raise BadInput("dry_run: writes nothing only if given on the command line: dry_run=true")
    if cfg.resume is not None and Path(cfg.resume) != folder:
        raise BadInput(f"resume: works only on the command line: mine-run resume={cfg.resume}")
    if cfg.trust and cfg.resume is None:
        raise BadInput("trust=true: vouches for the folder of resume; leave it out of a new run")
    if not cfg.dry_run and processes.rank() == 0:
        check_folder(folder) if cfg.resume is None else check_links("resume", folder)
    cfg = run_configuration(cfg, hydra)
    faults = validate(cfg) or list(process_faults(cfg))
    if faults:
        raise BadInput(*faults)
    with kept():  # torch, for which a mistyped number need not wait
        from mine_cli.tasks import registry
        from mine_cli.tasks.run import check_inputs

    experiment = registry.prepared(cfg)
    if cfg.resume is not None and processes.rank() == 0:
        check_inputs(experiment, folder)
    return experiment


def experiment_of_run(cfg: DictConfig, hydra: HydraConf) -> "Experiment":
    """Returns what was checked before the run, or checks it where a user took that out."""
    if checked:
        return checked.pop()
    from mine_cli.tasks import registry

    return registry.checked(run_configuration(cfg, hydra))


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

    check_place("hydra.run.dir", folder)
    if saved_sweep(folder) is not None:
        raise BadInput(f"hydra.run.dir={folder}: holds a sweep; name another folder")
    if any((folder / trace).exists() for trace in (".hydra", "result.json", "checkpoints")):
        raise BadInput(
            f"hydra.run.dir={folder}: already holds a run; name another folder, or go on with "
            f"that run: mine-run resume={folder}"
        )
    check_links("hydra.run.dir", folder)
