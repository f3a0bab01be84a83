"""Where a result comes from: configuration fingerprint, versions, commit, memory."""

import hashlib
import importlib.metadata
import inspect
import json
import platform
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

__all__ = [
    "ELSEWHERE",
    "commit",
    "cpu_model",
    "decides_numbers",
    "fingerprint",
    "fingerprints",
    "own_targets",
    "peak_memory",
    "versions",
]

PACKAGES = ("torch", "numpy", "hydra-core", "omegaconf", "mine-run")
# What may differ between two runs that must give the same numbers: where files lie, who reads
# them, on what the run is computed, and how it is shown.
ELSEWHERE = {
    "": {
        "data_dir", "cache_dir", "hydra", "resume", "trust", "dry_run", "units",
        "objective", "retry_diverged",
    },
    "task": {"path"},
    "dataset": {"path", "test_path", "data_dir", "classifier", "workers"},
    "trainer": {"device", "progress", "tensorboard", "log_every", "checkpoint_every"},
}  # fmt: skip


def fingerprint(cfg: Mapping[str, object], files: Iterable[Path | str] = ()) -> str:
    """The SHA-256 of everything that decides a run's numbers.

    Arguments:
        cfg: The resolved configuration as a plain dictionary. Paths, device, display and log
            intervals are left out.
        files: The input files; their contents count, not their names.
    """
    return fingerprints(cfg, files)[0]


def fingerprints(cfg: Mapping[str, object], files: Iterable[Path | str] = ()) -> tuple[str, str]:
    """The fingerprint, and that of the data and a user's own classes alone.

    They have one reading of the files in common, which may be large. Of data beside the contents
    of files the configuration's `memory` is a hash.
    """
    kept = {
        group: {k: v for k, v in value.items() if k not in ELSEWHERE.get(group, set())}
        if isinstance(value, Mapping)
        else value
        for group, value in cfg.items()
        if group not in ELSEWHERE[""]
    }
    inputs = b"".join([*map(source_of, own_targets(kept)), *map(digest_of, files)])
    settings = json.dumps(kept, sort_keys=True, default=str).encode()
    data = inputs + str(cfg.get("memory") or "").encode()
    return hashlib.sha256(settings + inputs).hexdigest(), hashlib.sha256(data).hexdigest()


def digest_of(file: Path | str) -> bytes:
    """The SHA-256 of a file."""
    with Path(file).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def decides_numbers(override: str) -> bool:
    """Whether an override (`key=value`, `group=option`) may change the numbers of a run."""
    section, _, key = override.partition("=")[0].lstrip("+~").partition(".")
    if section.partition("/")[0] in ELSEWHERE[""]:
        return False
    return key not in ELSEWHERE.get(section, set()) if key else True


def own_targets(cfg: Mapping[str, object]) -> list[str]:
    """Each `_target_` of a configuration that is not this program's, in a fixed order."""
    return sorted(name for name in set(targets(cfg)) if not name.startswith("mine_cli."))


def targets(tree: object) -> Iterator[str]:
    """Every `_target_` in a configuration."""
    if isinstance(tree, Mapping):
        if isinstance(tree.get("_target_"), str):
            yield tree["_target_"]
        for value in tree.values():
            yield from targets(value)
    elif isinstance(tree, (list, tuple)):
        for value in tree:
            yield from targets(value)


def source_of(target: str) -> bytes:
    """The file that a user's own `_target_` is written in; empty for what has none."""
    from hydra.utils import get_object

    # What cannot be imported or read is reported where it is built, not here.
    with suppress(Exception):
        return Path(inspect.getsourcefile(get_object(target)) or "").read_bytes()
    return b""


def versions() -> dict[str, str | None]:
    """Python and the packages that a result depends on; None for what is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in PACKAGES:
        found[name] = None
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def commit() -> str | None:
    """The git commit of the checkout that holds this package, "+dirty" when it was changed.

    None outside a checkout, also where the package is installed below somebody's repository.
    """
    here = Path(__file__).resolve()
    describe = ("describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+dirty")
    try:
        git(here.parent, "ls-files", "--error-unmatch", here.name)
        return git(here.parent, *describe) or None
    except (OSError, subprocess.SubprocessError):
        return None


def git(folder: Path, *arguments: str) -> str:
    """The output of one git command, which may take a few seconds at most."""
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    return done.stdout.strip()


def cpu_model() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def peak_memory(device: str) -> int | None:
    """The most bytes that tensors held on a CUDA device in this process; None elsewhere."""
    if not device.startswith("cuda"):
        return None
    import torch

    return int(torch.cuda.max_memory_allocated(device))
