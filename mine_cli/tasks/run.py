"""Runs an experiment from start to end: training, report, result.json and figures."""

import logging
import os
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy
import torch
from omegaconf import DictConfig, OmegaConf

from mine_cli import figures
from mine_cli.config.trust import SEAL_JSON, reaches_out, seal_of_run
from mine_cli.config.validation import values_of
from mine_cli.errors import BadInput, Diverged, RunFailed, error_lines, say
from mine_cli.results import checkpoint
from mine_cli.results.commands import as_typed
from mine_cli.results.files import write_json
from mine_cli.results.folder import SCHEMA, RunFolder
from mine_cli.results.names import swept_of
from mine_cli.results.provenance import commit, fingerprints, own_targets, peak_memory, versions
from mine_cli.results.summary import summary
from mine_cli.tasks.objective import objective
from mine_cli.tasks.protocol import Experiment, Result
from mine_cli.training import distributed, rng
from mine_cli.training.device import device, keep_memory
from mine_cli.training.rng import seed_everything
from mine_cli.training.task import State
from mine_cli.training.trainer import Trainer
from mine_cli.training.training import Training

__all__ = ["Run", "check_inputs", "fingerprint_of", "run", "run_experiment", "undisturbed"]

log = logging.getLogger("mine_cli")


def check_inputs(experiment: Experiment, folder: Path) -> None:
    """Raises BadInput where a run would go on with other data or classes than it was trained on.

    The split of other data would make report rows of what was trained on. Without a checkpoint
    the run starts over, and may do so with anything.
    """
    saved = checkpoint.latest(folder, quiet=True)
    if saved is None:
        return
    known = saved.get("trained_on")
    if known is None:  # a checkpoint from before they said so
        said = "its checkpoint does not say on which data; that they are the same is not checked"
        say(f"resume={folder}: {said}")
    elif known != fingerprints_of(experiment)[1]:
        inputs = [*own_targets(values_of(experiment.cfg)), *map(as_typed, inputs_of(experiment))]
        raise BadInput(
            f"resume={folder}: {', '.join(inputs)}: not as when the run was trained; put back "
            "what was changed, or start a run in another folder"
        )


def inputs_of(experiment: Experiment) -> list[Path]:
    """Returns the input files of a run, or the folder of those that are too many to be named."""
    path = OmegaConf.select(experiment.cfg, "dataset.path")
    return experiment.files() or ([] if path is None else [Path(path)])


def run(experiment: Experiment, folder: Path) -> Result:
    """Runs a checked experiment in its folder, shared by all processes of this run.

    Returns the result, which also stands in result.json; raises as `run_experiment`.
    """
    distributed.join(device(experiment.cfg.trainer.device))
    return run_experiment(experiment, distributed.broadcast(folder))


def run_experiment(experiment: Experiment, folder: Path | None) -> Result:
    """Trains, evaluates and reports; without a folder nothing is written.

    Raises:
        Diverged: after a result with that status was written.
        Interrupted: after the run was saved.
    """
    use_threads(experiment)
    keep_memory()
    saved = checkpoint.latest(folder) if experiment.cfg.resume and folder else None
    state = distributed.broadcast(saved)
    current = Run(experiment, folder, state)
    try:
        current.begin()
        try:
            Trainer([current.training]).fit()
            if not distributed.leads():
                return current.result | {"curve": current.task.curve, "objective": None}
        except Diverged as error:
            current.diverged(error)
            raise
        return current.finish()
    finally:
        current.close()


def use_threads(experiment: Experiment) -> None:
    """Computes on as many CPU threads as the configuration says, from here on."""
    if experiment.cfg.trainer.threads is not None:
        torch.set_num_threads(experiment.cfg.trainer.threads)


class Run:
    """One experiment in its folder: what happens before and after its training.

    Arguments:
        experiment: What is run.
        folder: Where its files go; None keeps everything in memory.
        state: The checkpoint that it goes on from, None for the start.
        progress: Whether it is shown; None: as the configuration says.
    """

    def __init__(
        self,
        experiment: Experiment,
        folder: Path | None,
        state: State | None,
        progress: bool | None = None,
    ) -> None:
        cfg = experiment.cfg
        self.experiment, self.resumed = experiment, state is not None
        seed_everything(cfg.seed, cfg.deterministic, tf32=cfg.trainer.dtype == "tf32")
        where = device(cfg.trainer.device)
        self.task = experiment.start(where)
        for line in experiment.warnings:
            log.warning("%s", line)
        if state is not None and state["step"] > cfg.trainer.steps:
            raise BadInput(
                f"trainer.steps={cfg.trainer.steps}: the run has done {state['step']} steps "
                "already; want as many or more"
            )
        self.files: RunFolder | None = None
        if folder is not None and distributed.leads():
            step = state["step"] if state else None
            self.files = RunFolder(folder, step, cfg.trainer.tensorboard, experiment.charts)
        mark, trained_on = fingerprints_of(experiment)
        self.training = Training(
            self.task,
            self.task.trainer,
            self.files,
            cfg.units,
            state,
            progress,
            look=experiment.look,
            trained_on=trained_on,
            counted=experiment.counted,
        )
        self.result = head_of(experiment, where, mark)

    def begin(self) -> None:
        """Writes what the folder holds from the start."""
        if self.experiment.opening and not self.resumed:
            log.info("%s", self.experiment.opening)
        if self.files and not self.resumed:
            composed = OmegaConf.to_yaml(self.experiment.cfg, resolve=True)
            self.files.text("configuration", f"```yaml\n{composed}```")
            keep_seal(self.files.path, self.experiment.cfg)
            self.experiment.begin(self.files)

    def finish(self) -> Result:
        """Reports, writes the result, and returns it with the curve and a sweeper's objective.

        Raises:
            Diverged: what is reported is not finite; the result was written.
        """
        if self.experiment.closing:
            log.info("%s", self.experiment.closing)
        self.result |= self.task.result()
        self._save({"complete": False})  # what follows takes its time, or may fail
        with self._beside("references"):
            self.result |= self.experiment.after(self.result)
        if self.files is not None:
            self.experiment.finish(self.files.path)
        self._write()
        if self.result["status"] == "diverged":
            raise Diverged("the estimate is not finite; try a smaller trainer.lr or network")
        compared = self.experiment.compared(self.result)
        worth = objective(self.result, compared, self.experiment.cfg.objective)
        return self.result | {"curve": self.task.curve, "objective": worth}

    def diverged(self, error: Diverged) -> None:
        """Writes the result of a training that diverged."""
        self.result |= {"status": "diverged", "note": str(error)}
        self._write()

    def _write(self) -> None:
        """Writes the result, the figures that are drawn from it, and a summary in the log."""
        self._save({"complete": False})
        if self.files is None:
            return
        with self._beside("TensorBoard"):
            settings = self.experiment.settings() | numbered(swept_of(self.files.path))
            self.files.hparams(settings, self.experiment.compared(self.result))
        with self._beside("figures"):
            for tag, picture in self.experiment.pictures(self.files.path).items():
                self.files.picture(tag, picture, self.training.record.steps)
        with self._beside("report.html"):
            figures.report_of_run(self.files.path, self.experiment.cfg.units)
        self._save({})
        with self._beside("summary"):
            log.info("%s", summary(self.result, self.experiment.cfg.units, self.files.path))

    def _save(self, more: Result) -> None:
        """Writes result.json and what the training took; it is complete without a word of that."""
        record, where = self.training.record, device(self.experiment.cfg.trainer.device)
        self.result |= {
            "steps": record.steps,
            "seconds": record.seconds,
            "steps_per_second": record.steps_per_second,
            "peak_memory": peak_memory(str(where)),
        }
        if self.files is not None:
            write_json(self.files.result_json, {**self.result, **more})

    @contextmanager
    def _beside(self, what: str) -> Iterator[None]:
        """Lets no failure of what stands beside the result cost the result; a warning tells.

        Raises:
            RunFailed, OSError: a full disk, after which nothing else can be written either.
        """
        try:
            yield
        except (RunFailed, OSError):
            raise
        except Exception as stop:
            line = f"no {what}: {error_lines(stop)[0]}"
            log.warning("%s", line, exc_info=os.environ.get("HYDRA_FULL_ERROR") == "1")
            self.result["warnings"] = [*self.result["warnings"], line]

    def close(self) -> None:
        """Closes the folder's log and TensorBoard, and what the task started; safe to call twice.

        Once the training is over the checkpoint before the last is of no more use.
        """
        self.experiment.close()
        if self.files:
            self.files.close()
            if self.training.over:
                self.files.earlier.unlink(missing_ok=True)


def head_of(experiment: Experiment, where: torch.device, mark: str) -> Result:
    """Returns what a result says of how it was made; the numbers are unknown as yet."""
    cfg = experiment.cfg
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else str(where)
    return {
        "schema": SCHEMA,
        "task": cfg.task.name,
        "status": "running",
        **experiment.head(),
        "unit": "nats",
        "seed": cfg.seed,
        "device": name,
        "dtype": cfg.trainer.dtype,
        "metrics": {},
        "versions": versions(),
        "commit": commit(),
        "fingerprint": mark,
        "warnings": experiment.warnings,
    }


def keep_seal(folder: Path, cfg: DictConfig) -> None:
    """Writes down what a run with parts of one's own was trained with, to resume it unasked."""
    if reaches_out(cfg) and (folder / ".hydra" / "config.yaml").exists():
        write_json(folder / ".hydra" / SEAL_JSON, seal_of_run(folder, cfg))


def fingerprint_of(experiment: Experiment) -> str:
    """Returns the fingerprint of all that decides an experiment's numbers; see `provenance`."""
    return fingerprints_of(experiment)[0]


def fingerprints_of(experiment: Experiment) -> tuple[str, str]:
    """Returns that, and the fingerprint of the data and a user's own classes alone."""
    return fingerprints(
        {**values_of(experiment.cfg), "memory": experiment.content()}, experiment.files()
    )


def numbered(swept: Mapping[str, str]) -> dict[str, float | str]:
    """Returns what was swept of a job, numbers as numbers, for TensorBoard's table."""
    found: dict[str, float | str] = {}
    for key, value in swept.items():
        try:
            found[key] = float(value)
        except ValueError:
            found[key] = value
    return found


@contextmanager
def undisturbed() -> Iterator[None]:
    """Puts the caller's random streams and number of threads back, which a run sets for itself."""
    python, with_numpy, with_torch = (
        random.getstate(),
        numpy.random.get_state(),
        rng.random_state(),
    )
    deterministic, threads = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    try:
        yield
    finally:
        random.setstate(python)
        numpy.random.set_state(with_numpy)
        rng.restore_random_state(with_torch)
        torch.use_deterministic_algorithms(deterministic)
        torch.set_num_threads(threads)
