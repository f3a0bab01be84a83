"""Looks at what is there: `show=FOLDER` again as it ended, `compare=[A,B,...]` side by side."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from mine_cli.config.overrides import unquoted
from mine_cli.errors import BadInput, refuse
from mine_cli.results.commands import resume_command
from mine_cli.results.files import read_json, write_json
from mine_cli.results.ledger import Ledger
from mine_cli.results.names import brief, swept_keys
from mine_cli.results.provenance import decides_numbers
from mine_cli.results.summary import summary
from mine_cli.results.sweep_table import table

__all__ = ["looked_at"]

WORDS = ("show", "compare")
UNITS = ("nats", "bits")


def looked_at(arguments: Sequence[str]) -> str | None:
    """Returns what `show` or `compare` say, where one of them is among the arguments.

    Raises:
        BadInput: for a folder that holds neither a run nor a sweep, or other words beside them.
    """
    given = dict(word.split("=", 1) for word in arguments if "=" in word)
    asked = [word for word in WORDS if word in given]
    if not asked:
        return None
    others = [w for w in arguments if w.partition("=")[0] not in (asked[0], "units")]
    refuse(
        f"{other}: {asked[0]} only looks; want units=nats or bits beside it" for other in others
    )
    units = given.get("units", "nats")
    if units not in UNITS:
        raise BadInput(f"units={units}: must be one of {', '.join(UNITS)}")
    folders = folders_of(asked[0], given[asked[0]])
    if asked == ["show"]:
        return "\n\n".join(shown(folder, units) for folder in folders)
    return compared(folders, units)


def folders_of(word: str, text: str) -> list[Path]:
    """Returns the folders that are named, each with a run or a sweep in it."""
    folders: list[Path] = []
    parts = text.removeprefix("[").removesuffix("]").split(",") if word == "compare" else [text]
    while parts:  # a folder's name may have commas, as that of a job does
        names = [unquoted(",".join(parts[:n]).strip()) for n in range(1, len(parts) + 1)]
        there = [n for n, name in enumerate(names, 1) if Path(name).expanduser().exists()]
        taken = there[0] if there else 1
        folders.append(Path(names[taken - 1]).expanduser())
        del parts[:taken]
    refuse(
        f"{word}={folder}: {without(folder)}"
        for folder in folders
        if not is_run(folder) and not is_sweep(folder)
    )
    if word == "compare" and len(folders) < 2 and not any(map(is_sweep, folders)):
        raise BadInput(f"compare={text}: one run: want two or more, compare=[A,B]")
    return folders


def without(folder: Path) -> str:
    """What a folder is that has neither a result nor a sweep."""
    if (folder / "checkpoints").is_dir():
        return f"holds a run without a result yet; go on with: {resume_command(folder)}"
    return "holds no run and no sweep" if folder.is_dir() else "no such folder"


def is_sweep(folder: Path) -> bool:
    return (folder / "sweep.json").exists() or (folder / "multirun.yaml").exists()


def is_run(folder: Path) -> bool:
    return (folder / "result.json").exists()


def shown(folder: Path, units: str) -> str:
    """The summary of a run, or the table of a sweep, as they stood at the end of it."""
    if is_sweep(folder):
        return table(Ledger(folder), units)
    return summary(read_json(folder / "result.json"), units, folder)


def compared(folders: Sequence[Path], units: str) -> str:
    """Sets runs and the jobs of sweeps side by side: their table, and where its files lie.

    What differs in their settings is what was swept of a sweep; a folder takes the files that a
    sweep would have, and leaves the runs where they are.
    """
    from mine_cli import figures  # imports matplotlib

    runs = [run for folder in folders for run in runs_of(folder)]
    settings = [settings_of(run) for run in runs]
    # What some of them lack follows from an option that they differ in.
    keys = [
        k for k in swept_keys(settings) if decides_numbers(k) and all(k in s for s in settings)
    ]
    every = [{key: job[key] for key in keys} for job in settings]
    if len({tuple(job.items()) for job in every}) < len(runs):  # alike: told apart by their places
        names = brief([str(run) for run in runs])
        every = [{"run": names[str(run)], **job} for run, job in zip(runs, every, strict=True)]
    place = Path("outputs") / "compare" / f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}"
    jobs = [
        {"folder": str(run.absolute()), "overrides": [f"{k}={v}" for k, v in job.items()]}
        for run, job in zip(runs, every, strict=True)
    ]
    write_json(place / "sweep.json", {"schema": "comparison", "jobs": jobs})
    ledger = Ledger(place)
    ledger.write()
    figures.compare_jobs(place, units)
    figures.report_of_sweep(place, units)
    return table(ledger, units)


def runs_of(folder: Path) -> list[Path]:
    """Returns the folders of a sweep's jobs, or the folder of a run."""
    return [row.folder for row in Ledger(folder).rows] if is_sweep(folder) else [folder]


def settings_of(run: Path) -> dict[str, str]:
    """Returns a run's configuration by dotted keys, as typed, without what follows from others."""
    path = run / ".hydra" / "config.yaml"
    if not path.exists():
        return {}
    tree = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    assert isinstance(tree, dict)
    return {k: v for k, v in leaves(tree) if "${" not in v}


def leaves(tree: Mapping[Any, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields every value of a tree by its dotted key; an option by its class's last name."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        elif key == "_target_":
            yield prefix.removesuffix("."), str(value).rpartition(".")[2]
        else:
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            yield f"{prefix}{key}", f"[{text}]" if isinstance(value, list) else text
