"""The golden check of a refactoring: the same numbers, bit for bit, before and after.

    python scripts/golden.py record FOLDER     on the commit before the change
    python scripts/golden.py check FOLDER      on each commit of it
    python scripts/golden.py check FOLDER gan  of these trainings alone, while at work

Six small trainings are run: the default, two folds, a generator, a bottleneck on arrays, a fused
sweep of four, and a run that is resumed. What they leave in metrics.csv and result.json is kept as
`golden.json`, but for timings, fingerprints and the modules that classes live in. Numbers are
those of one machine: record and check on the same.
"""

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

COMMANDS = {
    "default": ["trainer.steps=600"],
    "folds": ["dataset.n=2000", "folds=2", "portfolio=none", "trainer.steps=300"],
    "gan": ["task=gan", "trainer.steps=60", "trainer.evaluate_every=30", "task.samples=500"],
    "bottleneck": [
        "task=infobottleneck", "method=mine_additive", "dataset=arrays", "dataset.path=digits.npz",
        "trainer.steps=60", "trainer.batch_size=50", "encoder.widths=[32,32]",
        "encoder.features=4",
    ],
    "sweep": ["-m", "bound=mine,infonce", "seed=0,1", "trainer.steps=200"],
    "resumed": ["trainer.steps=300", "bound=dv", "dataset.n=3000"],
}  # fmt: skip
# What may differ between two commits that compute the same.
VOLATILE = {
    "seconds", "steps_per_second", "peak_memory", "commit", "versions", "fingerprint", "created",
    "evaluation_seconds", "stepping_seconds", "checkpoint_seconds", "logging_seconds",
}  # fmt: skip


def main() -> None:
    """Records, or compares and exits with 1 where something differs."""
    verb, folder, names = sys.argv[1], Path(sys.argv[2]), sys.argv[3:] or list(COMMANDS)
    file = folder / "golden.json"
    with tempfile.TemporaryDirectory() as desk:
        found = run_all(Path(desk), names)
    if verb == "record":
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found, indent=1))
        print(f"{len(found)} files kept in {file}")
        return
    kept = json.loads(file.read_text())
    wanted = {name: found for name, found in kept.items() if name.split("/")[0] in names}
    differing = [name for name in sorted({*found, *wanted}) if found.get(name) != wanted.get(name)]
    for name in differing:
        print(f"{name}: differs at {next(unlike(wanted.get(name), found.get(name)))}")
    print("golden: " + (f"{len(differing)} of {len(wanted)} differ" if differing else "the same"))
    sys.exit(bool(differing))


def run_all(desk: Path, names: Sequence[str]) -> dict[str, Any]:
    """The numbers of every training, by command and file."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1200, 8)).astype(np.float32)
    np.savez(desk / "digits.npz", x=x, z=(x[:, 0] > 0).astype(int) + (x[:, 1] > 0))
    for name in names:
        words = COMMANDS[name]
        place = "hydra.sweep.dir" if "-m" in words else "hydra.run.dir"
        mine_run(desk, *words, f"{place}={name}")
    if "resumed" in names:
        mine_run(desk, "resume=resumed", "trainer.steps=500")
    files = [*desk.glob("*/**/metrics.csv"), *desk.glob("*/**/result.json")]
    return {str(file.relative_to(desk)): numbers_of(file) for file in files}


def mine_run(desk: Path, *words: str) -> None:
    """One command; its output is shown where it fails."""
    command = [sys.executable, "-m", "mine_cli", *words]
    done = subprocess.run(command, cwd=desk, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")


def numbers_of(file: Path) -> Any:
    """A file without what depends on the clock, the commit or a class's module."""
    if file.suffix == ".json":
        return steady(json.loads(file.read_text()))
    with file.open(newline="") as lines:
        return [
            {k: v for k, v in row.items() if not k.startswith("time/")}
            for row in csv.DictReader(lines)
        ]


def steady(tree: Any) -> Any:
    """A tree of JSON without volatile keys, classes named without their modules."""
    if isinstance(tree, dict):
        return {
            key: value.rpartition(".")[2] if key == "_target_" else steady(value)
            for key, value in tree.items()
            if key not in VOLATILE
        }
    return [steady(value) for value in tree] if isinstance(tree, list) else tree


def unlike(wanted: Any, found: Any, where: str = "") -> Any:
    """The places at which two trees differ."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in [*wanted, *(key for key in found if key not in wanted)]:
            yield from unlike(wanted.get(key), found.get(key), f"{where}/{key}")
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for index, pair in enumerate(zip(wanted, found, strict=True)):
            yield from unlike(*pair, f"{where}/{index}")
    elif wanted != found:
        yield f"{where}: {wanted!r} became {found!r}"


if __name__ == "__main__":
    main()
