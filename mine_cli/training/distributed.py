"""Several processes that share one run: output, failures and interruptions across ranks.

Rank 0 owns the folder, the log and the terminal; the other ranks compute and print nothing. In a
single process every function here returns at once. Imports no torch.
"""

import io
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from mine_cli.config.processes import count, rank
from mine_cli.errors import BadInput, RunFailed
from mine_cli.results.files import Result

if TYPE_CHECKING:
    import torch
    from torch.distributed import Store

__all__ = [
    "agreed",
    "all_ready",
    "broadcast",
    "join",
    "joined",
    "leads",
    "of_rank_0",
    "rank_0_reports",
    "reaching_others",
]

LOST = "another process of this run cannot be reached; torchrun says whether one has ended"
QUESTION_EVERY = 10  # steps: a question costs up to half a step of a small network
PATIENCE = 60.0  # seconds in which rank 0 is to tell of a failure, before another rank does

Value = TypeVar("Value")

# The store that torchrun keeps for all ranks, and whether this process has joined the group.
state: dict[str, Any] = {"store": None, "joined": False}


def joined() -> bool:
    """Tells whether this process shares its batches with other ranks."""
    return bool(state["joined"])


def leads() -> bool:
    """Tells whether this process writes the results: a single process, or rank 0."""
    return not joined() or rank() == 0


# Output and failures


@contextmanager
def rank_0_reports() -> Iterator[None]:
    """Silences every rank but 0, which prints the errors of the others beside its own.

    A rank that fails stores its error lines for rank 0 and waits for rank 0 to end: torchrun ends
    all processes as soon as one exits, and rank 0 has to print and to save before that.
    """
    if count() == 1:
        yield
        return
    said, code = io.StringIO(), 0
    try:
        if rank() == 0:
            yield
        else:
            with redirect_stdout(io.StringIO()), redirect_stderr(said):
                yield
    except SystemExit as stop:
        code = int(stop.code or 0)
        raise
    except BaseException:
        code = 1
        raise
    finally:
        words = (
            error_lines_of(said.getvalue()) if code < 128 else []
        )  # an interruption is no failure
        if code or rank() == 0:
            store_state("ended", code, words)
        disconnect()  # only now: rank 0, waiting for this one, shall find its words
        if code and rank() and not rank_0_ended() and words:
            print(*(f"mine-run: rank {rank()}: {w}" for w in words), sep="\n", file=sys.stderr)


def error_lines_of(said: str) -> list[str]:
    """Returns the error lines of this process, without those about unreachable ranks."""
    lines = [line for line in said.splitlines() if line.strip()]
    told = [line.removeprefix("mine-run: ") for line in lines if line.startswith("mine-run: ")]
    return [line for line in told or lines[-1:] if not line.startswith(LOST)]


def store_state(word: str, code: int = 0, lines: list[str] | None = None) -> None:
    """Stores the state of this rank for the others; does nothing where the store is gone."""
    with suppress(RuntimeError):
        store().set(f"rank/{rank()}", json.dumps({"word": word, "code": code, "lines": lines}))


def state_of(other: int) -> Result | None:
    """Returns the latest state that a rank has stored, None before its first."""
    key = f"rank/{other}"
    return json.loads(store().get(key)) if store().check([key]) else None


def rank_0_ended() -> bool:
    """Waits until rank 0 has ended; returns False after `PATIENCE` seconds."""
    with suppress(RuntimeError):  # the store went with it
        deadline = time.monotonic() + PATIENCE
        while (state_of(0) or {}).get("word") != "ended":
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
    return True


def all_ready() -> None:
    """Waits until every rank has passed its checks.

    Raises:
        BadInput, RunFailed: a rank has failed them; on rank 0 with that rank's error lines.
    """
    if count() == 1:
        return
    if rank():
        store_state("ready")
    others = range(1, count()) if rank() == 0 else [0]
    if any(first_state(other) == "ended" for other in others):
        raise failure()
    if rank() == 0:
        store_state("ready")


def first_state(other: int) -> str:
    """Waits for the first state of a rank, polling so that Ctrl-C interrupts, and returns it."""
    with reaching_others():
        while (word := state_of(other)) is None:
            time.sleep(0.05)
    return str(word["word"])


def failure(cause: Exception | None = None) -> RunFailed:
    """Returns the error of a rank that failed: its own lines where it stored them, else `LOST`."""
    with suppress(RuntimeError):
        for other in range(1, count()) if rank() == 0 else ():
            word = state_of(other) or {}
            lines = [f"rank {other}: {line}" for line in word.get("lines") or ()]
            if lines:
                bad_input = word["code"] == BadInput.exit_code
                return BadInput(*lines) if bad_input else RunFailed("\n".join(lines))
    said = " ".join(str(cause or "").split())
    return RunFailed(f"{LOST} ({said})" if said else LOST)


def store() -> "Store":
    """Returns the key-value store that torchrun shares between the ranks."""
    if state["store"] is None:
        import torch.distributed as dist

        found, *_ = next(dist.rendezvous("env://", timeout=timedelta(seconds=PATIENCE)))
        state["store"] = dist.PrefixStore("mine-run", found)
    return state["store"]


# The process group


def join(where: "torch.device") -> None:
    """Joins the process group of the ranks: gloo on the CPU, nccl between GPUs."""
    if count() == 1:
        return
    import torch
    import torch.distributed as dist

    # Its functions keep the group that there is when they are imported, in their defaults: after
    # this one was made its threads would outlive it, and abort the process that ends.
    import torch.distributed.nn

    if where.type == "cuda":
        torch.cuda.set_device(where)
    backend = "cpu:gloo,cuda:nccl" if where.type == "cuda" else "gloo"
    group = dist.PrefixStore("group", store())
    with reaching_others():
        dist.init_process_group(backend, store=group, rank=rank(), world_size=count())
    state["joined"] = True


def disconnect() -> None:
    """Destroys the process group; a rank that waits for this one then fails at once."""
    if joined():
        import torch.distributed as dist

        state["joined"] = False
        with suppress(RuntimeError):
            dist.destroy_process_group()


@contextmanager
def reaching_others() -> Iterator[None]:
    """Turns a failed collective operation into the error of the rank that caused it.

    Raises:
        BadInput, RunFailed: on rank 0 with the error lines of the rank that failed.
    """
    try:
        yield
    except RuntimeError as stop:
        raise failure(stop) from stop


def broadcast(value: Value) -> Value:
    """Returns rank 0's value on every rank; in a single process the value itself."""
    return of_rank_0(value) if joined() else value


def of_rank_0(value: Value) -> Value:
    """Returns rank 0's value on every rank of a group, whoever made that."""
    import torch.distributed as dist

    values = [value]
    with reaching_others():
        dist.broadcast_object_list(values)
    return values[0]


def agreed(number: int, step: int = 0) -> int:
    """Returns the largest of the ranks' numbers; in a single process the number itself.

    The ranks communicate only every `QUESTION_EVERY` steps; in the other steps it returns 0.
    """
    if not joined():
        return number
    if step % QUESTION_EVERY:
        return 0
    import torch
    import torch.distributed as dist

    largest = torch.tensor(number)
    with reaching_others():
        dist.all_reduce(largest, dist.ReduceOp.MAX)
    return int(largest)
