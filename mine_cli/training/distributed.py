"""Several processes for one run: who speaks, and how they work together.

Rank 0 has the folder, the log and the terminal; the others compute and are silent. For a process
that is alone all of this does nothing, and costs nothing. Imports no torch.
"""

import io
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from mine_cli.config.processes import count, rank
from mine_cli.errors import BadInput, RunFailed

if TYPE_CHECKING:
    import torch

__all__ = [
    "agreed",
    "all_ready",
    "broadcast",
    "join",
    "joined",
    "leads",
    "one_voice",
    "reaching_others",
]

LOST = "another process of this run cannot be reached; torchrun says whether one has ended"
QUESTION_EVERY = 10  # steps: a question costs up to half a step of a small network
PATIENCE = 60.0  # seconds in which rank 0 is to tell of a failure, before another rank does

# The store that torchrun keeps for all ranks, and whether this process works with the others.
state: dict[str, Any] = {"store": None, "joined": False}


def joined() -> bool:
    """Whether this process shares its batches with others."""
    return bool(state["joined"])


def leads() -> bool:
    """Whether this process reports what is found: alone, or as rank 0."""
    return not joined() or rank() == 0


# Who speaks


@contextmanager
def one_voice() -> Iterator[None]:
    """Rank 0 alone speaks. Another that fails leaves its words to it, and waits for its end.

    torchrun ends all processes as soon as one fails: were that not the last to end, rank 0 could
    neither tell of a failure nor save.
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
        words = own_words(said.getvalue()) if code < 128 else []  # an interruption is no failure
        if code or rank() == 0:
            leave_word("ended", code, words)
        disconnect()  # only now: rank 0, waiting for this one, shall find its words
        if code and rank() and not rank_0_ended() and words:
            print(*(f"mine-run: rank {rank()}: {w}" for w in words), sep="\n", file=sys.stderr)


def own_words(said: str) -> list[str]:
    """The lines about this process's own failure, as rank 0 is to repeat them."""
    lines = [line for line in said.splitlines() if line.strip()]
    told = [line.removeprefix("mine-run: ") for line in lines if line.startswith("mine-run: ")]
    return [line for line in told or lines[-1:] if not line.startswith(LOST)]


def leave_word(word: str, code: int = 0, lines: list[str] | None = None) -> None:
    """Tells the other ranks how far this one is; where none can be reached, that is that."""
    with suppress(RuntimeError):
        store().set(f"rank/{rank()}", json.dumps({"word": word, "code": code, "lines": lines}))


def word_of(other: int) -> dict[str, Any] | None:
    """The latest word of a rank, None before its first."""
    key = f"rank/{other}"
    return json.loads(store().get(key)) if store().check([key]) else None


def rank_0_ended() -> bool:
    """Waits for it; False where it takes too long."""
    with suppress(RuntimeError):  # the store went with it
        deadline = time.monotonic() + PATIENCE
        while (word_of(0) or {}).get("word") != "ended":
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
    return True


def all_ready() -> None:
    """Waits until every rank has passed its checks.

    Raises:
        BadInput, RunFailed: where one has not; on rank 0 in that rank's words.
    """
    if count() == 1:
        return
    if rank():
        leave_word("ready")
    others = range(1, count()) if rank() == 0 else [0]
    if any(first_word(other) == "ended" for other in others):
        raise failure()
    if rank() == 0:
        leave_word("ready")


def first_word(other: int) -> str:
    """A rank's word, waited for in small steps, so that Ctrl-C is heard."""
    with reaching_others():
        while (word := word_of(other)) is None:
            time.sleep(0.05)
    return str(word["word"])


def failure(cause: Exception | None = None) -> RunFailed:
    """What ended another rank, in its own words where they are known, else why it is missed."""
    with suppress(RuntimeError):
        for other in range(1, count()) if rank() == 0 else ():
            word = word_of(other) or {}
            lines = [f"rank {other}: {line}" for line in word.get("lines") or ()]
            if lines:
                bad_input = word["code"] == BadInput.exit_code
                return BadInput(*lines) if bad_input else RunFailed("\n".join(lines))
    said = " ".join(str(cause or "").split())
    return RunFailed(f"{LOST} ({said})" if said else LOST)


def store() -> Any:
    """What torchrun keeps for all ranks to read and write."""
    if state["store"] is None:
        import torch.distributed as dist

        found, *_ = next(dist.rendezvous("env://", timeout=timedelta(seconds=PATIENCE)))
        state["store"] = dist.PrefixStore("mine-run", found)
    return state["store"]


# How they work together


def join(where: "torch.device") -> None:
    """Works with the other ranks from here on: gloo on the CPU, nccl between GPUs."""
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
    """Leaves the others; one that waits for this process then fails at once."""
    if joined():
        import torch.distributed as dist

        state["joined"] = False
        with suppress(RuntimeError):
            dist.destroy_process_group()


@contextmanager
def reaching_others() -> Iterator[None]:
    """Around whatever needs the other ranks: tells why one of them cannot be reached.

    Raises:
        BadInput, RunFailed: on rank 0 with the words of the one that failed.
    """
    try:
        yield
    except RuntimeError as stop:
        raise failure(stop) from stop


def broadcast(value: Any) -> Any:
    """Rank 0's value on every rank; a lone process's own."""
    if not joined():
        return value
    import torch.distributed as dist

    values = [value]
    with reaching_others():
        dist.broadcast_object_list(values)
    return values[0]


def agreed(number: int, step: int = 0) -> int:
    """The largest of the ranks' numbers; a lone process's own.

    Asked in every step, of which some alone are worth a question: 0 in the others.
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
