"""The composed configuration, its schemas, and what `validate` finds."""

import copy
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import ConfigCompositionException
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

from mine_cli.config.compose import conf_dir, validate
from mine_cli.config.resume import saved_configuration
from mine_cli.config.schemas import SECTIONS, USES, TrainerConf
from mine_cli.config.validation import fit_rows
from mine_cli.errors import BadInput
from tests import composition
from tests.options import chosen

DEFAULT = """\
seed: 0
deterministic: false
units: nats
references: auto
folds: null
portfolio: auto
margins: auto
split: random
resume: null
trust: false
dry_run: false
objective: null
retry_diverged: true
data_dir: ${oc.env:MINE_RUN_DATA,data}
cache_dir: ${oc.env:MINE_RUN_CACHE,'~/.cache/mine-run'}
task:
  name: mi-estimate
  select_rows: 5000
  report_rows: 10000
  fractions: [0.8, 0.1, 0.1]
  pairs: 1000000
  pairs_during_training: 100000
  negatives: null
  patience: 4
dataset:
  _target_: mine_cli.data.gaussian.Gaussian
  dim: 2
  rho: 0.8
  mi: null
  cube: false
  n: null
  seed: ${seed}
network:
  _target_: mine_cli.networks.MLP
  widths: [100, 100]
  activation: gelu
  lengths: false
bound:
  _target_: mine_cli.bounds.Mine
  rate: 0.01
  start: null
marginals:
  _target_: mine_cli.marginals.Derangement
  num: 1
generator: null
discriminator: null
method: null
encoder: null
trainer:
  steps: null
  batch_size: 512
  lr: null
  warmup: 0.03
  schedule: cosine
  betas: [0.9, 0.999]
  weight_decay: 0.1
  device: auto
  dtype: float32
  compile: false
  threads: 1
  log_every: 100
  evaluate_every: null
  checkpoint_every: null
  progress: true
  tensorboard: true
"""

OPTIONS = [
    (file.parent.name, file.stem)
    for file in sorted(Path(conf_dir()).glob("*/*.yaml"))
    if file.parent.name in SECTIONS
]
VARIANTS = {
    ("network", "mlp_wide"): "mlp",
    ("network", "mlp_shallow"): "mlp",
    ("network", "mlp_deep"): "mlp",
    ("encoder", "deterministic_dropout"): "deterministic",
    ("encoder", "gaussian_additive"): "gaussian",
    ("encoder", "gaussian_quiet"): "gaussian",
    ("dataset", "fashion_mnist"): "mnist",
    ("dataset", "bimodal"): "dense_gaussian",
    ("dataset", "swiss_roll"): "dense_gaussian",
    ("dataset", "spiral_diffeomorphism"): "sparse_gaussian",
}
"""Options that are another's schema with other values."""

JOBS = sorted(
    str(file.relative_to(Path(conf_dir()) / "experiment").with_suffix(""))
    for file in (Path(conf_dir()) / "experiment").rglob("*.yaml")
)

Composer = Callable[..., DictConfig]


@pytest.fixture
def composed() -> Composer:
    def composed(*overrides: str) -> DictConfig:
        with initialize_config_dir(conf_dir(), version_base="1.3"):
            return compose("config", list(overrides))

    return composed


def test_default_is_what_it_was(composed: Composer) -> None:
    assert OmegaConf.to_container(composed()) == OmegaConf.to_container(OmegaConf.create(DEFAULT))
    assert validate(composed()) == []


def test_the_store_is_shared_and_what_is_taken_out_of_it_is_not(composed: Composer) -> None:
    assert copy.deepcopy(ConfigStore.instance()) is ConfigStore.instance()
    cfg = composed()
    cfg.seed = 17
    cfg.network.widths.append(3)
    cfg.trainer.steps = 1
    assert OmegaConf.to_container(composed()) == OmegaConf.to_container(OmegaConf.create(DEFAULT))


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_composes_and_is_valid(group: str, option: str, composed: Composer) -> None:
    cfg = composed(*chosen(group, option))
    assert validate(cfg) == []
    schema = SECTIONS[group].get(VARIANTS.get((group, option), option), TrainerConf)
    assert OmegaConf.get_type(cfg[group]) is schema


@pytest.mark.parametrize("experiment", JOBS)
def test_every_experiment_composes_and_is_valid(experiment: str, composed: Composer) -> None:
    assert validate(composed(f"experiment={experiment}")) == []
    header = (Path(conf_dir()) / "experiment" / f"{experiment}.yaml").read_text()
    assert f"mine-run experiment={experiment}" in header


def test_schemas_and_yaml_name_the_same_options() -> None:
    named = {(group, option) for group in SECTIONS for option in SECTIONS[group]}
    trainers = {(group, option) for group, option in OPTIONS if group == "trainer"}
    assert named == set(OPTIONS) - VARIANTS.keys() - trainers | {("trainer", "default")}


@pytest.mark.parametrize(
    "schema",
    [s for g in (*USES["gan"], "encoder") for s in SECTIONS[g].values()],
    ids=lambda schema: schema.__name__,
)
def test_schema_has_the_parameters_of_its_class(schema: Any) -> None:
    # Given by build, not by the configuration.
    built_in = {"x_shape", "z_shape", "group_column", "latent_dim", "shape"}
    parameters = inspect.signature(get_class(schema._target_)).parameters.values()
    taken = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    named = {p.name for p in parameters if p.kind in taken} - built_in
    assert named == set(schema.__dataclass_fields__) - {"_target_"}


def test_an_image_dataset_and_infonce_bring_what_they_need(composed: Composer) -> None:
    assert composed("dataset=image_label").network._target_ == "mine_cli.networks.Conv"
    assert composed("bound=infonce").marginals._target_ == "mine_cli.marginals.AllPairs"


def test_a_choice_on_the_command_line_beats_what_a_dataset_brings(composed: Composer) -> None:
    cfg = composed("dataset=image_label", "network=mlp")
    assert cfg.network._target_ == "mine_cli.networks.MLP"


def test_an_experiment_beats_defaults_and_groups_and_yields_to_the_command_line(
    tmp_path: Path, composed: Composer
) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "own.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /dataset: image_label\n"
        "  - override /network: bilinear\nseed: 7\ntrainer:\n  steps: 5\n"
    )
    own = f"hydra.searchpath=[file://{tmp_path}]", "experiment=own"
    cfg = composed(*own)
    assert (cfg.seed, cfg.dataset.seed, cfg.trainer.steps) == (7, 7, 5)
    assert cfg.network._target_ == "mine_cli.networks.Bilinear"
    cfg = composed(*own, "seed=3", "network=conv")
    assert cfg.seed == 3
    assert cfg.network._target_ == "mine_cli.networks.Conv"


@pytest.mark.parametrize("typo", ["dataset.roh=0.1", "trainer.stpes=3", "bound.rat=1", "sed=1"])
def test_a_typo_in_a_shipped_option_is_named(typo: str, composed: Composer) -> None:
    with pytest.raises(ConfigCompositionException, match=typo.partition("=")[0]):
        composed(typo)


BAD = {
    "seed=-1": "seed=-1: must lie between 0 and 2^32 - 1",
    "units=bytes": "units=bytes: must be one of nats, bits",
    "references=some": "references=some: must be one of auto, none",
    "folds=0": "folds=0: must be at least 1, or null",
    "split=groups:": "split=groups:: must be random, blocks or groups:COLUMN",
    "task.select_rows=2": "task.select_rows=2: must be at least 10",
    "task.fractions=[1,0,0]": "task.fractions=[1.0, 0.0, 0.0]: must be three positive shares "
    "(fit, select, report) with sum 1",
    "task.fractions=[0.5,0.5]": "task.fractions=[0.5, 0.5]: must be three positive shares "
    "(fit, select, report) with sum 1",
    "task.patience=0": "task.patience=0: must be at least 1, or null",
    "task.pairs=0": "task.pairs=0: must be at least 1",
    "task.negatives=0": "task.negatives=0: must be at least 1, or null",
    "dataset.dim=0": "dataset.dim=0: must be at least 1",
    "dataset.rho=1": "dataset.rho=1.0: must lie strictly between -1 and 1, or null",
    "dataset.rho=nan": "dataset.rho=nan: must lie strictly between -1 and 1, or null",
    "dataset.mi=-1": "dataset.mi=-1.0: must be at least 0, or null",
    "dataset.n=99": "dataset.n=99: must be at least 100, or null",
    "bound.rate=0": "bound.rate=0.0: must lie in (0, 1]",
    "bound.start=0": "bound.start=0.0: must be positive and finite, or null",
    "network.widths=[]": "network.widths=[]: must be a list that is not empty; each element "
    "must be at least 1",
    "network.widths=[8,0]": "network.widths=[8, 0]: must be a list that is not empty; each "
    "element must be at least 1",
    "network.activation=sine": "network.activation=sine: must be one of elu, gelu, leaky_relu, "
    "relu, silu, tanh",
    "marginals.num=0": "marginals.num=0: must be at least 1",
    "trainer.steps=0": "trainer.steps=0: must be at least 1, or null",
    "trainer.batch_size=1": "trainer.batch_size=1: must be at least 2, or null",
    "trainer.lr=inf": "trainer.lr=inf: must be positive and finite, or null",
    "trainer.warmup=1": "trainer.warmup=1.0: must be a share of the steps in [0, 1)",
    "trainer.weight_decay=-1": "trainer.weight_decay=-1.0: must be at least 0",
    "trainer.device=gpu": "trainer.device=gpu: must be one of auto, cpu, mps, cuda, cuda:N",
    "trainer.dtype=float16": "trainer.dtype=float16: must be one of float32, tf32, bfloat16",
    "trainer.evaluate_every=0": "trainer.evaluate_every=0: must be at least 1, or null",
    "+bound.foo=1": "bound.foo: no such key; want one of rate, start",
    "+task.foo=1": "task.foo: no such key; want one of name, select_rows, report_rows, "
    "fractions, pairs, pairs_during_training, negatives, patience",
    "task.name=vae": "task: must be one of mi-estimate, gan, infobottleneck, ali, classifier, "
    "screen",
    "trainer.schedule=step": "trainer.schedule=step: must be one of cosine, linear, "
    "exponential, constant",
    "trainer.betas=[0.9]": "trainer.betas=[0.9]: must be two shares in [0, 1), Adam's two moving "
    "averages",
    "generator=dcgan": "generator: task=mi-estimate takes none, task=gan or task=ali does; "
    "leave it out",
    # combinations
    "dataset.rho=null": "dataset.rho=null: want a correlation, or dataset.mi in nats",
    "split=groups:site": "split=groups:site: dataset=gaussian has no columns; only "
    "dataset=arrays has",
    "split=blocks": "split=blocks: fresh draws are not split; fix the rows with dataset.n",
    "folds=5": "folds=5: fresh draws have no folds; fix the rows with dataset.n",
    "marginals.num=512": "marginals.num=512: a row has only trainer.batch_size - 1 = 511 other "
    "partners",
    "dataset.n=600": "trainer.batch_size=512: must be at most 426, the rows that dataset.n=600 "
    "leaves for fitting",
}


@pytest.mark.parametrize("override", BAD)
def test_a_bad_value_is_told_in_one_line(override: str) -> None:
    assert validate(composition.composed(override)) == [BAD[override]]


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        (["+foo=1"], "foo: no such key; want one of seed"),
        (["dataset=arrays"], "dataset.path: missing; give dataset.path=..."),
        (["dataset=functions", "dataset.f=exp"], "dataset.f=exp: must be one of x, cube, sin"),
        (["dataset=functions", "dataset.sigma=0"], "dataset.sigma=0.0: must be positive"),
        (
            ["dataset=discrete_table", "dataset.table=[1,2]"],
            "dataset.table=[1, 2]: must be a list",
        ),
        (["dataset=student", "dataset.transform=[cube]"], "dataset.transform=['cube']: must be"),
        (["dataset=student", "folds=3"], "folds=3: fresh draws have no folds"),
        (
            ["dataset=image_label", "dataset.name=cifar"],
            "dataset.name=cifar: must be one of mnist",
        ),
        (["dataset=image_halves", "dataset.axis=x"], "dataset.axis=x: must be one of horizontal"),
        (["network=noisy_mlp", "network.input_noise=-1"], "network.input_noise=-1.0: must be"),
        (["network=conv", "network.channels=[]"], "network.channels=[]: must be a list"),
        (["bound=smile", "bound.clip=0"], "bound.clip=0.0: must be positive and finite"),
        (["bound=tuba", "bound.baseline=inf"], "bound.baseline=inf: must be finite"),
        (["bound=infonce", "marginals.rows=1"], "marginals.rows=1: must be at least 2"),
        (["bound=infonce", "marginals=shuffle"], "marginals=shuffle: bound=infonce needs marg"),
        (["dataset.n=1000", "folds=1001"], "folds=1001: more than the rows, dataset.n=1000"),
        (["trainer.device=cuda:x"], "trainer.device=cuda:x: must be one of"),
        (["task=gan", "dataset=gaussian"], "dataset=gaussian: task=gan takes one of"),
        (["task=gan", "task.beta=-1"], "task.beta=-1.0: must be at least 0"),
        (["task=gan", "task.gradient_penalty=-1"], "task.gradient_penalty=-1.0: must be at least"),
        (["task=gan", "task.average=1"], "task.average=1.0: must lie strictly between 0 and 1"),
        (
            ["dataset=arrays", "dataset.path=a.npz", "dataset.test_path=b.npz"],
            "dataset.test_path: only task=infobottleneck has a test set; leave it out",
        ),
        (
            ["dataset=arrays", "dataset.path=a.npz", "dataset.lag=2"],
            "dataset.lag=2: is of rows in time order; want split=blocks",
        ),
        (
            ["task=infobottleneck", "dataset=arrays", "dataset.path=a.npz", "dataset.lag=-1"],
            "dataset.lag=-1: only task=mi-estimate pairs rows anew; leave it out",
        ),
        (
            ["task=infobottleneck", "dataset=arrays", "dataset.path=a.npz", "dataset.given=w"],
            "dataset.given=w: only task=mi-estimate and screen take it; leave it out",
        ),
        (
            ["dataset=arrays", "dataset.path=a", "dataset.missing=no"],
            "dataset.missing=no: must",
        ),
        (
            ["dataset=arrays", "dataset.path=a", "dataset.separator=ab"],
            "dataset.separator=ab:",
        ),
        (["dataset=arrays", "dataset.path=a", "dataset.decimal=x"], "dataset.decimal=x: must be"),
        (
            ["dataset=arrays", "dataset.path=a.npz", "dataset.seed=-1"],
            "dataset.seed=-1: must lie between 0 and 2^32 - 1",
        ),
        (
            ["dataset=fashion_mnist"],
            "dataset=mnist: task=mi-estimate takes one of gaussian, functions, ",
        ),
        (["task=gan", "dataset=mnist"], "dataset=mnist: task=gan takes one of gaussian_grid, "),
        (["task=gan", "folds=3"], "folds=3: only task=mi-estimate splits its data"),
        (["task=gan", "~generator"], "generator: must be one of fully_connected, dcgan"),
        (["task=classifier", "dataset=image_halves"], "dataset=image_halves: task=classifier"),
        (
            ["dataset=spiral"],
            "dataset=spiral: task=mi-estimate takes one of gaussian, functions, ",
        ),
        (["task=classifier", "bound=dv"], "bound: task=classifier takes none, "),
        (["~marginals"], "marginals: must be one of shuffle, derangement, independent, all_pairs"),
    ],
)
def test_a_bad_option_or_combination(overrides: list[str], fault: str) -> None:
    (found,) = validate(composition.composed(*overrides))
    assert found.startswith(fault)


@pytest.mark.parametrize(
    "overrides",
    [
        ["trainer.device=cuda:1"],
        ["trainer.warmup=0", "bound.rate=1", "bound.start=1", "task.patience=null"],
        ["split=groups:site", "dataset=arrays", "dataset.path=[x.npy,z.npy]"],
        ["dataset.n=10000", "folds=5", "split=blocks"],
        ["dataset.rho=null", "dataset.mi=2.5"],
        ["dataset.n=640", "folds=1"],
        ["dataset.n=720"],
        ["bound=dv", "marginals=all_pairs"],
        ["marginals.num=511"],
    ],
)
def test_good_values_have_no_fault(overrides: list[str]) -> None:
    assert validate(composition.composed(*overrides)) == []


def test_every_fault_is_told_at_once() -> None:
    bad = ["dataset.rho=2", "trainer.lr=0", "folds=0", "+network.depth=3"]
    faults = validate(composition.composed(*bad))
    assert sorted(fault.partition("=")[0].partition(":")[0] for fault in faults) == [
        "dataset.rho",
        "folds",
        "network.depth",
        "trainer.lr",
    ]


@pytest.mark.parametrize("group", ["network", "dataset", "bound"])
def test_a_users_own_target_is_taken_as_it_is(
    group: str, tmp_path: Path, composed: Composer
) -> None:
    (tmp_path / group).mkdir()
    (tmp_path / group / "own.yaml").write_text("_target_: my_package.Mine\nanything: -1\n")
    cfg = composed(f"hydra.searchpath=[file://{tmp_path}]", f"{group}=own")
    assert cfg[group].anything == -1
    assert validate(cfg) == []


def test_an_own_option_without_target_is_a_fault(tmp_path: Path, composed: Composer) -> None:
    (tmp_path / "bound").mkdir()
    (tmp_path / "bound" / "own.yaml").write_text("clip: 3\n")
    (fault,) = validate(composed(f"hydra.searchpath=[file://{tmp_path}]", "bound=own"))
    assert fault == (
        "bound: must be one of mine, dv, mine_f, infonce, js, smile, tuba, or a YAML of your own "
        "with a _target_"
    )


@pytest.mark.parametrize(
    ("overrides", "rows"),
    [
        (["dataset.n=1000", "folds=1"], 800),
        (["dataset.n=900", "folds=5"], 640),
        (["dataset.n=900"], 640),
        (["dataset.n=105", "folds=1"], 84),
    ],
)
def test_fit_rows(overrides: list[str], rows: int) -> None:
    assert fit_rows(composition.composed(*overrides)) == rows


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A folder as an interrupted run leaves it, as far as `resume` looks before it starts."""
    cfg = composition.composed("dataset=arrays", "dataset.path=a.npz", "trainer=smoke", "seed=3")
    for name in (".hydra", "checkpoints"):
        (tmp_path / "run" / name).mkdir(parents=True)
    OmegaConf.save(cfg, tmp_path / "run" / ".hydra" / "config.yaml")
    (tmp_path / "run" / "checkpoints" / "last.pt").write_bytes(b"state")
    return tmp_path / "run"


def test_a_saved_configuration_comes_back_typed(run_folder: Path) -> None:
    cfg = saved_configuration(run_folder)
    assert cfg.resume == str(run_folder)
    cfg.resume = None
    assert cfg == OmegaConf.load(run_folder / ".hydra" / "config.yaml")
    assert OmegaConf.get_type(cfg.trainer) is TrainerConf
    assert OmegaConf.get_type(cfg.dataset) is SECTIONS["dataset"]["arrays"]
    assert validate(cfg) == []


def test_only_steps_device_progress_and_paths_change_on_resume(run_folder: Path) -> None:
    typed = [
        "trainer.steps=40",
        "trainer.device=cpu",
        "trainer.progress=false",
        "++dataset.path=[x.npy,z.npy]",
        "dataset.test_path=t.npz",
        "data_dir=elsewhere",
        "trainer.lr=1",
        "resume=ignored",
    ]
    cfg = saved_configuration(run_folder, typed)
    assert (cfg.trainer.steps, cfg.trainer.device, cfg.trainer.progress) == (40, "cpu", False)
    assert (cfg.dataset.path, cfg.data_dir) == (["x.npy", "z.npy"], "elsewhere")
    assert cfg.dataset.test_path == "t.npz"
    assert cfg.trainer.lr == 0.002
    assert cfg.resume == str(run_folder)


def test_a_saved_configuration_that_does_not_fit_is_told(run_folder: Path) -> None:
    file = run_folder / ".hydra" / "config.yaml"
    file.write_text(file.read_text().replace("batch_size: 64", "batch_sise: 64"))
    with pytest.raises(BadInput, match="does not fit: Key 'batch_sise' not in 'TrainerConf'"):
        saved_configuration(run_folder)
