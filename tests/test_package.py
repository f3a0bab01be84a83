"""The built wheel: the files it holds, and a run from it in an environment of its own."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from mine_cli.config.compose import conf_dir

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parent.parent


def call(*arguments: str | Path, cwd: Path, timeout: int = 300) -> str:
    """Run a program that must succeed; its output."""
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        list(map(str, arguments)),
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as for a release: the source distribution, then the wheel from that."""
    folder = tmp_path_factory.mktemp("dist")
    call(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=folder)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it; its folder of programs."""
    folder = tmp_path_factory.mktemp("environment")
    return installed(folder, "--no-index", "--force-reinstall", str(wheel))


@pytest.fixture(scope="module")
def editable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with an editable install of the checkout; its folder of programs."""
    return installed(tmp_path_factory.mktemp("editable"), "--editable", str(ROOT))


def installed(folder: Path, *what: str) -> Path:
    """A fresh environment in a folder with this package in it; its folder of programs.

    The libraries are those of the environment that runs the tests, to download none again; this
    package is not among them, for an editable install is read from a .pth file, and those count
    only in an environment's own folder.
    """
    call(sys.executable, "-m", "venv", folder, cwd=folder)
    python = folder / "bin" / "python"
    purelib = call(
        python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder
    )
    (Path(purelib.strip()) / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    call(python, "-m", "pip", "install", "--no-deps", *what, cwd=folder)
    return folder / "bin"


def test_wheel_holds_every_yaml_and_module_of_the_checkout(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    conf = Path(conf_dir())
    assert {name for name in held if name.endswith(".yaml")} == {
        f"mine_cli/conf/{file.relative_to(conf)}" for file in conf.rglob("*.yaml")
    }
    # Hydra's plugins lie at the top of the wheel, in a namespace that other packages share.
    assert {name for name in held if name.endswith(".py")} == {
        str(file.relative_to(ROOT)).removeprefix("mine_cli/sweep/plugins/")
        for file in (ROOT / "mine_cli").rglob("*.py")
    }
    assert "mine_cli/py.typed" in held
    assert "hydra_plugins/__init__.py" not in held
    tops = {name.split("/")[0] for name in held if ".dist-info" not in name}
    assert tops == {"mine_cli", "hydra_plugins"}


def test_wheel_runs_from_a_foreign_folder(environment: Path, tmp_path: Path) -> None:
    found = call(
        environment / "python", "-c", "import mine_cli; print(mine_cli.__file__)", cwd=tmp_path
    )
    assert Path(found.strip()).is_relative_to(environment.parent)
    search_path = call(environment / "mine-run", "--info", "searchpath", cwd=tmp_path)
    assert str(environment.parent) in search_path
    assert str(ROOT) not in search_path
    call(environment / "mine-run", "trainer=smoke", "trainer.device=cpu", cwd=tmp_path)
    assert len(list(tmp_path.glob("outputs/mi-estimate/*/result.json"))) == 1


@pytest.mark.parametrize("which", ["environment", "editable"])
def test_sweeps_find_their_plugin(
    which: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    programs = request.getfixturevalue(which)
    plugins = call(programs / "mine-run", "--info", "plugins", cwd=tmp_path)
    assert "\t\tGridSweeper\n" in plugins
    small = ("trainer=smoke", "trainer.device=cpu", "references=none", "task.pairs=10000")
    shown = call(programs / "mine-run", "-m", *small, "seed=0,1", "sweep_dir=sweep", cwd=tmp_path)
    assert "sweep of 2 jobs" in shown
    assert len(list(tmp_path.glob("sweep/*/result.json"))) == 2
