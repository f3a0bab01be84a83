"""The command `mine-run`: hydra.main, one line for each error, exit codes. Imports no torch.

Exit codes: 0; 1 a job failed, or Hydra refused; 2 bad input; 3 diverged; 130, 143 interrupted.
"""

import logging
import math
import os
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from mine_cli import __version__
from mine_cli.cli.arguments import for_hydra
from mine_cli.cli.check import experiment_of_run
from mine_cli.cli.console import any_terminal, lost, lost_output, while_somebody_reads
from mine_cli.cli.look import looked_at
from mine_cli.config import hydra_errors, processes
from mine_cli.config.compose import conf_dir
from mine_cli.errors import (
    BadInput,
    Interrupted,
    RunFailed,
    error_lines,
    exit_code,
    in_thread,
    interrupt,
    say,
    tell,
)
from mine_cli.results import commands, locks
from mine_cli.results.commands import resume_command
from mine_cli.results.ledger import UNFINISHED, Ledger
from mine_cli.results.sweep_table import table
from mine_cli.sweep.folder import is_held, release
from mine_cli.training import distributed

if TYPE_CHECKING:
    from mine_cli.tasks.protocol import Experiment

__all__ = ["main"]

log = logging.getLogger(__name__)

MANY_JOBS = 50

# How a single run ended, for main() to exit with: Hydra lets no value of a job through, and an
# exception only with a traceback.
ending = {"exit_code": 0}


@distributed.rank_0_reports()
def main() -> None:
    """The console entry: runs, and exits with the code that says how it went."""
    any_terminal()
    os.environ["MPLBACKEND"] = "agg"  # pictures are files, whatever was set for others
    ending["exit_code"] = 0
    lost.clear()
    signal.signal(signal.SIGTERM, interrupt)
    # On a full disk the log and TensorBoard fail as well: the run says so once, in its own line.
    logging.raiseExceptions = False
    threading.excepthook = in_thread
    try:
        code: str | int | None = start()
    except SystemExit as stop:  # Hydra's, after it has said why
        code = stop.code
    finally:
        of_jobs = end_of_sweep()
        locks.let_go()
    sys.exit(int(lost_output()) if code in (None, 0) and not of_jobs else code or of_jobs)


def start() -> int:
    """Hands over to Hydra; the exit code of what it ran."""
    typed = sys.argv[1:]
    try:
        if "--version" in typed:
            print(f"mine-run {__version__}")
            return 0
        check_here()
        if (found := looked_at(typed)) is not None:
            with while_somebody_reads():
                print(found)
            return 0
        sys.argv[1:] = for_hydra(typed)
        hydra_errors.in_one_line()
        with while_somebody_reads():
            hydra.main(version_base="1.3", config_path=conf_dir(), config_name="config")(job)()
    except (RunFailed, OSError) as stop:  # an OSError: what is printed cannot be written
        tell(stop)
        return exit_code(stop)
    except Interrupted as stop:
        return stop.exit_code
    except KeyboardInterrupt:
        say(f"interrupted{the_same_again(typed)}")
        return 130
    return ending["exit_code"]


def check_here() -> None:
    """Raises BadInput where the working directory was deleted."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise BadInput("the working directory is gone; cd to another one") from None


def the_same_again(typed: Sequence[str]) -> str:
    """How to go on with what was resumed, where it was interrupted too early to say so itself."""
    resumed = any(word.startswith("resume=") for word in typed)
    if not resumed or is_held():  # the table of a sweep that is held will say it
        return ""
    return f"; go on with: {shlex.join([*commands.command(), *typed])}"


def job(cfg: DictConfig) -> float:
    """One run in the folder that Hydra made for it; returns a sweeper's objective."""
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    if hydra.mode == RunMode.MULTIRUN:
        from mine_cli.sweep.job import job_of_sweep

        return job_of_sweep(cfg, folder, hydra)
    try:
        run(experiment_of_run(cfg, hydra), folder)
        return math.nan
    except KeyboardInterrupt as stop:
        if not cfg.dry_run:
            log.warning("mine-run: interrupted; go on with: %s", command(cfg, folder))
        raise stop if isinstance(stop, Interrupted) else Interrupted(signal.SIGINT) from None
    except (RunFailed, OSError) as stop:  # an OSError: a disk that is full, most often
        for line in error_lines(stop):
            log.error("mine-run: %s", line, exc_info=os.environ.get("HYDRA_FULL_ERROR") == "1")
        ending["exit_code"] = exit_code(stop)
        return math.nan
    except Exception as stop:  # Hydra shows it, but in no file
        log.error("mine-run: %s", error_lines(stop)[0])
        raise


def run(experiment: "Experiment", folder: Path) -> None:
    """Runs what was checked before Hydra made the folder."""
    from mine_cli.tasks import registry  # imports torch
    from mine_cli.tasks import run as runs

    if experiment.cfg.dry_run:
        print(registry.dry_run(experiment))
        return
    try:
        runs.run(experiment, folder)
    finally:  # also of a run that diverged
        # A job of a sweep, resumed by itself; another process that helps has no folder.
        if processes.rank() == 0 and (folder.parent / "multirun.yaml").exists():
            from mine_cli.sweep.job import update

            update(experiment.cfg, folder.parent)


def end_of_sweep() -> int:
    """Collects and shows the sweep that this process ran, however it ended.

    Returns:
        0; 1 where a job failed, or has no result for another reason.
    """
    held = release()
    if held is None:
        return 0
    from mine_cli import figures  # imports matplotlib

    ledger = Ledger(held.folder)
    if len(ledger.rows) >= MANY_JOBS:  # some seconds, in which else nothing would be said
        print(f"gathering what {len(ledger.rows)} jobs have found", flush=True)
    try:
        ledger.write()
        figures.compare_jobs(held.folder)
        figures.report_of_sweep(held.folder, held.units)
    except Exception as stop:  # the jobs' own files stand, and the table shows them
        tell(stop)
    try:
        with while_somebody_reads():
            print(f"\n{table(ledger, held.units)}")
    except OSError as stop:
        tell(stop)
        return RunFailed.exit_code
    return int(bool(ledger.of(*UNFINISHED)))


def command(cfg: DictConfig, folder: Path) -> str:
    """What to type to go on with a run, where it was started."""
    overrides = HydraConfig.get().overrides.task if cfg.resume is not None else ()
    return resume_command(folder, overrides)
