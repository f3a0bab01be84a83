"""The house stays as drawn: who may import whom, no circle, and where torch may be."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mine_cli"
LEVELS = 11

# Room -> the rooms, or single modules, that it may import. A room may import itself.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "bounds": {"errors"},
    "marginals": {"errors"},
    "config": {"errors"},
    "results": {"errors", "config.processes"},
    "networks": {"errors"},
    "training": {"errors", "config", "results"},
    "figures": {"errors", "results"},
    "estimator": {"errors", "bounds", "marginals", "networks", "training"},
    "data": {"errors"},
    "tasks": {
        "errors", "bounds", "marginals", "config", "results", "networks", "training", "figures",
        "estimator", "data",
    },
    "sweep": {"errors", "config", "results", "training", "tasks"},
    "api": {"errors", "config", "data", "tasks", "sweep.folder", "figures.report.run"},
    # A door beside `api`, and the only module that imports scikit-learn, an extra.
    "sklearn": {"errors", "api", "data", "estimator", "tasks", "training"},
    "screening": {"errors", "api", "config", "data", "results", "tasks", "figures.report.screen"},
}  # fmt: skip
# Single modules that may do more than their room.
BESIDES = {
    "networks.classifier": {"results.checkpoint"},
    "data.digits": {"networks.classifier"},
}
# What is read and drawn from files, and the command before it runs, does without torch.
WITHOUT_TORCH = (
    "mine_cli", "mine_cli.cli", "mine_cli.config.compose", "mine_cli.errors", "mine_cli.figures",
    "mine_cli.results.folder", "mine_cli.results.ledger", "mine_cli.results.sweep_table",
    "mine_cli.sweep.folder", "mine_cli.sweep.plugins.hydra_plugins.mine_run.launcher",
    "mine_cli.sweep.plugins.hydra_plugins.mine_run.sweeper",
)  # fmt: skip
SLICES = ("mi_estimate", "gan", "infobottleneck", "ali", "screen")

Graph = dict[str, dict[str, bool]]
"""Module -> the modules that it imports -> whether already when it is imported itself."""


def name_of(file: Path, package: Path) -> str:
    """A module's name without the package's, "" for the package itself."""
    parts = file.relative_to(package).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports_of(file: Path, modules: set[str]) -> Iterator[tuple[str, bool]]:
    """The modules of the package that a file imports, and whether at its own import."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    late = {
        node
        for scope in ast.walk(tree)
        if isinstance(scope, ast.FunctionDef | ast.Lambda) or is_type_checking(scope)
        for node in ast.walk(scope)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [
                name if name.removeprefix("mine_cli.") in modules else str(node.module)
                for name in whole
            ]
        else:
            continue
        for name in names:
            if name.partition(".")[0] == "mine_cli":
                yield name.removeprefix("mine_cli").removeprefix("."), node not in late


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def graph_of(package: Path) -> Graph:
    """Who imports whom in a package."""
    files = {name_of(file, package): file for file in sorted(package.rglob("*.py"))}
    graph: Graph = {name: {} for name in files}
    for name, file in files.items():
        for other, early in imports_of(file, set(files)):
            graph[name][other] = graph[name].get(other, False) or early
    return graph


@cache
def house() -> Graph:
    return graph_of(PACKAGE)


def trespasses(graph: Graph) -> list[str]:
    """Every import against the table."""
    found = []
    for name, others in graph.items():
        room = name.partition(".")[0]
        if room not in MAY_IMPORT:  # the doors: __init__, __main__, cli
            continue
        allowed = MAY_IMPORT[room] | BESIDES.get(name, set()) | {room}
        for other in others:
            if other.partition(".")[0] not in allowed and other not in allowed:
                found.append(f"{name} imports {other}")
            slices = [part.split(".")[1] for part in (name, other) if part.startswith("tasks.")]
            if len(slices) == 2 and set(slices) <= set(SLICES) and len(set(slices)) == 2:
                found.append(f"{name} imports {other}: one task's slice another's")
    return found


def levels_of(graph: Graph) -> dict[str, int]:
    """On which level each module, or room, stands: one above the highest that it imports.

    Late imports count as well.

    Raises:
        ValueError: for a circle.
    """
    levels: dict[str, int] = {}

    def level(name: str, above: tuple[str, ...]) -> int:
        if name in above:
            raise ValueError(" -> ".join([*above[above.index(name) :], name]))
        if name not in levels:
            below = [level(other, (*above, name)) for other in graph.get(name, {})]
            levels[name] = 1 + max(below, default=0)
        return levels[name]

    for name in graph:
        if name:  # the package's own door names everything, late
            level(name, ())
    return levels


def test_nobody_imports_against_the_table() -> None:
    assert trespasses(house()) == []


def test_every_room_stands_in_the_table() -> None:
    rooms = {name.partition(".")[0] for name in house()} - {"", "__main__", "cli"}
    assert rooms == set(MAY_IMPORT)


def test_no_circle_and_few_levels() -> None:
    modules = {name: {o: e for o, e in others.items() if o} for name, others in house().items()}
    assert levels_of(modules)["errors"] == 1
    rooms: Graph = {name.partition(".")[0]: {} for name in modules}
    for name, others in modules.items():
        room = name.partition(".")[0]
        rooms[room] |= {o.partition(".")[0]: True for o in others} | {"errors": True}
        rooms[room].pop(room, None)
    assert max(levels_of(rooms).values()) <= LEVELS


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("results/files.py", "from mine_cli.training.device import device"),
        ("bounds.py", "import mine_cli.networks"),
        ("figures/curve.py", "def late():\n    from mine_cli.tasks import run"),
        ("tasks/gan/losses.py", "from mine_cli.tasks.mi_estimate import parts"),
        ("data/gaussian.py", "from mine_cli.networks import MLP"),
    ],
)
def test_a_planted_import_is_found(module: str, line: str, tmp_path: Path) -> None:
    planted, name = tmp_path / "planted.py", module.removesuffix(".py").replace("/", ".")
    planted.write_text((PACKAGE / module).read_text(encoding="utf-8") + f"\n{line}\n")
    changed = {**house(), name: dict(imports_of(planted, set(house())))}
    (found,) = set(trespasses(changed)) - set(trespasses(house()))
    assert found.startswith(f"{name} imports ")


def test_a_planted_circle_is_found() -> None:
    graph = {"config.rules": {"config.schemas": True}, "config.schemas": {"config.rules": False}}
    with pytest.raises(ValueError, match=r"config.rules -> config.schemas -> config.rules"):
        levels_of(graph)


def test_without_torch() -> None:
    code = (
        "import importlib, sys\n"
        f"for name in {WITHOUT_TORCH!r}:\n"
        "    importlib.import_module(name)\n"
        "    assert 'torch' not in sys.modules, name\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_entrance_hall_is_small() -> None:
    files = {file.name for file in PACKAGE.iterdir() if file.is_file()}
    wanted = {
        "__init__.py", "__main__.py", "api.py", "bounds.py", "errors.py", "marginals.py",
        "sklearn.py",
        "screening.py",
    }  # fmt: skip
    assert files - {"py.typed"} == wanted


def test_scikit_learn_is_imported_by_its_own_door_alone() -> None:
    importing = [
        name_of(file, PACKAGE)
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        and "sklearn" in {name.partition(".")[0] for name in imported_by(node)}
    ]
    assert {*importing} == {"sklearn"}


def imported_by(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The modules that a statement names."""
    if isinstance(node, ast.ImportFrom):
        return [str(node.module)]
    return [alias.name for alias in node.names]
