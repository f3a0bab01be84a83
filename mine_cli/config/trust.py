"""Whom to trust: a folder's files may name code to run, and only one's own is run unasked.

A run or a sweep is sealed with a secret of the user's own (HMAC-SHA256), which lies outside all
folders of results: who forges a folder can copy a seal, but make none for what he writes.
"""

import hashlib
import hmac
import json
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mine_cli.config.resume import at_home, import_folders, read_yaml
from mine_cli.config.validation import TARGETS
from mine_cli.errors import BadInput

__all__ = ["SEAL_JSON", "is_sealed", "reaches_out", "seal", "seal_of_run", "trusted_folders"]

SEAL_JSON = "seal.json"
IN_A_TERMINAL = ("resume=", "trust=true")


def secret_file() -> Path:
    """Returns where the user's secret lies."""
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser() / "mine-run" / "secret"


def secret(make: bool) -> bytes | None:
    """Returns the user's secret; None where there is none, or none can be kept."""
    with suppress(OSError, RuntimeError):  # a RuntimeError: nobody knows where home is
        file = secret_file()
        if make and not file.exists():
            make_secret(file)
        return file.read_bytes() or None
    return None


def make_secret(file: Path) -> None:
    """Writes a new secret that nobody else can read; one that is there by then stays."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = file.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(secrets.token_bytes(32))
        with suppress(FileExistsError):
            os.link(new, file)
    finally:
        new.unlink(missing_ok=True)


def seal(*content: object, make: bool = False) -> str | None:
    """Returns the seal of what JSON can hold; None without a secret.

    Arguments:
        make: Whether a secret is made where there is none.
    """
    key = secret(make)
    if key is None:
        return None
    return hmac.new(key, json.dumps(content, sort_keys=True).encode(), hashlib.sha256).hexdigest()


def is_sealed(found: object, *content: object) -> bool:
    """Tells whether a seal is this user's own, of this content."""
    own = seal(*content)
    return own is not None and isinstance(found, str) and hmac.compare_digest(found, own)


def reaches_out(cfg: DictConfig) -> list[str]:
    """Returns what of a configuration reaches beyond the package and the run's own folder.

    That is every `_target_` but those of the options that come with the program, and the file
    that a classifier is kept in.
    """
    found = {target for target in targets(cfg) if target not in TARGETS}
    task = cfg.get("task")
    if isinstance(task, DictConfig) and task.get("name") == "classifier":
        found.add("task.path")
    return sorted(found)


def targets(node: Any) -> Iterator[str]:
    """Yields every `_target_` below a node, behind references too; of a reference that leads
    nowhere its text, where it might lead to one."""
    keys = node if isinstance(node, DictConfig) else range(len(node))
    for key in keys:
        try:
            value = node[key]
        except OmegaConfBaseException:
            plain: Any = OmegaConf.to_container(node, resolve=False)
            text = str(plain[key])
            if key == "_target_" or "oc." in text:
                yield text
            continue
        if key == "_target_":
            yield str(value)
        elif isinstance(value, dict | list):  # what `oc.decode` makes of a text
            yield from targets(OmegaConf.create(value))
        elif isinstance(value, DictConfig | ListConfig):
            yield from targets(value)


def seal_of_run(folder: Path, cfg: DictConfig) -> dict[str, object]:
    """Returns what a run keeps of its own parts: their sources, and the seal of all that counts.

    Arguments:
        folder: The run's, with its `.hydra`.
        cfg: Its configuration.
    """
    sources = {target: digest_of_source(target) for target in reaches_out(cfg)}
    return {"sources": sources, "seal": seal(*content_of(folder, sources), make=True)}


def content_of(folder: Path, sources: object) -> list[object]:
    """Returns what the seal of a run is of."""
    config = (folder / ".hydra" / "config.yaml").read_bytes()
    folders = [str(path) for path in import_folders(folder)]
    return ["run", hashlib.sha256(config).hexdigest(), folders, sources]


def trusted_folders(
    folder: Path, trust: bool, here: Sequence[Path] = (), words: tuple[str, str] = IN_A_TERMINAL
) -> list[Path]:
    """Returns where the own parts of a saved run may be imported from; none if it has none.

    Arguments:
        folder: The run's.
        trust: Whether the user vouches for whatever the folder names.
        here: Where they are looked for first.
        words: How the user names the folder, and how he vouches for it.

    Raises:
        BadInput: before anything is imported: it has parts that are neither the program's nor
            the user's, or are not as they were.
    """
    who, vouch = words[0] + str(folder), words[1]
    saved = read_yaml(folder / ".hydra" / "config.yaml")
    try:
        parts = reaches_out(at_home(saved)) if saved is not None else []
    except RecursionError:
        raise BadInput(f"{who}: its configuration refers to itself without end") from None
    if not parts:
        return []
    folders = [*here, *import_folders(folder)]
    if trust:
        return folders
    kept = read_json(folder / ".hydra" / SEAL_JSON)
    sources, found = kept.get("sources"), kept.get("seal")
    if not isinstance(sources, dict) or not is_sealed(found, *content_of(folder, sources)):
        raise BadInput(
            f"{who}: names {', '.join(parts)}, which is no part of mine-run, and no run of yours "
            f"on this machine left it; look at its .hydra/config.yaml, then {vouch} runs it"
        )
    path = [*sys.path, *map(str, folders)]
    changed = [part for part in parts if digest_of_source(part, path) != sources.get(part)]
    if changed:
        raise BadInput(
            f"{who}: {', '.join(changed)}: not as when the run was trained; put back what was "
            "changed"
        )
    return folders


def digest_of_source(target: str, path: Sequence[str] | None = None) -> str:
    """Returns the SHA-256 of the file that defines a target, which is not imported for that.

    Empty where no file is found. A package's is its `__init__.py`.
    """
    file, places = None, None if path is None else list(path)
    parts = target.split(".")
    for end in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:end]), places)
        if spec is None:
            break
        file, places = spec.origin, spec.submodule_search_locations
        if places is None:
            break
    with suppress(OSError, TypeError):
        return hashlib.sha256(Path(str(file)).read_bytes()).hexdigest()
    return ""


def read_json(path: Path) -> dict[str, object]:
    """Returns what a file of JSON holds; nothing where it is damaged or not there."""
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}
