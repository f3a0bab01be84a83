"""What a sweep would do: its jobs, how they are grouped, how long they take. Writes nothing."""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mine_cli.results.pace import in_words
from mine_cli.sweep.planning import PlannedJob

if TYPE_CHECKING:
    import torch

    from mine_cli.tasks.protocol import Experiment

__all__ = ["outlook"]

MOST_LISTED = 40
MOST_TIMED = 16  # jobs of a group that are built to be timed; more take as many times as long
FEW_STEPS, SECONDS = 20, 2.0  # of the timing: at most so many steps, begun in so long


def outlook(jobs: Sequence[PlannedJob], launcher: Any) -> str:
    """Returns the jobs of a sweep, their groups, and the time that training takes.

    Arguments:
        jobs: Checked, in their order.
        launcher: Ours, which trains groups of jobs; None for another, which trains each alone.
    """
    from mine_cli.sweep.grouping import divided, processors

    if launcher is None:
        processes, groups = 1, [[job] for job in jobs]
    else:
        processes = launcher.processes or processors(jobs[0].cfg)
        memory = None if launcher.memory_gb is None else launcher.memory_gb * 2**30
        groups = divided(jobs, processes, memory)
    left = [group for group in groups if any(job.unfinished for job in group)]
    seconds = [seconds_of(group) for group in left]
    lines = [f"{job.number:>4}  {job.subfolder}" for job in jobs[:MOST_LISTED]]
    if len(jobs) > MOST_LISTED:
        lines.append(f"      ... and {len(jobs) - MOST_LISTED} more")
    done = len(jobs) - sum(job.unfinished for job in jobs)
    lines += ["", f"{counted(len(jobs), 'job')}" + (f", {done} of them done" if done else "")]
    lines += [grouped(group, took) for group, took in zip(left, seconds, strict=True)][
        :MOST_LISTED
    ]
    known = [took for took in seconds if took is not None]
    if known:
        at_once = min(processes, len(left))
        total = max(max(known), sum(known) / at_once)
        lines.append(
            f"about {in_words(total)} of training, {at_once} at a time, as timed on a few steps; "
            "what is evaluated and drawn comes on top"
        )
    return "\n".join([*lines, "Nothing was written."])


def grouped(group: Sequence[PlannedJob], seconds: float | None) -> str:
    """One line on a group: how many train as one, or which trains alone and why."""
    took = "" if seconds is None else f", about {in_words(seconds)}"
    if len(group) > 1:
        return f"  {len(group)} jobs trained as one model{took}"
    why = f" ({group[0].reason})" if group[0].reason else ""
    return f"  job {group[0].number} alone{why}{took}"


def seconds_of(group: Sequence[PlannedJob]) -> float | None:
    """Returns how long a group trains, from a few steps; None where none could be taken."""
    import torch

    from mine_cli.tasks import registry
    from mine_cli.tasks.build import Datasets
    from mine_cli.training.device import device

    cfg = group[0].cfg
    where, datasets = device(cfg.trainer.device), Datasets()
    threads = torch.get_num_threads()
    torch.set_num_threads(cfg.trainer.threads or threads)
    try:
        with suppress(Exception):  # told where the job runs
            built = [registry.experiment_of(j.resolved(), datasets) for j in group[:MOST_TIMED]]
            share = len(group) / len(built)
            return share * built[0].cfg.trainer.steps * seconds_a_step(built, where)
        return None
    finally:
        torch.set_num_threads(threads)


def seconds_a_step(experiments: "Sequence[Experiment]", where: "torch.device") -> float:
    """Returns the seconds of one step of these experiments, trained as one model."""
    from mine_cli.training.task import stackable

    first, *others = [stackable(experiment.start(where)) for experiment in experiments]
    step = first.stack(others).step if others else first.train_step
    try:
        step(1)  # what is made at the first step is no part of the others
        taken, started = 0, time.perf_counter()
        while taken < FEW_STEPS and time.perf_counter() - started < SECONDS:
            step(taken + 2)
            taken += 1
        return (time.perf_counter() - started) / taken
    finally:
        for experiment in experiments:
            experiment.close()


def counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
