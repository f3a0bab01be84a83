"""The program from Python: the command line's numbers, its folder, and its faults."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.version import getbase

import mine_cli
from mine_cli.api import composed, experiment_on, keep_configuration
from mine_cli.errors import BadInput
from mine_cli.tasks import run as runs
from mine_cli.tasks.registry import checked
from tests.program import run

QUICK: dict[str, Any] = {
    "trainer.steps": 60,
    "trainer.batch_size": 64,
    "trainer.device": "cpu",
    "trainer.progress": False,
    "references": "none",
    "network.widths": [16],
}
# What a run's place and time decide.
NOT_COMPARED = {"dataset", "seconds", "steps_per_second", "fingerprint", "references"}


def rows(n: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 2))
    return x, x + rng.normal(size=(n, 2))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[mine_cli.Estimate, Path]:
    """An estimate that was kept in a folder."""
    folder = tmp_path_factory.mktemp("api") / "run"
    return mine_cli.estimate(*rows(), folder=folder, **QUICK), folder


def test_importing_the_package_imports_no_torch() -> None:
    look = "import sys, mine_cli; dir(mine_cli); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_defaults_are_the_command_s() -> None:
    made = experiment_on(*rows()).cfg
    typed = composed(["dataset=arrays", "dataset.path=memory"])
    for part in ("network", "bound", "marginals", "task"):
        assert made[part] == typed[part]
    assert made.trainer.weight_decay == typed.trainer.weight_decay
    assert made.trainer.lr == typed.trainer.lr


def test_names_of_the_package() -> None:
    assert set(mine_cli.__all__) <= set(dir(mine_cli))
    for name in mine_cli.__all__:
        assert getattr(mine_cli, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = mine_cli.no_such_name


@pytest.mark.slow
def test_numpy_torch_and_the_command_agree_bit_for_bit(
    kept: tuple[mine_cli.Estimate, Path], tmp_path: Path
) -> None:
    x, z = rows()
    of_torch = mine_cli.estimate(torch.from_numpy(x), torch.from_numpy(z), **QUICK)
    np.savez(tmp_path / "my.npz", x=x, z=z)
    overrides = [f"{key}={value}" for key, value in QUICK.items()]
    folder = tmp_path / "run"
    data = ("dataset=arrays", "dataset.path=my.npz")
    done = run(tmp_path, *data, f"hydra.run.dir={folder}", *overrides)
    assert done.returncode == 0, done.stderr
    # As it is meant for a terminal: no dates, no loggers' names.
    assert "\nmi-estimate: Arrays path=my.npz, MLP, Mine, Derangement\n" in done.stdout
    of_command = json.loads((folder / "result.json").read_text())
    of_numpy = kept[0]
    assert of_numpy.mi == of_torch.mi == of_command["estimate"]
    assert of_numpy.curve == of_torch.curve
    assert of_numpy.standard_error == of_torch.standard_error == of_command["standard_error"]
    assert of_numpy.lower_bound == of_command["lower_bound"]
    assert of_numpy.status == of_command["status"]
    for key in of_command.keys() - NOT_COMPARED:
        assert of_numpy.result[key] == of_command[key], key


def test_a_folder_holds_what_a_run_of_the_command_does(
    kept: tuple[mine_cli.Estimate, Path],
) -> None:
    found, folder = kept
    saved = json.loads((folder / "result.json").read_text())
    assert saved["estimate"] == found.mi
    for name in ("metrics.csv", "mine-run.log", ".hydra/config.yaml", "checkpoints/best.pt"):
        assert (folder / name).is_file()
    with pytest.raises(BadInput, match="holds a run already"):
        mine_cli.estimate(*rows(), folder=folder, **QUICK)


def test_a_sweep_s_folder_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text('{"schema": 1}')
    with pytest.raises(BadInput, match="holds a sweep"):
        mine_cli.estimate(*rows(), folder=tmp_path, **QUICK)
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.json"]


def test_without_a_folder_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mine_cli.estimate(*rows(), **QUICK)
    assert list(tmp_path.iterdir()) == []


def test_a_loaded_term_scores_new_rows_as_the_run_did(
    kept: tuple[mine_cli.Estimate, Path],
) -> None:
    found, folder = kept
    term = mine_cli.load(folder)
    x, z = map(torch.from_numpy, rows())
    report = torch.from_numpy(np.load(folder / "split.npz")["report_0"])
    scores = term.pointwise(x[report], z[report])
    assert scores.shape == (len(report),)
    # The constant is that of the select rows, so that the mean is near the estimate, not at it.
    assert found.mi is not None
    assert float(scores.mean()) == pytest.approx(found.mi, abs=0.1)
    # A row's score does not depend on what it is scored with, and does on its partner.
    assert torch.allclose(term.pointwise(x[:5], z[:5]), term.pointwise(x, z)[:5], atol=1e-6)
    assert float(term.pointwise(x, z.roll(1, 0)).mean()) < float(scores.mean())


@pytest.mark.slow
def test_a_loaded_committee_of_folds_is_the_mean_of_its_networks(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    x, z = rows()
    found = mine_cli.estimate(x[:, 0], z[:, 0], folder=folder, folds=3, **QUICK)
    assert found.result["fold_sd"] > 0
    assert len(found.result["metrics"]["fold_estimates"]) == 3
    term = mine_cli.load(folder)
    x_row, z_row = (torch.from_numpy(side[:7, 0]) for side in (x, z))
    scores = term.pointwise(x_row, z_row)
    assert scores.shape == (7,)
    assert torch.allclose(scores, term.pointwise(x_row[:, None], z_row[:, None]), atol=1e-6)
    committee = term.network.network
    each = [scorer(x_row[:, None], z_row[:, None]) for scorer in committee.scorers]
    assert len(each) == 3
    assert torch.allclose(scores.double(), torch.stack(each).double().mean(0), atol=1e-6)


def test_load_of_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a run of mine-run"):
        mine_cli.load(tmp_path)
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text("lr: 1\n")
    with pytest.raises(BadInput, match="another program's"):
        mine_cli.load(tmp_path)


def test_inside_another_hydra_program(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("mine: 1\n")
    with hydra.initialize_config_dir(str(tmp_path), version_base="1.2"):
        outer = GlobalHydra.instance().hydra
        assert mine_cli.estimate(*rows(), **QUICK).mi is not None
        assert GlobalHydra.instance().hydra is outer
        assert hydra.compose("config") == {"mine": 1}
        assert str(getbase()) == "1.2"


def test_the_callers_random_streams_and_threads_are_left_alone(
    request: pytest.FixtureRequest,
) -> None:
    request.addfinalizer(partial(torch.set_num_threads, torch.get_num_threads()))
    torch.set_num_threads(2)
    of_torch, of_numpy = torch.get_rng_state(), np.random.get_state()[1].tolist()
    mine_cli.estimate(*rows(), **QUICK)
    assert torch.equal(torch.get_rng_state(), of_torch)
    assert np.random.get_state()[1].tolist() == of_numpy
    assert torch.get_num_threads() == 2


def test_groups_and_classes(tmp_path: Path) -> None:
    x, _ = rows()
    species = np.where(x[:, 0] > 0, "left", "right")
    groups = np.repeat(np.arange(100), 10)
    folder = tmp_path / "run"
    found = mine_cli.estimate(
        x, species, categorical=["z"], groups=groups, folder=folder, **QUICK | {"trainer.lr": 0.02}
    )
    assert found.result["split"] == "groups:groups"
    with np.load(folder / "split.npz") as split:
        parts = [set(groups[split[name]]) for name in ("fit_0", "select_0", "report_0")]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 100
    assert found.mi is not None
    assert found.mi > 0.2  # the truth is log 2
    term = mine_cli.load(folder)
    assert term.codings["z"].classes == {"z": ["left", "right"]}
    one_hot = torch.from_numpy(species == "right")[:, None] == torch.tensor([False, True])
    as_they_are = term.pointwise(x[:9], species[:9])
    assert torch.equal(as_they_are, term.pointwise(torch.tensor(x[:9]), one_hot[:9].float()))
    with pytest.raises(BadInput, match="up: no class of the training rows"):
        term.pointwise(x[:2], np.array(["left", "up"]))
    assert found.result["groups"] == 100
    assert 0 < found.result["p_value"] < 1


@pytest.mark.parametrize(
    ("x", "z", "fault"),
    [
        (np.zeros((200, 2)), np.zeros(300), "x has 200, z has 300"),
        (np.zeros((200, 2)), np.arange(200.0), "the same value in every row"),
        (np.arange(20.0), np.arange(20.0), "want at least 100"),
        (np.array(3.0), np.arange(200.0), "a single value"),
        (np.arange(200) * 1j, np.arange(200.0), "want plain real numbers"),
        (np.full(200, np.nan), np.arange(200.0), "NaN"),
        ([[1, 2], [3]], np.arange(200.0), "x: "),
    ],
)
def test_bad_shapes_are_bad_input(x: Any, z: Any, fault: str) -> None:
    with pytest.raises(BadInput, match=fault):
        mine_cli.estimate(x, z, **QUICK)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"bound": "no_such"}, "no_such"),
        ({"trainer.no_such": 1}, "no_such"),
        ({"trainer.steps": "many"}, "many"),
        ({"trainer.lr": -1.0}, "trainer.lr=-1.0: must be above 0|trainer.lr=-1.0: must"),
        ({"dataset": "gaussian"}, "x and z are the data"),
        ({"dataset.path": "my.npz"}, "x and z are the data"),
        ({"resume": "somewhere"}, "resume"),
        ({"trainer.batch_size": 5000}, "larger than the 711 rows"),
        ({"split": "groups:subject"}, "no groups"),
    ],
)
def test_bad_keys_and_values_are_bad_input(given: dict[str, Any], fault: str) -> None:
    with pytest.raises(BadInput, match=fault):
        mine_cli.estimate(*rows(), **QUICK | given)


def test_values_reach_hydra_as_they_are(tmp_path: Path) -> None:
    options = tmp_path / "my conf, with=signs"
    (options / "network").mkdir(parents=True)
    (options / "network" / "own.yaml").write_text(
        "_target_: mine_cli.networks.MLP\nwidths: [8]\nactivation: tanh\n"
    )
    given = {key: value for key, value in QUICK.items() if not key.startswith("network")}
    given |= {"hydra.searchpath": [f"file://{options}"], "task.negatives": None}
    found = mine_cli.estimate(*rows(), network="own", **given)
    assert found.result["network"]["widths"] == [8]
    assert str(found).startswith("Estimate(mi=")
    assert "result" not in str(found)


def test_other_rows_have_another_fingerprint() -> None:
    x, z = np.random.default_rng(0).normal(size=(2, 300, 1))
    options = {"trainer.steps": 2, "trainer.batch_size": 32, "references": "none"}
    first, again, other = (
        mine_cli.estimate(x, side, **options).result["fingerprint"] for side in (z, z, z + 1)
    )
    assert first == again
    assert first != other


def test_a_loaded_run_refuses_rows_of_another_shape(tmp_path: Path) -> None:
    x, z = np.random.default_rng(0).normal(size=(2, 300, 2))
    options = {"trainer.steps": 2, "trainer.batch_size": 32, "references": "none"}
    mine_cli.estimate(x, z, folder=tmp_path / "run", **options)
    term, x, z = mine_cli.load(tmp_path / "run"), torch.tensor(x), torch.tensor(z)
    assert term.pointwise(x, z).shape == (300,)
    with pytest.raises(
        BadInput, match=r"z has rows of shape \(1,\); the run was trained on \(2,\)"
    ):
        term.pointwise(x, z[:, :1])
    with pytest.raises(BadInput, match="x has 300 rows and z has 299"):
        term.pointwise(x, z[1:])


# The generator of a run


@pytest.fixture(scope="module")
def adversarial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of task=gan."""
    folder = tmp_path_factory.mktemp("gan")
    few = (
        "trainer.steps=4", "trainer.batch_size=32", "trainer.device=cpu", "task.samples=100",
        "trainer.progress=false", "task.pairs=2000", "task.latent_dim=3", "task.code_dim=2",
        "trainer.tensorboard=false",
    )  # fmt: skip
    cfg = composed(["task=gan", *few])
    keep_configuration(cfg, folder / "run")
    runs.run(checked(cfg), folder / "run")
    return folder / "run"


def test_a_generator_is_the_one_that_was_judged(adversarial: Path) -> None:
    sampler = mine_cli.load_generator(adversarial)
    assert (sampler.latent.dim, sampler.latent.code_dim) == (3, 2)
    assert not sampler.generator.training
    samples = sampler.sample(500, seed=1)
    assert samples.shape == (500, 2)
    assert torch.equal(samples, sampler.sample(500, seed=1))
    judged = torch.from_numpy(np.load(adversarial / "samples" / "00000004.npz")["x"])
    # Other latents, the same law: means within five of their standard errors.
    error = (judged.var(0) / 100 + samples.var(0) / 500).sqrt()
    assert ((judged.mean(0) - samples.mean(0)).abs() < 5 * error).all()


def test_a_folder_of_another_task_is_refused(adversarial: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="a run of task=gan; want one of task=mi-estimate"):
        mine_cli.load(adversarial)
    with pytest.raises(BadInput, match="not a run of mine-run"):
        mine_cli.load_generator(tmp_path)
