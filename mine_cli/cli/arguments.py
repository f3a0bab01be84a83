"""The command line, read before Hydra reads it: `dry_run` and `resume` say where output goes."""

import os
import re
from argparse import ArgumentError, ArgumentParser
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from mine_cli.config import processes
from mine_cli.config.overrides import quoted, unquoted
from mine_cli.config.resume import MAY_CHANGE, check_resumable
from mine_cli.config.schemas import SECTIONS
from mine_cli.errors import BadInput, say
from mine_cli.results.files import Result
from mine_cli.results.folder import check_links
from mine_cli.results.provenance import decides_numbers
from mine_cli.sweep.folder import check_trusted, saved_sweep

__all__ = ["for_hydra"]

LOGS_NOTHING = (
    "hydra.output_subdir=null",
    "hydra/job_logging=none",
    "hydra/hydra_logging=none",
)
WITH_A_VALUE = (
    "--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd", "--cfg", "-c",
    "--package", "-p", "--experimental-rerun",
)  # fmt: skip
"""Hydra's flags whose value is the next word."""
INFORMATION = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
"""What may stand behind `--info`, or may not."""
BEYOND_ASCII = re.compile(
    r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")"""  # quoted already
    r"""|([^,\[\](){}=:'"]*(?:[^\x00-\x7f]|~)[^,\[\](){}=:'"]*)"""
)
WRITES_NOTHING = (*LOGS_NOTHING, "hydra.mode=RUN", "hydra.run.dir=.")


def for_hydra(arguments: Sequence[str]) -> list[str]:
    """The arguments that Hydra is given in place of the user's.

    Of several processes all but the first log nothing and make no folder.

    Raises:
        BadInput: where `resume` names no run of ours, or something stands beside it that may
            not change; for a YAML that cannot be read; for a group without an option, which Hydra
            answers with a traceback.
    """
    check_own_yaml(arguments)
    arguments = [every_letter(a) for a in arguments]
    words = [a.split("=", 1) for a in arguments if "=" in a and not a.startswith("-")]
    given = dict(words)
    faults = [f"{g}=null: want one of its options, or leave it out" for g in empty(given)]
    faults += [f"{k}={v[:9]}...: too large a number" for k, v in words if huge(v)]
    faults += [
        f"{a}: want KEY=VALUE" for a in arguments if a and not a.split("=")[0].strip("+~@ ")
    ]
    if given.get("resume") == "":
        faults.append("resume=: want the folder of an earlier run, or leave it out")
    if given.get("sweep_dir") in ("null", ""):
        faults.append(f"sweep_dir={given['sweep_dir']}: want a folder, or leave it out")
    if faults:
        raise BadInput(*faults)
    arguments = [option_in_words(a) for a in flags_first(arguments)]
    folder = unquoted(given["resume"]) if "resume" in given else "None"
    if folder not in ("None", ""):
        return resuming(Path(folder), arguments)
    if "sweep_dir" in given:
        others = [a for a in arguments if not a.startswith("sweep_dir=")]
        return for_hydra([*others, f"hydra.sweep.dir={quoted(unquoted(given['sweep_dir']))}"])
    if any(is_true(word, "dry_run") for word in arguments):
        if {"-m", "--multirun"} & set(arguments):  # its sweeper writes nothing
            return list(arguments)
        return [*arguments, *WRITES_NOTHING]
    if processes.rank():
        return [*arguments, *LOGS_NOTHING, "hydra.run.dir=."]
    return list(arguments)


def flags_first(arguments: Sequence[str]) -> list[str]:
    """`-m` and its like before all overrides: Hydra refuses overrides on both sides of a flag."""
    flags: list[str] = []
    overrides: list[str] = []
    for before, word in pairwise(["", *arguments]):
        informs = before in ("--info", "-i") and word in INFORMATION
        is_flag = word.startswith("-") or before in WITH_A_VALUE or informs
        (flags if is_flag else overrides).append(word)
    return [*flags, *overrides]


def every_letter(argument: str) -> str:
    """`KEY=größe,~/b.csv` as `KEY='größe','~/b.csv'`: to Hydra letters beyond ASCII, and `~`, mean
    nothing outside quotes."""
    key, equals, text = argument.partition("=")
    if not equals or key.startswith("-") or (text.isascii() and "~" not in text):
        return argument
    return f"{key}={BEYOND_ASCII.sub(lambda m: m[1] or quoted(m[2].strip()), text)}"


def option_in_words(argument: str) -> str:
    """`GROUP=3` as `GROUP='3'`: Hydra says what options there are instead of a number or a list,
    for which it has a traceback or half a line; experiments alone may be several."""
    group, equals, text = argument.partition("=")
    name = group.lstrip("+~")
    if not equals or not (name in (*SECTIONS, "experiment") or "/" in name):
        return argument
    try:
        override = OverridesParser.create().parse_override(argument)
        options = list(override.sweep_iterator()) if override.is_choice_sweep() else []
    except HydraException:
        return argument
    several = name not in SECTIONS
    if options:
        words = all(is_option(option, several) for option in options)
        return argument if words else f"{group}={as_words(options)}"
    numbers = override.is_range_sweep() or override.is_interval_sweep()
    if not numbers and (override.is_sweep_override() or is_option(override.value(), several)):
        return argument
    return f"{group}={quoted(text)}"


def huge(text: str) -> bool:
    """Whether a value holds a number beyond all floats, at which OmegaConf stumbles."""
    return re.search(r"\d{309}", text) is not None


def is_option(value: object, several: bool) -> bool:
    """Whether Hydra takes a value for a group's option, or for `several`."""
    words = value if several and isinstance(value, list) else [value]
    return all(isinstance(word, str | dict) for word in words)


def as_words(options: Iterable[object]) -> str:
    return ",".join(quoted(as_word(option)) for option in options)


def as_word(option: object) -> str:
    if option is None:
        return "null"
    return str(option).lower() if isinstance(option, bool) else str(option)


def empty(given: Mapping[str, str]) -> list[str]:
    """The groups that are given no option."""
    return [g for g in (*SECTIONS, "experiment") if given.get(g, "-").lower() in ("null", "")]


def resuming(folder: Path, arguments: Sequence[str]) -> list[str]:
    """What Hydra is given to go on with a run in its own folder, whose `.hydra` stays as it is."""
    others = [a for a in arguments if not a.startswith("resume=")]
    sweep = saved_sweep(folder)
    if sweep is not None:
        return resuming_sweep(folder, sweep, others)
    faults = [
        f"{other}: cannot change when a run is resumed; only {', '.join(MAY_CHANGE)} may"
        for other in others
        if other.split("=", 1)[0] not in MAY_CHANGE or "=" not in other
    ]
    if faults:
        raise BadInput(*faults)
    check_resumable(folder)
    # `++`: the defaults that Hydra composes here need not have dataset.path, the saved
    # configuration has (config.run_configuration puts it in Hydra's place).
    kept = ["++" + other if other.startswith("dataset.") else other for other in others]
    where = [f"resume={quoted(str(folder))}", f"hydra.run.dir={quoted(str(folder))}"]
    silent = LOGS_NOTHING if processes.rank() else ("hydra.output_subdir=null",)
    return [*kept, *where, *silent]


def resuming_sweep(folder: Path, sweep: Result, others: Sequence[str]) -> list[str]:
    """The command of a sweep again, in its own folder and from where it was started.

    Arguments:
        folder: The sweep's.
        sweep: What its sweep.json says.
        others: What was typed beside `resume`; nothing that decides numbers may be.
    """
    trust = any(is_true(other, "trust") for other in others)
    others = [o for o in others if o not in ("-m", "--multirun") and not o.startswith("trust=")]
    faults = [
        f"{other}: cannot change when a sweep is resumed; only what decides no numbers may, such "
        "as hydra/launcher, trainer.device, units, retry_diverged"
        for other in others
        if "=" not in other or decides_numbers(other) or other.startswith("hydra.sweep.dir=")
    ]
    if faults:
        raise BadInput(*faults)
    check_trusted(folder, sweep, trust)
    check_links("resume", folder, os.listdir(folder))
    where = quoted(str(folder.resolve()))
    if Path.cwd() != Path(sweep["cwd"]) and Path(sweep["cwd"]).is_dir():
        say(f"in {sweep['cwd']}, where the sweep was started")
        os.chdir(sweep["cwd"])
    return for_hydra([*sweep["arguments"], *others, f"hydra.sweep.dir={where}"])


def is_true(word: str, key: str) -> bool:
    """Whether a word of the command line sets a key to true."""
    name, _, value = word.partition("=")
    return name == key and value.lower() in ("true", "yes", "on", "1")


def check_own_yaml(arguments: Sequence[str]) -> None:
    """Raise BadInput for broken YAML in the folder of `-cd`; Hydra would show a traceback."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config-dir", "-cd", type=Path)
    try:
        folder = parser.parse_known_args(arguments)[0].config_dir
    except ArgumentError:  # the folder is missing: Hydra's own parser tells
        return
    faults = []
    if folder is not None and not folder.is_dir():
        faults.append(f"-cd {folder}: no such folder")
    for file in sorted(folder.rglob("*.yaml")) if folder is not None else ():
        try:
            yaml.compose(file.read_text(encoding="utf-8"))
        except yaml.MarkedYAMLError as stop:
            mark = stop.problem_mark
            where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
            faults.append(f"{file}{where}: no YAML: {stop.problem}")
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as stop:
            faults.append(f"{file}: no YAML: {' '.join(str(stop).split())}")
    if faults:
        raise BadInput(*faults)
