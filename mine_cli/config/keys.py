"""The keys of the configuration in words, for `mine-run --help` and the reference of keys.

What is said of a key stands beside its default, in the schemas. Imports no torch.
"""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mine_cli.config.hydra_errors import BESIDE_KEYS
from mine_cli.config.rules import Rule
from mine_cli.config.schemas import SECTIONS, Run
from mine_cli.config.validation import schema_of, values_of

__all__ = ["Key", "group_list", "key_list", "keys_of", "root_keys"]

COLUMN, WIDTH = 38, 100


@dataclass(frozen=True)
class Key:
    """One key: its value as it is composed, a sentence about it, and the values that it takes."""

    name: str
    value: str
    says: str
    range: str

    @property
    def in_words(self) -> str:
        return " ".join(filter(None, (self.says, f"{self.range}." if self.range else "")))


def keys_of(node: DictConfig, schema: type | None, prefix: str = "") -> Iterator[Key]:
    """The keys of a section; of a user's own, for which there is no schema, without a sentence."""
    told: dict[str, Any] = {f.name: f.metadata for f in fields(schema)} if schema else {}
    for name, value in values_of(node, resolve=False).items():
        if name != "_target_" or schema is None:
            about = told.get(name, {})
            says, allowed = about.get("says", ""), range_of(about.get("rule"))
            yield Key(f"{prefix}{name}", typed(value), says, allowed)


def range_of(rule: Rule | None) -> str:
    """The values that a rule allows: its words without `must be` or `must lie`."""
    words = re.sub("^must (be|lie) ", "", rule.says) if rule is not None else ""
    return words[:1].upper() + words[1:]


def root_keys(cfg: DictConfig) -> Iterator[Key]:
    """The keys that stand in no section, and what is typed as if it were one."""
    own = OmegaConf.masked_copy(cfg, [str(k) for k in cfg if k not in (*SECTIONS, "hydra")])
    yield from keys_of(own, Run)
    for name, says in BESIDE_KEYS.items():
        yield Key(name, "FOLDER", says, "")


def typed(value: object) -> str:
    """A value as the command line takes it."""
    if isinstance(value, list):
        return f"[{','.join(map(typed, value))}]"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def key_list(*, _root_: DictConfig) -> str:
    """Every key as composed, with its sentence, for `--help`; what is chosen heads its keys."""
    lines = [line for key in root_keys(_root_) for line in columns(key)]
    says = {f.name: f.metadata.get("says", "") for f in fields(Run)}
    for section in SECTIONS:
        node, choice = _root_[section], _root_.hydra.runtime.choices.get(section)
        heading = columns(Key(section, typed(choice), says[section], ""))
        lines += ["", *heading] if isinstance(node, DictConfig) else heading
        if isinstance(node, DictConfig):
            for key in keys_of(node, schema_of(section, node), f"{section}."):
                lines += columns(key, indent="    ")
    return "\n".join(lines).replace("$", "$$")  # Hydra's template reads a single one itself


def columns(key: Key, indent: str = "  ") -> list[str]:
    """KEY=VALUE on the left and what is said of it on the right, below where there is no room."""
    left, margin = f"{indent}{key.name}={key.value}", " " * COLUMN
    right = textwrap.wrap(key.in_words, WIDTH - COLUMN)
    if not right or len(left) >= COLUMN:
        return [left, *(margin + line for line in right)]
    return [f"{left:{COLUMN}}{right[0]}", *(margin + line for line in right[1:])]


def group_list(*, _root_: DictConfig) -> str:
    """The groups and their options for `--help`, from every folder on Hydra's search path."""
    groups: dict[str, set[str]] = {}
    for source in _root_.hydra.runtime.config_sources:
        if source.schema == "file" and source.provider != "hydra":
            for file in Path(source.path).glob("*/**/*.yaml"):
                group, *option = file.relative_to(source.path).with_suffix("").parts
                if group != "hydra":  # Hydra's own groups: see --hydra-help
                    groups.setdefault(group, set()).add("/".join(option))
    width = max(map(len, groups), default=0)
    return "\n".join(wrapped(f"  {g:{width}}  ", sorted(groups[g])) for g in sorted(groups))


def wrapped(label: str, options: Sequence[str]) -> str:
    return textwrap.fill(
        ", ".join(options),
        WIDTH,
        initial_indent=label,
        subsequent_indent=" " * len(label),
        break_on_hyphens=False,
    )
