"""The command `mine-run`: hydra.main, one line for each error, exit codes. Imports no torch.

Exit codes: 0; 1 a job failed, or Hydra refused; 2 bad input; 3 diverged; 130, 143 interrupted.
"""

import logging
import math
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from hydra.types import RunMode
from omegaconf import DictConfig

from mine_cli import __version__, processes, ranks
from mine_cli.arguments import for_hydra
from mine_cli.config import check_folder, conf_dir, error_lines, run_configuration, tell
from mine_cli.errors import Interrupted, RunFailed
from mine_cli.resume import resume_command

__all__ = ["main"]

log = logging.getLogger(__name__)

# How a single run ended, for main() to exit with: Hydra lets no value of a job through, and an
# exception only with a traceback.
ending = {"exit_code": 0}


@ranks.one_voice()
def main() -> None:
    """The console entry: runs, and exits with the code that says how it went."""
    if "--version" in sys.argv[1:]:
        print(f"mine-run {__version__}")
        return
    ending["exit_code"] = 0
    signal.signal(signal.SIGTERM, interrupt)
    # On a full disk the log and TensorBoard fail as well: the run says so once, in its own line.
    logging.raiseExceptions = False
    threading.excepthook = in_thread
    try:
        sys.argv[1:] = for_hydra(sys.argv[1:])
        hydra.main(version_base="1.3", config_path=conf_dir(), config_name="config")(job)()
    except RunFailed as stop:
        tell(stop)
        sys.exit(stop.exit_code)
    except Interrupted as stop:
        sys.exit(stop.exit_code)
    except KeyboardInterrupt:
        print("mine-run: interrupted", file=sys.stderr)
        sys.exit(130)
    sys.exit(ending["exit_code"])


def job(cfg: DictConfig) -> float:
    """One run in the folder that Hydra made for it; returns a sweeper's objective."""
    in_sweep = HydraConfig.get().mode == RunMode.MULTIRUN
    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        return run(cfg, folder, in_sweep)
    except KeyboardInterrupt as stop:
        if not cfg.dry_run:
            log.warning("mine-run: interrupted; go on with: %s", command(cfg, folder))
        raise stop if isinstance(stop, Interrupted) else Interrupted(signal.SIGINT) from None
    except (RunFailed, OSError) as stop:  # an OSError: a disk that is full, most often
        for line in error_lines(stop):
            log.error("mine-run: %s", line, exc_info=os.environ.get("HYDRA_FULL_ERROR") == "1")
        if in_sweep:  # Hydra goes on with the other jobs, and names the first failure at the end
            raise CompactHydraException(f"{folder}: {error_lines(stop)[0]}") from stop
        ending["exit_code"] = getattr(stop, "exit_code", 1)
        return math.nan
    except Exception as stop:  # Hydra shows it, but in a sweep the first alone, and in no file
        log.error("mine-run: %s", error_lines(stop)[0])
        raise


def run(cfg: DictConfig, folder: Path, in_sweep: bool) -> float:
    """Build and run. A sweep checks its folders here: its jobs start without the callback."""
    cfg = run_configuration(cfg, HydraConfig.get())
    from mine_cli import jobs, runs  # imports torch

    if cfg.dry_run:
        print(jobs.dry_run(cfg))
        return math.nan
    if processes.rank():  # it helps, and has no folder
        runs.run(cfg, folder)
        return math.nan
    if in_sweep:
        check_folder(folder, ("result.json", "checkpoints"))
        cfg.trainer.progress = False  # a log line of one job in the bar of another
    try:
        objective = runs.run(cfg, folder)["objective"]
    finally:  # also of a run that diverged, or was resumed later by itself
        if in_sweep or (folder.parent / "multirun.yaml").exists():
            jobs.after_sweep_job(cfg, folder.parent)
    return math.nan if objective is None else float(objective)


def command(cfg: DictConfig, folder: Path) -> str:
    """What to type to go on with a run, where it was started."""
    overrides = HydraConfig.get().overrides.task if cfg.resume is not None else ()
    return resume_command(folder, overrides)


def interrupt(signal_number: int, frame: FrameType | None) -> None:
    """What SIGTERM does outside the training: the same as Ctrl-C."""
    raise Interrupted(signal_number)


def in_thread(stop: threading.ExceptHookArgs) -> None:
    """Tells of an error in a thread, but for a file that cannot be written."""
    if not issubclass(stop.exc_type, OSError):
        threading.__excepthook__(stop)
