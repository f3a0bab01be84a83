"""Hydra's refusals of an option, a key or a value, each in one line with what there is instead."""

import errno
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TypeVar

from hydra._internal import utils
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from mine_cli.errors import BadInput, RunFailed, error_lines, say

__all__ = ["BESIDE_KEYS", "in_a_line", "in_one_line", "refusal", "wanted"]

BESIDE_KEYS = {
    "sweep_dir": "Folder of a sweep, named beforehand; the same one again goes on.",
    "show": "Folder of a run or a sweep, whose summary is printed again.",
    "compare": "Folders of runs and sweeps, [A,B,...], which are set side by side.",
}
"""What stands on the command line as a root key does, and is none, with a sentence about it."""

EXTRAS = {
    "hydra/launcher=joblib": "sweep",
    "hydra/launcher=submitit_local": "slurm",
    "hydra/launcher=submitit_slurm": "slurm",
    "hydra/launcher=ray": "ray",
    "hydra/sweeper=optuna": "sweep",
}
"""Option of Hydra's plugins -> our extra that installs it."""


Result = TypeVar("Result")

# What is no fault of the command: a disk that is full, limited, or broken.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

MANY = 30  # names, more than which are not all listed in a line

DATA_FILES = (".npz", ".npy", ".csv", ".parquet")


def in_one_line() -> None:
    """Makes `refusal` report what Hydra refuses from here on, where it has words for it."""
    report = utils.run_and_report
    if report.__module__ == utils.__name__:  # else it is done already
        utils.run_and_report = lambda func: report(partial(refusing, func))


def refusing(act: Callable[[], Result]) -> Result:
    """Calls `act`, and ends the program with one line, and Hydra's exit code, where it fails."""
    try:
        return act()
    except Exception as stop:
        line = refusal(stop)
        if line is None or os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        say(line)
        full = isinstance(stop, OSError) and stop.errno in FULL
        raise SystemExit((RunFailed if full else BadInput).exit_code) from None


def refusal(stop: Exception) -> str | None:
    """Returns what is wrong and what there is, in a line; None for no refusal of Hydra's."""
    if isinstance(stop, MissingConfigException):
        return missing_option(stop) or in_a_line(stop)
    if isinstance(stop, OverrideParseException):
        return not_understood(stop)
    if ambiguous := re.match("Ambiguous value for argument '(.*)'", str(stop)):
        key, _, values = ambiguous[1].partition("=")
        return (
            f"{key}={values}: several values are a sweep, mine-run -m; a list is {key}=[{values}]"
        )
    if isinstance(stop, OSError) and (stop.filename or stop.errno in FULL):
        return error_lines(stop)[0]
    cause = stop.__cause__
    if isinstance(cause, (ConfigAttributeError, ConfigKeyError)):
        return missing_key(cause)
    if "does not support sweep type" in str(stop):
        word = next((word for word in sys.argv[1:] if "interval(" in word), "interval(...)")
        return f"{word}: only a search takes an interval; want hydra/sweeper=optuna"
    if "Config group override must be a string or a list" in str(stop):
        words = [word for word in sys.argv[1:] if "@" in word.split("=")[0]]
        return ": ".join([*words, "want the name of an option"])
    if (typed := re.match("Error merging override (.*)", str(stop))) and cause:
        return f"{typed[1]}: {str(cause).splitlines()[0]}"
    if isinstance(stop, HydraException | OmegaConfBaseException):
        return in_a_line(stop)
    return None


def in_a_line(stop: Exception) -> str:
    """Returns the first line of what Hydra says, and of its cause, behind the word it is about.

    Hydra names but the end of an interpolation that leads nowhere: the word is looked up.
    """
    said = [str(part).strip().splitlines()[:1] for part in (stop, stop.__cause__) if part]
    line = ": ".join(line for lines in said for line in lines)
    ends = re.findall(r"Interpolation key '([^']+)'|interpolation '\$\{([^}']+)\}'", line)
    words = [
        word.replace("hydra.sweep.dir=", "sweep_dir=")
        for word in sys.argv[1:]
        if any(f"${{{end}}}" in word for end in map("".join, ends))
    ]
    return ": ".join([*words, line])


def not_understood(stop: OverrideParseException) -> str:
    """Tells of a word of the command line that is no KEY=VALUE, or a value that cannot be read."""
    word = str(stop.override)
    if "=" in word:
        why = str(stop.message).splitlines()[0]
        return f"{word}: {why}; what has spaces or brackets is quoted: 'key=[a, b]'"
    if Path(word).suffix in DATA_FILES:
        return f"{word}: want KEY=VALUE, for data of your own dataset=arrays dataset.path={word}"
    return f"{word}: want KEY=VALUE"


def missing_option(stop: MissingConfigException) -> str | None:
    """Tells that a group has no such option; another YAML's defaults may have asked for it."""
    said = re.match(r"(?:In '([^']*)': )?.*?Available options in '([^']*)'", str(stop), re.DOTALL)
    if said is None or stop.missing_cfg_file is None:
        return None
    place, group = said.groups()
    name = stop.missing_cfg_file.removeprefix(f"{group}/")
    options = sorted({*(stop.options or ()), *nested(group, str(stop))})
    asked = "" if place in (None, "config", "hydra/config") else f"{place}: "
    if extra := EXTRAS.get(f"{group}={name}"):
        there = f"want one of {', '.join(options)}, or pip install 'mine-run[{extra}]'"
        return f"{asked}{group}={name}: not installed; {there}"
    return f"{asked}{group}={name}: no such option; {wanted(name, options)}"


def nested(group: str, told: str) -> Iterator[str]:
    """Yields options in folders below a group, such as gan/spiral, which Hydra does not list."""
    for source in re.findall(r"path=file://(.*)$", told, re.MULTILINE):
        folder = Path(source) / group
        for file in folder.rglob("*.yaml"):
            yield file.relative_to(folder).with_suffix("").as_posix()


def missing_key(cause: ConfigAttributeError | ConfigKeyError) -> str | None:
    """Tells that a section has no such key."""
    node: object = cause.parent_node
    if not isinstance(node, DictConfig) or cause.full_key is None:
        return None
    keys = [str(key) for key in node if key not in ("_target_", "hydra")]
    if cause.full_key == str(cause.key):
        keys += BESIDE_KEYS
    return f"{cause.full_key}: no such key; {wanted(str(cause.key), keys)}"


def wanted(name: str, options: Sequence[str]) -> str:
    """Lists the names there are, the nearest of very many, and the one that was meant, as far as
    spelling tells."""
    close = get_close_matches(name, options, 1)
    nearest = options if len(options) <= MANY else sorted(get_close_matches(name, options, 12, 0))
    more = len(options) - len(nearest)
    listed = ", ".join(nearest) + (f" and {more} more, which --help lists" if more else "")
    return f"want one of {listed}" + (f"; did you mean {close[0]}?" if close else "")
