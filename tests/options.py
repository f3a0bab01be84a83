"""What stands on the command line beside an option, so that all of its keys have values."""

from mine_cli.schemas import LABELLED, PAIRS, SAMPLES, USES

__all__ = ["LATER", "chosen"]

LATER = (
    []
    if "infobottleneck" in USES
    else [("dataset", option) for option in LABELLED if option not in PAIRS]
)
"""Options that no task takes yet."""


def chosen(group: str, option: str, path: str = "my.npz") -> list[str]:
    """The overrides that choose an option, together with a task that takes it."""
    overrides = [f"{group}={option}"]
    if (group, option) == ("dataset", "arrays"):
        overrides.append(f"dataset.path={path}")
    if group in ("generator", "discriminator") or (group == "dataset" and option in SAMPLES):
        overrides.insert(0, "task=gan")
    if group == "dataset" and option in LABELLED and option not in PAIRS and not LATER:
        overrides.insert(0, "task=infobottleneck")
    return overrides
