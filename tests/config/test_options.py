"""Every option of every group, composed from conf/, builds, trains a few steps and reports."""

import inspect
import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

from mine_cli.config.compose import conf_dir
from mine_cli.config.schemas import METHODS, SECTIONS, TAKES, USES
from mine_cli.config.validation import TARGETS, validate
from mine_cli.networks.classifier import ACCURATE, DigitClassifier, save_classifier
from mine_cli.tasks import run
from mine_cli.tasks.registry import checked
from tests import composition
from tests.data.test_folder import pictures
from tests.image_folders import write_images
from tests.options import chosen

COMMON = {
    "schema", "task", "status", "estimate", "true_mi", "true_mi_note", "unit", "dataset", "seed",
    "steps", "seconds", "steps_per_second", "device", "dtype", "metrics", "versions", "commit",
    "fingerprint",
}  # fmt: skip
OF_TERM = {
    "standard_error", "lower_bound", "error", "effective_sample_size", "marginal_pairs", "network",
    "bound", "marginals",
}  # fmt: skip
KEYS = {
    "mi-estimate": COMMON | OF_TERM | {"fit_value", "interval", "fold_sd", "references"},
    "gan": COMMON | OF_TERM | {"generator", "discriminator", "gan"},
    "infobottleneck": COMMON | OF_TERM | {"method", "encoder", "infobottleneck", "trainer"},
    "ali": COMMON | OF_TERM | {"method", "encoder", "generator", "discriminator", "ali"},
    "classifier": COMMON | {"classifier"},
    "screen": COMMON | {"top", "left_out", "outcomes", "folds"},
}
FILES = {
    "mi-estimate": ("figures/curve.png", "checkpoints/best.pt"),
    "gan": (
        "figures/samples.png",
        "figures/progress.png",
        "samples/data.npz",
        "checkpoints/best.pt",
    ),
    "infobottleneck": ("figures/learning.png", "figures/robustness.png", "checkpoints/best.pt"),
    "ali": (
        "figures/generated.png",
        "figures/reconstructions.png",
        "figures/embeddings.png",
        "figures/faithfulness.png",
        "samples/data.npz",
        "checkpoints/best.pt",
    ),
    "classifier": (),
    "screen": ("screen.csv", "figures/screen.png", "report.html"),
}
FEW = [
    "trainer.steps=6", "trainer.batch_size=32", "trainer.device=cpu", "trainer.progress=false",
    "trainer.log_every=2", "trainer.evaluate_every=3",
]  # fmt: skip
FEW_OF = {
    "mi-estimate": [
        "task.select_rows=60", "task.report_rows=80", "task.pairs=4000",
        "task.pairs_during_training=2000",
    ],
    "gan": ["task.samples=100", "task.pairs=2000"],
    "infobottleneck": [
        "task.pairs=2000", "task.pairs_during_training=2000", "task.samples=2",
        "task.attacked_rows=20", "encoder.widths=[16,16]",
    ],
    "ali": ["task.samples=100", "task.pairs=2000", "task.evaluator_steps=3"],
    "classifier": ["task.path=kept.pt"],
    "screen": ["task.widths=[8]"],
}  # fmt: skip
QUICK = [*FEW, *FEW_OF["mi-estimate"]]
CONF = Path(conf_dir())
GROUPS = ("task", *USES["gan"], "method", "encoder", "trainer")
OPTIONS = [
    f"{group}={file.stem}" for group in GROUPS for file in sorted((CONF / group).glob("*.yaml"))
]
JOBS = [
    str(file.relative_to(CONF / "experiment").with_suffix(""))
    for file in sorted((CONF / "experiment").rglob("*.yaml"))
]
SMALL = [
    "generator.channels=[8,8,4,4]", "discriminator.channels=[4,4,8,8]", "network.channels=[4,4,4]",
]  # fmt: skip
"""Of images: at full width a step takes a second."""
BESIDE = {
    "network=conv": ["dataset=image_label"],
    "network=conv_mlp": ["dataset=image_label", "network.channels=[4,4]"],
    "network=conditioned_conv": ["dataset=image_label", "marginals=derangement"],
    "generator=dcgan": ["dataset=stacked_mnist", *SMALL],
    "discriminator=dcgan": ["dataset=stacked_mnist", *SMALL],
    "dataset=stacked_mnist": SMALL,
    "dataset=digits": SMALL,
}
IMAGES = ["dataset=mnist", "generator=dcgan", "encoder=dcgan", "discriminator=joint_conv"]
OF_IMAGES = [
    "generator.channels=[8,8,4,4]", "encoder.channels=[4,4,8,8]",
    "discriminator.channels=[4,4,8,8]", "discriminator.width=8", "network.widths=[8]",
]  # fmt: skip
OF_FOLDER = [
    "dataset=image_folder", "dataset.path=pictures", "dataset.side=32", *IMAGES[1:], *OF_IMAGES,
]  # fmt: skip
BESIDE |= {
    "dataset=image_folder": ["dataset.path=pictures", "dataset.side=32"],
    "encoder=dcgan": [*IMAGES, *OF_IMAGES],
    "discriminator=joint_conv": [*IMAGES, *OF_IMAGES],
}
SHOWN = {
    "deterministic_dropout": "deterministic", "gaussian_additive": "gaussian",
    "js": "jensenshannon", "mlp_wide": "mlp", "mlp_shallow": "mlp", "mlp_deep": "mlp",
    "mnist": "labelledimages",
    "fashion_mnist": "labelledimages",
    "bimodal": "densegaussian",
    "swiss_roll": "densegaussian",
    "spiral_diffeomorphism": "sparsegaussian",
    "mixture": "pairmixture",
}  # fmt: skip
"""Options whose class has another name."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data.npz and 300 images of noise, as MNIST and as Fashion-MNIST.

    A classifier of each lies there too, as bad as an untrained one is.
    """
    folder = tmp_path_factory.mktemp("data")
    for name in ("mnist", "fashion_mnist"):
        save_classifier(folder / f"classifier_{name}.pt", DigitClassifier(), name, 0.1)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    np.savez(folder / "data.npz", x=x, z=x[:, :2] + rng.normal(size=(300, 2)))
    pictures(folder / "pictures")
    return write_images(folder)


def composed(overrides: list[str], data: Path) -> DictConfig:
    return composition.composed(*overrides, f"data_dir={data}", f"cache_dir={data}")


@pytest.fixture(autouse=True)
def any_classifier_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ACCURATE:
        monkeypatch.setitem(ACCURATE, name, 0.0)


def result_of(overrides: list[str], data: Path, folder: Path) -> dict[str, Any]:
    """result.json of a run, after a look at all that a run leaves."""
    cfg = composed(overrides, data)
    task = cfg.task.name
    run.run(checked(cfg), folder)
    result = json.loads((folder / "result.json").read_text())
    assert result.keys() >= KEYS[task]
    assert (result["schema"], result["task"], result["unit"]) == (1, task, "nats")
    assert result["steps"] == (
        result["metrics"]["pairs"] if task == "screen" else cfg.trainer.steps
    )
    assert len(result["fingerprint"]) == 64
    if task in ("mi-estimate", "gan", "ali"):
        assert math.isfinite(result["estimate"])
        assert result["standard_error"] >= 0
    if task == "mi-estimate":
        references = result["references"]
        assert {"ksg", "gaussian", "copula"} == references.keys()
        assert all("estimate" in found and found["note"] for found in references.values())
    if task == "infobottleneck":
        check_bottleneck(result)
    if task == "ali":
        assert {"samples", "reconstruction_error", "ms_ssim"} <= result["metrics"].keys()
    if task == "gan":
        assert {"modes", "kl", "js", "kl_floor", "samples"} <= result["metrics"].keys()
    for name in ("metrics.csv", "checkpoints/last.pt", *FILES[task]):
        assert (folder / name).stat().st_size > 0
    assert any((folder / "tb").iterdir()) == cfg.trainer.tensorboard
    return result


def check_bottleneck(result: dict[str, Any]) -> None:
    """An estimate where there is a statistics network, a reference where the law is known."""
    metrics, informed = result["metrics"], result["method"]["information"] == "mine"
    assert {"error", "error_averaged", "i_zy", "h_y", "calibration", "test_rows"} <= metrics.keys()
    assert (result["estimate"] is not None) == informed
    assert metrics["i_xz_term"] == result["estimate"]
    gaussian = ".Gaussian" in result["encoder"]["_target_"]
    known = gaussian and not result["encoder"]["input_noise"]
    assert (metrics["i_xz_reference"] is not None) == known
    assert (metrics["kl"] is not None) == gaussian


def few_of(overrides: list[str]) -> list[str]:
    """Settings that make a run of these overrides short."""
    task = next((o[5:] for o in overrides if o.startswith("task=")), "mi-estimate")
    few = FEW + FEW_OF[task]
    if "encoder=gaussian_conv" in overrides:
        return ["encoder.channels=[4,4]" if o.startswith("encoder.widths") else o for o in few]
    return few


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option(
    option: str,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.chdir(data)
    group, _, name = option.partition("=")
    request.getfixturevalue("coarse" if group == "task" else "undrawn")
    overrides = [*chosen(group, name, "data.npz"), *BESIDE.get(option, [])]
    result = result_of([*overrides, *few_of(overrides)], data, tmp_path)
    if group == "method":
        assert result["method"]["name"] == name
    elif name in ("joint", "joint_conv"):
        assert result[group]["_target_"].startswith("mine_cli.networks.joint.")
    elif group in ("generator", "discriminator") or name in ("fully_connected", "dcgan"):
        assert result[group]["_target_"] == f"mine_cli.networks.{name}.{group.capitalize()}"
    elif group in USES["gan"]:
        shown = result[group]["_target_"].rpartition(".")[2].lower()
        assert shown == SHOWN.get(name, name).replace("_", "")


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("bound", sorted(file.stem for file in (CONF / "bound").glob("*.yaml")))
def test_every_bound_in_folds(bound: str, data: Path, tmp_path: Path) -> None:
    result = result_of([f"bound={bound}", "dataset.n=300", "folds=3", *QUICK], data, tmp_path)
    assert result["fold_sd"] > 0
    assert result["fit_value"] is not None
    assert result["metrics"]["report_rows"] == 300
    split = np.load(tmp_path / "split.npz")
    reported = np.concatenate([split[f"report_{k}"] for k in range(3)])
    assert sorted(reported) == list(range(300))


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    "options",
    [
        ["dataset=image_label", "dataset.name=fashion_mnist", "dataset.shuffle_labels=true"],
        ["dataset=image_halves", "dataset.axis=vertical", "network=mlp"],
        ["dataset=functions", "dataset.f=cube", "dataset.n=300"],
        ["dataset.cube=true", "dataset.mi=2.0", "trainer.dtype=bfloat16"],
        ["marginals=derangement", "marginals.num=3", "network=noisy_mlp", "units=bits"],
        ["task=gan", "dataset=digits", "dataset.name=fashion_mnist", *SMALL],
        ["task=gan", "dataset.n=null", "task.code_dim=2", "task.latent_dim=5"],
        ["task=gan", "task.clip=tensor", "bound=infonce", "task.latent=uniform"],
        ["task=gan", "task.average=null", "task.statistics_steps=2", "trainer.dtype=bfloat16"],
        ["task=gan", "dataset=digits", "task.gradient_penalty=10", *SMALL],
        ["task=gan", "task.gradient_penalty=0.1", "trainer.dtype=bfloat16"],
        ["task=gan", "discriminator=maxout", "task.loss=wasserstein", "task.packing=4"],
        ["task=gan", "task.loss=relativistic", "task.gradient_penalty=1", "task.penalty_at=both"],
        ["task=gan", "marginals=independent", "trainer.schedule=linear", "units=bits"],
        ["task=ali", "dataset=spiral", "task.sigma=null", "marginals=independent", "units=bits"],
        ["task=ali", "task.sigma=0.5", "task.gradient_penalty=1", "trainer.dtype=bfloat16"],
        ["task=ali", "dataset=fashion_mnist", "method=alice_adversarial"],
        ["task=ali", *IMAGES, *OF_IMAGES, "network=conv", "method=alice_adversarial"],
        ["task=ali", *OF_FOLDER, "method=alice_l2", "task.sigma=null", "task.latent=uniform"],
        ["task=ali", "bound=infonce", "marginals=all_pairs", "task.clip=tensor"],
        ["dataset.n=300", "split=blocks", "task.fractions=[0.5,0.25,0.25]", "task.patience=1"],
    ],
)
def test_settings_within_options(
    options: list[str], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data)
    result_of([*few_of(options), *options], data, tmp_path)


def test_no_two_methods_train_the_same(data: Path) -> None:
    """Each row of the paper's table 3 is another objective or another encoder."""
    found = {}
    for method in METHODS:
        cfg = composed(["task=infobottleneck", f"method={method}"], data)
        settings = {**cfg.method, "name": None}, {**cfg.encoder}
        found[method] = json.dumps(settings, default=str, sort_keys=True)
    assert len(set(found.values())) == len(METHODS), found


@pytest.mark.parametrize("task", ["gan", "infobottleneck", "ali"])
@pytest.mark.parametrize("section", ["dataset", "method", "encoder", "discriminator"])
def test_another_tasks_option_is_refused_in_one_line(task: str, section: str, data: Path) -> None:
    taken = TAKES[task].get(section)
    if taken is None:
        return
    cfg = composed([f"task={task}"], data)
    OmegaConf.set_struct(cfg, False)
    for other in set(SECTIONS[section]) - set(taken):
        cfg[section] = OmegaConf.structured(SECTIONS[section][other])
        if other == "arrays":
            cfg.dataset.path = "my.npz"
        if section == "method":
            cfg.method.name = other
        faults = validate(cfg)
        wanted = f"{section}={other}: task={task} takes one of {', '.join(taken)}"
        assert faults == [wanted], other


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["method.beta=0"], "method.beta=0: method=ali_mine has a term of the"),
        (
            ["method=ali", "method.beta=1"],
            "method.beta=1: method=ali has no term of the",
        ),
        (["method=alice_l2", "method.cycle_weight=0"], "method.cycle_weight=0: method=alice_l2"),
        (["method.cycle_weight=2"], "method.cycle_weight=2: method=ali_mine has no term of the"),
        (["trainer.compile=true"], "trainer.compile=true: task=ali does not compile its step"),
        (["task.sigma=-1"], "task.sigma=-1.0: must be at least 0, or null"),
    ],
)
def test_a_method_wants_its_weight_and_no_other(
    overrides: list[str], line: str, data: Path
) -> None:
    (fault,) = validate(composed(["task=ali", *overrides], data))
    assert fault.startswith(line)


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("experiment", JOBS)
def test_every_experiment_in_a_few_steps(experiment: str, data: Path, tmp_path: Path) -> None:
    """`experiment=... trainer=smoke`, as one would look at it before a long run."""
    task = composed([f"experiment={experiment}"], data).task.name
    few = ["trainer=smoke", *FEW, *FEW_OF[task]]
    few += SMALL if "stacked" in experiment else []
    if experiment == "ali/image_folder":
        few += [f"dataset.path={data / 'pictures'}", "dataset.side=32", *OF_IMAGES[:-1]]
        few += ["network.channels=[4,4]", "network.widths=[8]"]
    few += ["task.patience=null", "references=auto"] if task == "mi-estimate" else []
    result = result_of([f"experiment={experiment}", *few], data, tmp_path)
    assert result["steps"] == 6


@pytest.mark.usefixtures("undrawn")
def test_the_truth_stands_beside_the_estimate(data: Path, tmp_path: Path) -> None:
    result = result_of(QUICK, data, tmp_path)
    assert result["true_mi"] == pytest.approx(-math.log(1 - 0.64))
    assert result["error"] == pytest.approx(result["estimate"] - result["true_mi"])
    assert "closed form" in result["true_mi_note"]
    assert result["marginal_pairs"] >= 4000


@pytest.mark.parametrize("target", [t for t in TARGETS if not t.startswith("mine_cli.data.")])
def test_a_class_has_the_defaults_of_its_schema(target: str) -> None:
    """So that a file of one's own may leave keys out; see `validation.section_faults`."""
    known = inspect.signature(get_class(target)).parameters
    for field in fields(TARGETS[target]):
        if field.name != "_target_":
            made = field.default_factory() if callable(field.default_factory) else field.default
            default = known[field.name].default
            assert made == (list(default) if isinstance(default, tuple) else default), field.name
