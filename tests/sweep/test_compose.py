"""Fast composition gives what Hydra gives, key by key."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from mine_cli.config.compose import conf_dir
from mine_cli.sweep.compose import Composer


@pytest.fixture
def loader() -> Iterator[ConfigLoader]:
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        yield GlobalHydra.instance().config_loader()


def master_of(loader: ConfigLoader, *arguments: str) -> DictConfig:
    return loader.load_configuration("config", [*arguments], RunMode.MULTIRUN)


def as_hydra(loader: ConfigLoader, master: DictConfig, overrides: list[str]) -> DictConfig:
    cfg = loader.load_sweep_config(master, overrides)
    with open_dict(cfg):
        cfg.hydra.job.id = cfg.hydra.job.num = 7
    return cfg


def types(node: Any) -> Any:
    """What a configuration's parts may hold, and whether they take new keys."""
    if not isinstance(node, DictConfig) or node._is_none():
        return OmegaConf.get_type(node)
    parts = {key: types(node._get_node(key)) for key in node}
    return node._metadata.object_type, node._metadata.ref_type, OmegaConf.is_struct(node), parts


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["seed=3", "bound=infonce", "marginals=all_pairs"],
        ["bound=smile", "bound.clip=2", "dataset.rho=0.25", "dataset.dim=5"],
        ["network.widths=[32,16]", "trainer=smoke", "trainer.lr=1e-3", "trainer.steps=4"],
        ["task=gan", "task.beta=0.5", "dataset=spiral"],
        ["experiment=ib/beta_sweep", "method.beta=0.1", "seed=2"],
        ["experiment=gan/25gaussians", "task.beta=0"],
        ["dataset.seed=${seed}", "seed=5", "data_dir='a b, c'"],
        ["dataset=functions", "references=none", "task.negatives=null"],
        ["+bound.extra=1", "seed=1"],
        ["++trainer.lr=0.5", "~marginals"],
        ["bound={rate: 0.5}", "bound.rate=0.2"],
        ["seed=1", "trainer.steps=${trainer.batch_size}"],
    ],
)
def test_equals_hydras_own(overrides: list[str], loader: ConfigLoader) -> None:
    master = master_of(loader, "bound=mine,dv", "seed=1,2", "hydra.job.name=own")
    assert master.hydra.sweep.dir  # said once, and the same to every job
    composer = Composer(loader, master)
    wanted = as_hydra(loader, master, overrides)
    composer.job([*overrides, "units=bits"], 6)  # another job of the same options leaves no trace
    found = composer.job(overrides, 7)
    assert OmegaConf.to_container(found) == OmegaConf.to_container(wanted)
    assert OmegaConf.to_yaml(found) == OmegaConf.to_yaml(wanted)
    assert types(found) == types(wanted)
    assert found.hydra.sweep.dir == master.hydra.sweep.dir


@pytest.mark.parametrize(
    "override", ["bound=foo", "dataset.roh=1", "trainer.lr=fast", "+seed=2", "~bound.nope"]
)
def test_what_hydra_refuses_is_refused_in_its_words(override: str, loader: ConfigLoader) -> None:
    master = master_of(loader, "seed=1,2")
    with pytest.raises(HydraException) as wanted:
        loader.load_sweep_config(master, [override])
    composer = Composer(loader, master)
    for _ in range(2):
        with pytest.raises(HydraException) as caught:
            composer.job([override], 0)
        assert str(caught.value) == str(wanted.value)
        assert str(caught.value.__cause__) == str(wanted.value.__cause__)


def test_a_group_of_nothing_is_refused_in_one_line(loader: ConfigLoader) -> None:
    with pytest.raises(HydraException, match="must be a string or a list"):
        Composer(loader, master_of(loader)).job(["encoder=null"], 0)


def test_reads_yaml_once_for_each_choice(
    loader: ConfigLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    master = master_of(loader)
    composed: list[list[str]] = []
    load = loader.load_sweep_config

    def counted(master: DictConfig, overrides: list[str]) -> DictConfig:
        composed.append(overrides)
        return load(master, overrides)

    monkeypatch.setattr(loader, "load_sweep_config", counted)
    composer = Composer(loader, master)
    for bound in ("mine", "dv"):
        for seed in range(5):
            cfg = composer.job([f"bound={bound}", f"seed={seed}"], seed)
            assert (cfg.seed, cfg.hydra.job.num) == (seed, seed)
    assert composed == [["bound=mine"], ["bound=dv"]]


def test_options_of_ones_own_are_choices_too(tmp_path: Path, loader: ConfigLoader) -> None:
    (tmp_path / "own_group").mkdir()
    (tmp_path / "own_group" / "a.yaml").write_text("k: 1\n")
    master = master_of(loader, f"hydra.searchpath=[file://{tmp_path}]")
    composer = Composer(loader, master)
    assert composer.is_group("own_group")
    assert not composer.is_group("dataset.rho")
