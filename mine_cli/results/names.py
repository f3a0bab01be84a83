"""What the jobs of a sweep are called: by what of them was swept."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mine_cli.results.files import read_json

__all__ = ["brief", "job_names", "key_and_value", "short_keys", "swept_keys", "swept_of"]

LONGEST = 120  # bytes of a folder's name, which file systems end at 255
UNFIT = re.compile(r"[^\w.,=+\-\[\]() %°]+")


def key_and_value(override: str) -> tuple[str, str]:
    """Returns the two sides of an override, without Hydra's `+`, `++` and outer quotes."""
    key, _, value = override.partition("=")
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    return key.lstrip("+"), value


def job_names(every: Sequence[Sequence[str]]) -> list[str]:
    """Returns a folder's name for each job, such as ``bound=mine,seed=0``; no two are alike.

    A single job is called by its number, and so is, at the end, whose name would be too long.

    Arguments:
        every: The overrides of all jobs.
    """
    settings = [dict(map(key_and_value, overrides)) for overrides in every]
    keys = swept_keys(settings)
    short = short_keys(keys)
    values = {key: brief([job.get(key, "") for job in settings]) for key in keys}
    names: list[str] = []
    for number, job in enumerate(settings):
        parts = (f"{short[key]}={values[key][job[key]]}" for key in keys if key in job)
        name = UNFIT.sub("-", ",".join(parts)).strip(" .")
        whole = name.encode()
        if not name or len(whole) > LONGEST or name in names:
            cut = whole[:LONGEST].decode(errors="ignore").rstrip(" .,")
            name = f"{cut},{number}".lstrip(",")
        names.append(name)
    return names


def swept_keys(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """Returns the keys whose values are not the same in all jobs, in the order of the jobs."""
    every = dict.fromkeys(key for job in settings for key in job)
    return [key for key in every if len({job.get(key) for job in settings}) > 1]


def short_keys(keys: Iterable[str]) -> dict[str, str]:
    """Returns each key's last word, or the key where another ends in the same."""
    last = {key: key.rpartition(".")[2] for key in keys}
    ends = list(last.values())
    return {key: end if ends.count(end) == 1 else key for key, end in last.items()}


def brief(values: Sequence[str]) -> dict[str, str]:
    """Returns how the values of a key are shown: paths without the folders that all share."""
    there = [value for value in dict.fromkeys(values) if value]
    if len(there) > 1 and all("/" in value for value in there):
        try:
            shared = os.path.commonpath(there)
        except ValueError:  # an absolute path beside a relative one
            shared = ""
        return {value: os.path.relpath(value, shared) if shared else value for value in values}
    return {value: value for value in values}


def swept_of(folder: Path) -> dict[str, str]:
    """Returns what was swept of a job, key -> value as typed; empty of a run by itself."""
    path = folder.parent / "sweep.json"
    if not path.exists():
        return {}
    jobs = read_json(path).get("jobs") or []
    settings = [dict(map(key_and_value, job["overrides"])) for job in jobs]
    own = [s for s, job in zip(settings, jobs, strict=True) if job["folder"] == folder.name]
    return {key: own[0][key] for key in swept_keys(settings) if own and key in own[0]}
