"""The folder of a sweep, identified by its `sweep.json` and locked while the sweep runs."""

import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mine_cli.config.trust import is_sealed, seal
from mine_cli.errors import BadInput
from mine_cli.results import locks
from mine_cli.results.files import Result, read_json, write_json
from mine_cli.results.folder import check_links
from mine_cli.results.locks import check_place
from mine_cli.results.provenance import decides_numbers

__all__ = [
    "SWEEP_JSON",
    "Held",
    "check_search",
    "check_trusted",
    "claim",
    "is_held",
    "release",
    "saved_sweep",
]

SWEEP_JSON = "sweep.json"
SCHEMA = 1  # of sweep.json


@dataclass(frozen=True)
class Held:
    """Holds the sweep folder that this process has locked, until it is released."""

    folder: Path
    units: str


held: list[Held] = []


def claim(folder: Path, jobs: Sequence[Result], units: str) -> None:
    """Locks a folder for a sweep: a new one, or the one that the same sweep has already.

    Arguments:
        folder: Made where it is not there.
        jobs: Folder and overrides of each job; empty where a sweeper finds them as it goes.
        units: nats or bits, for the table at the end.

    Raises:
        BadInput: the folder holds anything else, or another process sweeps in it.
    """
    check_place("sweep_dir", folder)
    folder.mkdir(parents=True, exist_ok=True)
    locks.hold(folder, f"sweep_dir={folder}: a sweep is running in it, or one of its jobs")
    try:
        new = {"schema": SCHEMA, "arguments": typed(), "cwd": os.getcwd(), "jobs": [*jobs]}
        new["seal"] = seal(*content_of(new), make=True)
        if any(folder.iterdir()):
            check_same(folder, new)
            check_links("sweep_dir", folder, os.listdir(folder))
        else:
            write_json(folder / SWEEP_JSON, new)
    except BaseException:
        locks.let_go()
        raise
    held.append(Held(folder, units))


def check_search(folder: Path, sweeper: Result) -> None:
    """Raise BadInput where a search would come back to its folder with other trials than before.

    Arguments:
        folder: The sweep's.
        sweeper: Hydra's node; of a search it has a sampler.
    """
    sampler = sweeper.get("sampler")
    if sampler is None or saved_sweep(folder) is None:
        return
    if sampler.get("seed") is None or sweeper.get("storage") is not None:
        raise BadInput(
            f"sweep_dir={folder}: only a search with hydra.sweeper.sampler.seed and without a "
            "storage comes to the same trials again; name another folder"
        )


def is_held() -> bool:
    """Tells whether this process holds a sweep's folder, whose table it shows at the end."""
    return bool(held)


def release() -> Held | None:
    """Releases the folder that this process holds and returns it; None if there is none."""
    if not held:
        return None
    locks.let_go()
    return held.pop()


def check_trusted(folder: Path, sweep: Result, trust: bool) -> None:
    """Raises BadInput where the command of a sweep that is resumed is not known to be the user's.

    A command may name any code to run.

    Arguments:
        folder: The sweep's.
        sweep: What its sweep.json says.
        trust: Whether the user vouches for it.
    """
    check_sound(folder / SWEEP_JSON, sweep)
    if not (trust or is_sealed(sweep.get("seal"), *content_of(sweep))):
        raise BadInput(
            f"resume={folder}: would run {shlex.join(['mine-run', *sweep['arguments']])}, and no "
            "sweep of yours on this machine left it: trust=true runs it"
        )


def content_of(sweep: Result) -> list[object]:
    """Returns what the seal of a sweep is of."""
    return ["sweep", sweep["arguments"], sweep["cwd"]]


def saved_sweep(folder: Path) -> Result | None:
    """Returns the content of sweep.json; None where this program wrote none."""
    with suppress(OSError, ValueError):
        saved = read_json(folder / SWEEP_JSON)
        if isinstance(saved, dict) and saved.get("schema") == SCHEMA:
            return saved
    return None


def check_sound(path: Path, saved: Result) -> None:
    """Raises BadInput where a sweep.json of ours is damaged."""
    jobs = saved.get("jobs")
    sound = is_words(saved.get("arguments")) and isinstance(saved.get("cwd"), str)
    sound = sound and isinstance(jobs, list) and all(map(is_job, jobs))
    if not sound:
        raise BadInput(f"{path}: damaged: no list of jobs as mine-run writes it")


def is_job(found: object) -> bool:
    return (
        isinstance(found, dict)
        and isinstance(found.get("folder"), str)
        and is_words(found.get("overrides"))
    )


def is_words(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(word, str) for word in found)


def check_same(folder: Path, new: Result) -> None:
    """Raise BadInput unless the folder holds this very sweep."""
    saved = saved_sweep(folder)
    if saved is None:
        raise BadInput(f"sweep_dir={folder}: holds other files and no sweep; name another folder")
    check_sound(folder / SWEEP_JSON, saved)
    if identity(saved) != identity(new):
        command = shlex.join(["mine-run", *saved["arguments"]])
        raise BadInput(
            f"sweep_dir={folder}: holds another sweep, {command}; name another folder, or go on "
            f"with that sweep: {shlex.join(['mine-run', f'resume={folder}'])}"
        )


def identity(sweep: Result) -> Sequence[object]:
    """Returns what decides the numbers of a sweep: its jobs, else its command line."""
    jobs = [[job["folder"], *deciding(job["overrides"])] for job in sweep["jobs"]]
    return jobs or deciding(sweep["arguments"])


def deciding(overrides: Iterable[str]) -> list[str]:
    """Returns the overrides without those of paths, device, display and Hydra itself."""
    return [override for override in overrides if decides_numbers(override)]


def typed() -> list[str]:
    """Returns the command line without the folder, which is given anew when resuming."""
    return [argument for argument in sys.argv[1:] if not argument.startswith("hydra.sweep.dir=")]
