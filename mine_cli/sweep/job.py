"""Runs one job of a sweep by itself, in whichever process a launcher has chosen."""

import logging
import math
import os
import signal
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.conf import HydraConf
from omegaconf import DictConfig

from mine_cli.config.compose import run_configuration
from mine_cli.config.validation import validate
from mine_cli.errors import BadInput, Diverged, Interrupted, RunFailed, error_lines
from mine_cli.results.commands import as_typed
from mine_cli.results.files import Result
from mine_cli.results.ledger import Ledger
from mine_cli.results.numbers import known
from mine_cli.sweep.records import (
    check_same,
    finished,
    read_mapping,
    recorded,
    resumable,
    start_over,
    write_record,
)
from mine_cli.tasks.objective import worst

if TYPE_CHECKING:
    from mine_cli.tasks.protocol import Experiment

__all__ = ["job_of_sweep", "update"]

log = logging.getLogger(__name__)


def job_of_sweep(
    cfg: DictConfig, folder: Path, hydra: HydraConf, experiment: "Experiment | None" = None
) -> float:
    """Runs a job unless it is finished; returns its objective, as a sweeper wants it.

    A failure is recorded in the job's folder and raised no further: the other jobs go on, and a
    search is given an infinity. The sweep's table at the end tells of it.

    Arguments:
        cfg: The job's configuration, checked or not.
        folder: The job's.
        hydra: Hydra's own node of the configuration.
        experiment: The job's, where this process has built it already.

    Raises:
        Interrupted: after the job was saved; this ends the sweep.
    """
    record: Result = {}
    started = time.perf_counter()
    try:
        if experiment is None:
            experiment = built(run_configuration(cfg, hydra))
        found = run_or_find(experiment, folder, record)
    except KeyboardInterrupt as stop:
        log.warning("mine-run: %s: interrupted", as_typed(folder))
        end(folder, "interrupted", record, started)
        raise stop if isinstance(stop, Interrupted) else Interrupted(signal.SIGINT) from None
    except Diverged:  # the summary of the run has told of it
        end(folder, "finished", record, started)
        found = None
    except Exception as stop:
        tell(stop, folder)
        if record or recorded(folder) is None:  # else it is another job's folder, or it is done
            end(folder, "failed", record | {"error": error_lines(stop)[0]}, started)
        found = None
    else:
        if record:
            end(folder, "finished", record | {"objective": found}, started)
    finally:
        update(cfg, folder.parent)
    return worst(hydra.sweeper) if found is None or math.isnan(found) else float(found)


def built(cfg: DictConfig) -> "Experiment":
    """Builds the experiment of a job, whether its sweep was planned or not."""
    from mine_cli.tasks import registry

    faults = validate(cfg)
    if faults:
        raise BadInput(*faults)
    return registry.experiment_of(cfg)


def run_or_find(experiment: "Experiment", folder: Path, record: Result) -> float | None:
    """Returns the objective of a job, whose result may be there from an earlier attempt.

    Arguments:
        experiment: The job's.
        folder: The job's.
        record: Takes what job.json says of the job; stays empty where nothing is to be run.

    Raises:
        BadInput: the folder holds another job, or the configuration cannot be run.
    """
    from mine_cli.tasks import registry, run

    cfg, mark = experiment.cfg, run.fingerprint_of(experiment)
    check_same(folder, mark)
    result = finished(folder, cfg.retry_diverged)
    if result is not None:
        log.info("%s: finished already, %s", as_typed(folder), result["status"])
        return registry.objective_of(result, cfg.objective)
    registry.check(experiment)
    if resumable(folder, mark):
        cfg.resume = str(folder)
    else:
        start_over(folder)
    record["fingerprint"] = mark
    write_record(folder, "running", **record)
    cfg.trainer.progress = False  # a log line of one job in the bar of another
    return run.run_experiment(experiment, folder)["objective"]


def end(folder: Path, status: str, record: Result, started: float) -> None:
    """Records how a job ended; on a full disk nothing, and the missing record tells.

    Its seconds are of this attempt, or those of the training over all attempts if they are more.
    """
    with suppress(RunFailed):
        trained = known(read_mapping(folder / "result.json"), "seconds") or 0.0
        seconds = max(time.perf_counter() - started, trained)
        write_record(folder, status, **record, seconds=seconds)


def tell(stop: Exception, folder: Path) -> None:
    """Logs one line on the terminal, and the traceback in the job's own log."""
    for line in error_lines(stop):
        log.error("mine-run: %s: %s", as_typed(folder), line)
    trace = "".join(traceback.format_exception(stop)).rstrip()
    shown = os.environ.get("HYDRA_FULL_ERROR") == "1"
    log.info("%s", trace, extra={"only_in_files": not shown})


def update(cfg: DictConfig, sweep: Path) -> None:
    """Updates the tables and pictures of a sweep after one of its jobs has ended."""
    from mine_cli.tasks import registry

    try:
        Ledger(sweep).write()
        registry.after_sweep_job(cfg, sweep)
    except Exception as stop:  # the job itself stands
        log.warning("mine-run: %s: %s", as_typed(sweep), error_lines(stop)[0])
