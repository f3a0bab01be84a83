"""What stands on the command line beside an option, so that all of its keys have values."""

from mine_cli.config.schemas import LABELLED, PAIRS, SAMPLES, TAKES

__all__ = ["chosen"]


def chosen(group: str, option: str, path: str = "my.npz") -> list[str]:
    """The overrides that choose an option, together with a task that takes it."""
    overrides = [f"{group}={option}"]
    of_path = [("dataset", "arrays"), ("dataset", "image_folder"), ("task", "screen")]
    if (group, option) in of_path:
        overrides.append(f"dataset.path={path}")
    of_ali = group in TAKES["ali"] and group != "dataset" and option in TAKES["ali"][group]
    if of_ali or (group, option) in (("trainer", "ali"), ("dataset", "image_folder")):
        return ["task=ali", *overrides]
    if group in ("generator", "discriminator") or (group == "dataset" and option in SAMPLES):
        overrides.insert(0, "task=gan")
    labelled = group == "dataset" and option in LABELLED and option not in PAIRS
    if labelled or group in ("method", "encoder"):
        overrides.insert(0, "task=infobottleneck")
    if group == "encoder":
        overrides.append(f"method={'vib' if option.startswith('gaussian') else 'none'}")
    return overrides
