"""Commands and paths as one would type them."""

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from mine_cli.config.processes import count

__all__ = ["as_typed", "command", "resume_command"]


def as_typed(path: Path) -> str:
    """A path as one would type it here: relative where it lies below the working directory.

    Absolute where it is that directory, which may not be the one that the command was typed in,
    and where that directory is gone.
    """
    try:
        here = Path.cwd()
    except FileNotFoundError:
        return str(path)
    return str(path.relative_to(here) if here in path.parents else path)


def command() -> list[str]:
    """How this program was started, as words of a command line."""
    if count() == 1:
        return ["mine-run"]
    return ["torchrun", f"--nproc-per-node={os.environ['LOCAL_WORLD_SIZE']}", "-m", "mine_cli"]


def resume_command(folder: Path, overrides: Iterable[str] = ()) -> str:
    """The command line that goes on with a run from the current working directory.

    Arguments:
        folder: of the run.
        overrides: what was given beside `resume` the last time, as Hydra was given it.
    """
    kept = [o.removeprefix("++") for o in overrides if not o.startswith("resume=")]
    return shlex.join([*command(), f"resume={as_typed(folder)}", *kept])
