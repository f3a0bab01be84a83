"""`resume=FOLDER`: a run goes on with the configuration that its own folder holds."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from mine_cli.config.schemas import SECTIONS, Run
from mine_cli.config.validation import schema_of
from mine_cli.errors import BadInput

__all__ = [
    "MAY_CHANGE",
    "at_home",
    "check_resumable",
    "import_folders",
    "read_yaml",
    "saved_configuration",
]

MAY_CHANGE = (
    "trust", "trainer.steps", "trainer.device", "trainer.progress", "data_dir", "cache_dir",
    "dataset.path", "dataset.test_path", "dataset.workers", "dataset.classifier",
    "task.classifier",
)  # fmt: skip
"""The keys that may be given beside `resume`: whom to trust, how far, on what, where the data lie
and who reads them."""


# Where a class lay when a run's configuration was saved -> where it lies now.
MOVED = {
    "mine_cli.models.": "mine_cli.networks.",
    "mine_cli.conditioned.": "mine_cli.networks.conv.",
    "mine_cli.data.labelled_images.": "mine_cli.data.images.",
}


def check_resumable(folder: Path) -> None:
    """Raises BadInput unless the folder holds one of our runs.

    One that was killed before its first checkpoint starts over, with the same configuration.
    """
    if not folder.is_dir():
        raise BadInput(f"resume={folder}: no such folder; want the folder of an earlier run")
    if (folder / "sweep.json").exists():
        raise BadInput(f"resume={folder}: {folder}/sweep.json: damaged: no sweep of mine-run")
    saved = read_yaml(folder / ".hydra" / "config.yaml")
    if saved is None or schema_of("task", saved.get("task")) is None:
        raise BadInput(
            f"resume={folder}: not the folder of a mine-run run; want one whose "
            ".hydra/config.yaml mine-run wrote"
        )


def saved_configuration(folder: Path, overrides: Sequence[str] = ()) -> DictConfig:
    """Returns the configuration in a run's folder, typed as when composed, with `resume` set.

    Arguments:
        folder: of the run.
        overrides: as Hydra was given them; those of `MAY_CHANGE` take effect.
    """
    check_resumable(folder)
    saved = OmegaConf.load(folder / ".hydra" / "config.yaml")
    assert isinstance(saved, DictConfig)
    try:
        cfg = typed(at_home(saved))
        cfg.trust = False  # is the user's word, never the folder's
        for override in OverridesParser.create().parse_overrides(list(overrides)):
            if override.key_or_group in MAY_CHANGE:
                OmegaConf.update(cfg, override.key_or_group, override.value())
    except OmegaConfBaseException as stop:
        reason = str(stop).splitlines()[0]
        raise BadInput(f"resume={folder}: its configuration does not fit: {reason}") from stop
    cfg.resume = str(folder)
    OmegaConf.set_struct(cfg, True)
    return cfg


def typed(saved: DictConfig) -> DictConfig:
    """Puts plain YAML under the schemas again; a user's own sections stay as they are."""
    sections: dict[str, object] = {}
    for section in SECTIONS:
        node = saved[section]
        schema = schema_of(section, node)
        sections[section] = node if schema is None else OmegaConf.merge(schema, node)
    rest = {key: value for key, value in saved.items_ex(resolve=False) if key not in SECTIONS}
    cfg = OmegaConf.merge(OmegaConf.structured(Run), rest, sections)
    assert isinstance(cfg, DictConfig)
    return cfg


def at_home(saved: DictConfig) -> DictConfig:
    """Returns a saved configuration with each `_target_` where its class lies today."""
    for node in saved.values():
        target = node.get("_target_") if isinstance(node, DictConfig) else None
        for old, new in MOVED.items():
            if isinstance(target, str) and target.startswith(old):
                node["_target_"] = new + target.removeprefix(old)
    return saved


def import_folders(folder: Path) -> Iterator[Path]:
    """Yields where the first run found a user's own classes: its cwd and config folders."""
    file = folder / ".hydra" / "hydra.yaml"
    hydra = read_yaml(file)
    try:
        runtime = OmegaConf.select(hydra, "hydra.runtime") if hydra is not None else None
        if runtime is not None:
            yield Path(runtime.cwd)
            for source in runtime.config_sources:
                if source.provider not in ("hydra", "main") and source.schema == "file":
                    yield Path(source.path)
    except (OmegaConfBaseException, AttributeError, TypeError):
        raise BadInput(f"{file}: damaged: not as Hydra wrote it") from None


def read_yaml(path: Path) -> DictConfig | None:
    """Returns a YAML file that holds a mapping, else None."""
    try:
        loaded = OmegaConf.load(path)
    except (OSError, ValueError, YAMLError, OmegaConfBaseException):
        return None
    return loaded if isinstance(loaded, DictConfig) else None
