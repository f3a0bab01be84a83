"""Composes the configurations of a sweep's jobs as Hydra does, in a fraction of the time.

Hydra reads every YAML anew for each job. Jobs that choose the same options differ in plain values
only: what they have in common is composed once and copied, and the values are set in the copy.
"""

import copy
from collections.abc import Sequence

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

__all__ = ["Composer"]


class Composer:
    """Composes one job after another.

    Arguments:
        loader: Hydra's, which knows where the YAMLs lie.
        master: The configuration of the sweep itself, with its `hydra` node.
    """

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        self.loader, self.master = loader, master
        self.parser = OverridesParser.create()
        self.parsed: dict[str, Override] = {}
        self.groups: dict[str, bool] = {}
        self.chosen: dict[tuple[str, ...], DictConfig | HydraException] = {}

    def job(self, overrides: Sequence[str], number: int) -> DictConfig:
        """Returns the configuration of a job with its `hydra` node, the job number set.

        Raises:
            HydraException: in Hydra's own words, whatever it has against the overrides.
        """
        cfg = self.quickly(overrides)
        if cfg is None:
            cfg = self.load(overrides)
        with open_dict(cfg):
            cfg.hydra.job.id = number
            cfg.hydra.job.num = number
        return cfg

    def quickly(self, overrides: Sequence[str]) -> DictConfig | None:
        """Composes without reading a YAML file twice; None where only Hydra can compose."""
        parsed = [self.parse(override) for override in overrides]
        if not all(is_simple(override) for override in parsed):
            return None
        choices = [str(o.input_line) for o in parsed if self.is_group(o.key_or_group)]
        cfg = self.of_choices(tuple(choices))
        try:
            for override in parsed:
                if not self.is_group(override.key_or_group):
                    OmegaConf.update(cfg, override.key_or_group, override.value(), merge=True)
        except OmegaConfBaseException:
            return None
        cfg.hydra.overrides.task = list(overrides)
        cfg.hydra.job.override_dirname = directory_name(parsed, cfg.hydra.job.config)
        return cfg

    def load(self, overrides: Sequence[str]) -> DictConfig:
        """Composes with Hydra itself."""
        try:
            return self.loader.load_sweep_config(self.master, list(overrides))
        except ValueError as stop:  # of a group=null, the one refusal that is not Hydra's own
            raise ConfigCompositionException(str(stop)) from None

    def parse(self, override: str) -> Override:
        if override not in self.parsed:
            self.parsed[override] = self.parser.parse_override(override)
        return self.parsed[override]

    def is_group(self, key: str) -> bool:
        """Tells whether a key names a config group: a folder with YAML files."""
        if key not in self.groups:
            hydra = self.master.hydra
            self.groups[key] = bool(
                self.loader.get_group_options(
                    key,
                    results_filter=None,
                    config_name=hydra.job.config_name,
                    overrides=list(hydra.overrides.hydra),
                )
            )
        return self.groups[key]

    def of_choices(self, choices: tuple[str, ...]) -> DictConfig:
        """Returns a copy of the configuration that jobs with these options have in common."""
        if choices not in self.chosen:
            try:
                self.chosen[choices] = self.load(choices)
            except HydraException as stop:
                self.chosen[choices] = stop
        common = self.chosen[choices]
        if isinstance(common, HydraException):
            raise common
        cfg = copy.deepcopy(common)
        # What a resolver such as `now` said once, it says to every job.
        OmegaConf.copy_cache(from_config=self.master, to_config=cfg)
        return cfg


def is_simple(override: Override) -> bool:
    """Tells whether an override is a plain `key=value` outside the node `hydra`."""
    return (
        override.type == OverrideType.CHANGE
        and override.package is None
        and not override.is_hydra_override()
        and not isinstance(override.value(), dict)
    )


def directory_name(overrides: Sequence[Override], conf: DictConfig) -> str:
    """Returns the string of overrides that Hydra offers as `override_dirname`."""
    signs = conf.override_dirname
    lines = [str(o.input_line) for o in overrides if o.key_or_group not in signs.exclude_keys]
    return signs.item_sep.join(sorted(lines)).replace("=", signs.kv_sep)
