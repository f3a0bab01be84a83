"""Whether a command is a run or a sweep, mostly without composing it for that alone."""

from typing import Any

from hydra._internal.hydra import Hydra
from hydra.types import RunMode

from mine_cli.config.compose import conf_dir

__all__ = ["composed_once", "leads_elsewhere"]

MODES = {f"hydra.mode={mode.name}": mode for mode in RunMode}
PLAIN = ("hydra.run.", "hydra.sweep.", "hydra.launcher.", "hydra.output_subdir")
NO_LOGS = ("hydra/job_logging=none", "hydra/hydra_logging=none")
SHIPPED = [("hydra", "pkg://hydra.conf"), ("main", conf_dir()), ("schema", "structured://")]
"""Who provides configuration, and where, if nobody has added any."""


def composed_once() -> None:
    """Makes Hydra compose a command once, where the command line alone can say `hydra.mode`.

    It composes everything to look up that key, and then again to run.
    """
    look_up = Hydra.get_mode
    if look_up.__module__ != Hydra.__module__:  # it is done already
        return

    def mode(hydra: Hydra, config_name: str | None, overrides: list[str]) -> Any:
        path = hydra.config_loader.get_search_path().get_path()
        shipped = config_name == "config" and [(e.provider, e.path) for e in path] == SHIPPED
        if not shipped or any(map(leads_elsewhere, overrides)):
            return look_up(hydra, config_name, overrides)
        return next((MODES[word] for word in reversed(overrides) if word in MODES), None)

    Hydra.get_mode = mode  # type: ignore[assignment, method-assign]


def leads_elsewhere(word: str) -> bool:
    """Whether a word of the command line brings YAML that may say `hydra.mode`.

    Of what is shipped experiments do.
    """
    key = word.partition("=")[0].lstrip("+~")
    if key == "experiment" or "@" in key:
        return True
    plain = word in MODES or word in NO_LOGS or key.startswith(PLAIN)
    return key.startswith("hydra") and not plain
