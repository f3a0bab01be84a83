"""Every key of the configuration is told in a sentence, which `--help` and the reference show."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from mine_cli.config.compose import conf_dir
from mine_cli.config.hydra_errors import BESIDE_KEYS
from mine_cli.config.keys import WIDTH, keys_of, root_keys
from mine_cli.config.schemas import SECTIONS, USES, Run
from tests.inside import answer

SCHEMAS = {
    f"{section}={option}": schema
    for section, options in SECTIONS.items()
    for option, schema in options.items()
} | {"root": Run}
HEADERS = [
    file
    for file in sorted(Path(conf_dir()).glob("*/*.yaml"))
    if file.parent.name not in ("hydra", "experiment")
]


def is_sentence(text: str) -> bool:
    return re.fullmatch(r"[A-Z].{5,110}\.", text) is not None


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
def test_every_key_of_every_schema_has_a_sentence(schema: Any) -> None:
    for field in fields(schema):
        if field.name != "_target_":
            assert is_sentence(field.metadata.get("says", "")), field.name


def test_what_is_typed_as_a_key_and_is_none_has_one_too() -> None:
    assert "sweep_dir" in BESIDE_KEYS
    assert all(map(is_sentence, BESIDE_KEYS.values()))


@pytest.mark.parametrize("file", HEADERS, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_every_option_is_told_in_one_sentence_at_its_top(file: Path) -> None:
    first, second, *_ = file.read_text().splitlines()
    assert re.fullmatch(r"# .*\.", first)
    assert not second.startswith("#")


@pytest.mark.parametrize("task", USES)
def test_help_tells_every_key_of_a_task_and_fits_the_terminal(task: str) -> None:
    code, out, err = answer([f"task={task}", "--help"])
    assert code == 0, err
    assert max(map(len, out.splitlines())) <= WIDTH
    told = re.sub(r"\s+", " ", out)
    for name, schema in SCHEMAS.items():
        if name in ("root", f"task={task}", "trainer=default"):
            for field in fields(schema):
                assert field.metadata["says"] in told, field.name
    assert BESIDE_KEYS["sweep_dir"] in told
    assert " sweep_dir=FOLDER " in told


def test_values_are_shown_as_they_are_typed_and_rules_without_must() -> None:
    cfg = OmegaConf.structured(SECTIONS["task"]["mi-estimate"])
    keys = {key.name: key for key in keys_of(cfg, SECTIONS["task"]["mi-estimate"], "task.")}
    assert keys["task.fractions"].value == "[0.8,0.1,0.1]"
    assert (keys["task.negatives"].value, keys["task.patience"].value) == ("null", "4")
    assert keys["task.pairs"].range == "At least 1"
    root = {key.name: key for key in root_keys(OmegaConf.structured(Run))}
    assert (root["seed"].value, root["folds"].value, root["dry_run"].value) == (
        "0",
        "null",
        "false",
    )
    assert root["seed"].in_words == "Seed of every random stream. Between 0 and 2^32 - 1."
    assert not root.keys() & SECTIONS.keys()


def test_keys_of_a_class_without_a_schema_are_shown_as_they_are() -> None:
    (target, width) = keys_of(OmegaConf.create({"_target_": "own.Sum", "width": 3}), None)
    assert (target.value, width.value, width.in_words) == ("own.Sum", "3", "")
