"""What a type checker tells a user of the library, whose script it reads beside the package."""

import inspect
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import mine_cli
from mine_cli.api import NOT_HERE, Overrides
from mine_cli.config.schemas import SECTIONS, USES, Run

ROOT = Path(__file__).resolve().parent.parent
# The libraries' own types take a minute to read, and decide nothing here.
SETTINGS = """
[mypy]
strict = true
[mypy-torch.*,numpy.*,hydra.*,omegaconf.*,scipy.*,matplotlib.*]
follow_imports = skip
follow_imports_for_stubs = true
"""
GOOD = """\
from typing import Any

import mine_cli
from mine_cli.networks import MLP

x, z = [[0.0], [1.0]], [[0.0], [1.0]]
found = mine_cli.estimate(x, z, bound="dv", folds=2, marginals="shuffle", folder="run")
nats: float | None = found.mi
options: dict[str, Any] = {"trainer.steps": 100, "network.widths": [8]}
other: mine_cli.Estimate = mine_cli.estimate(x, z, "mine_f", "mlp", 1, **options)
term: mine_cli.MutualInformation = mine_cli.load("run")
mine_cli.MutualInformation(MLP((2,), (2,)), bound="mine", lr=1e-3)
reveal_type(mine_cli.estimate(x, z))
"""


MISTAKES = {
    'mine_cli.estimate(x, z, bond="mine")': '"bond" for "estimate"; did you mean "bound"?',
    'mine_cli.estimate(x, z, folds="2")': 'Argument "folds" to "estimate" has incompatible type',
    'mine_cli.estimate(x, z, dataset="gaussian")': '"dataset" for "estimate"',
    "mine_cli.estimate(x, z).me": '"Estimate" has no attribute "me"',
    "mine_cli.estimat(x, z)": 'Module has no attribute "estimat"; maybe "estimate"',
}


def test_a_script_is_checked_against_the_package(tmp_path: Path) -> None:
    (tmp_path / "mypy.ini").write_text(SETTINGS)
    (tmp_path / "good.py").write_text(GOOD)
    head = "import mine_cli; x, z = [0.0, 1.0], [1.0, 0.0]"
    (tmp_path / "mistaken.py").write_text("\n".join([head, *MISTAKES]))
    # This checkout is among the installed packages, of which mypy reads those with a py.typed.
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "good.py", "mistaken.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path, "MYPYPATH": ""},
        capture_output=True,
        text=True,
    )
    assert 'good.py:13: note: Revealed type is "mine_cli.api.Estimate"' in done.stdout, done.stderr
    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    for number, (error, named) in enumerate(zip(errors, MISTAKES.values(), strict=True), start=2):
        assert error.startswith(f"mistaken.py:{number}: ")
        assert named in error


def test_every_key_of_an_estimate_is_a_typed_one() -> None:
    """A new key of the configuration's root needs a line in `Overrides`, or its use refused."""
    other_tasks = SECTIONS.keys() - {"task", "trainer", *USES["mi-estimate"]}
    keys = {field.name for field in fields(Run)} - NOT_HERE.keys() - other_tasks
    named = inspect.signature(mine_cli.estimate).parameters
    assert Overrides.__annotations__.keys() == keys - named.keys() | {"experiment"}
