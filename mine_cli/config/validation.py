"""What Hydra cannot check: ranges, choices, combinations, and keys that `+key=` smuggled in."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mine_cli.config.hydra_errors import BESIDE_KEYS, wanted
from mine_cli.config.processes import count
from mine_cli.config.rules import Rule
from mine_cli.config.schemas import (
    KNOWN_LAW,
    LAWS,
    SECTIONS,
    TAKES,
    USES,
    ALIMethodConf,
    MethodConf,
    Run,
    TrainerConf,
)

__all__ = [
    "FOLDS", "SMALLEST_BATCH", "Settings", "process_faults", "schema_of", "validate", "values_of",
]  # fmt: skip

Settings = dict[str, Any]
"""A configuration, or a section of one, as plain values."""

# The interpolations that stand in the schemas: what they refer to is judged at its own place.
SHIPPED = {
    default
    for schema in (Run, *(schema for options in SECTIONS.values() for schema in options.values()))
    for default in (f.default for f in fields(schema))
    if isinstance(default, str) and "${" in default
}
LONGEST = 60  # characters of a value that a message quotes
FOLDS = 5  # of finite rows of numbers, where none are asked for
SMALLEST_BATCH = 32  # where none is asked for
DATASETS = ("mnist", "fashion_mnist")  # the options whose images have labels
GIVEN = ("mi-estimate", "screen")  # the tasks that take a third variable

TARGETS = {
    schema._target_: schema
    for section in SECTIONS
    for schema in SECTIONS[section].values()
    if hasattr(schema, "_target_")
}


def validate(cfg: DictConfig) -> list[str]:
    """Returns every fault of the composed configuration, one line each.

    A user's own `_target_`, for which there is no schema, is taken as it is.
    """
    if lost := list(unresolved(cfg)):
        return lost
    faults = list(section_faults("", cfg, Run))
    # Task and data set decide what else there has to be.
    task = OmegaConf.select(cfg, "task.name")
    if task not in USES:
        return [*faults, f"task: must be one of {', '.join(USES)}"]
    if foreign := list(foreign_options(cfg, task)):
        return [*faults, *foreign]
    for section in SECTIONS:
        node = OmegaConf.select(cfg, section)
        if unused(task, section):
            if node is not None:
                takers = " or ".join(
                    f"task={name}" for name, used in USES.items() if section in used
                )
                faults.append(f"{section}: task={task} takes none, {takers} does; leave it out")
            continue
        schema = schema_of(section, node)
        if schema is not None:
            faults += section_faults(f"{section}.", node, schema)
        elif not is_own(node):
            shipped = ", ".join(SECTIONS[section])
            own = "or a YAML of your own with a _target_"
            faults.append(f"{section}: must be one of {shipped}, {own}")
    # A combination is judged only where its parts are sound by themselves.
    return faults or [
        *open_faults(cfg),
        *splitting_faults(cfg),
        *data_faults(cfg),
        *pairing_faults(cfg),
        *method_faults(cfg),
        *screen_faults(cfg),
    ]


def unresolved(cfg: DictConfig) -> Iterator[str]:
    """The user's interpolations that lead nowhere: every later check would stumble over them."""
    for key, text in leaves(OmegaConf.to_container(cfg, resolve=False)):
        if isinstance(text, str) and "${" in text and text not in SHIPPED:
            try:
                OmegaConf.select(cfg, key)
            except OmegaConfBaseException as stop:
                yield f"{key}={text}: {str(stop).splitlines()[0]}"


def leaves(tree: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every value of a tree of dictionaries and lists, by the key that OmegaConf selects it by."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from leaves(value, f"{prefix}[{index}]")
    else:
        yield prefix, tree


def foreign_options(cfg: DictConfig, task: str) -> Iterator[str]:
    """Yields shipped options that are another task's."""
    for section, options in TAKES[task].items():
        option = option_of(cfg, section)
        if option is not None and option not in options:
            yield f"{section}={option}: task={task} takes one of {', '.join(options)}"


def unused(task: str, section: str) -> bool:
    """Tells whether a shipped task builds nothing from a section."""
    return section not in ("task", "trainer") and section not in USES[task]


def values_of(node: DictConfig, resolve: bool = True) -> Settings:
    """Returns the plain values of a configuration or a section, interpolations resolved or not."""
    found = OmegaConf.to_container(node, resolve=resolve)
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}


def schema_of(section: str, node: object) -> type | None:
    """Returns the shipped schema that a section follows, or None for a user's own."""
    if not isinstance(node, DictConfig):
        return None
    if section == "trainer":
        return TrainerConf
    if section == "method":
        own = ALIMethodConf if "cycle" in node else MethodConf
        return SECTIONS["method"].get(OmegaConf.select(node, "name"), own)
    if section == "task":
        return SECTIONS["task"].get(node.get("name"))
    return TARGETS.get(node.get("_target_"))


def is_own(node: object) -> bool:
    """Tells whether a section names a class, which for want of a schema is the user's."""
    return isinstance(node, DictConfig) and isinstance(node.get("_target_"), str)


def section_faults(prefix: str, node: DictConfig, schema: type) -> Iterator[str]:
    """Yields unknown keys, missing values and broken rules of one section.

    A network or a bound may leave out keys, as a file of one's own does, or a run from before the
    key was there: its class has the same defaults.
    """
    optional = "_target_" in node and prefix != "dataset."
    rules: dict[str, Rule | None] = {f.name: f.metadata.get("rule") for f in fields(schema)}
    names = [name for name in rules if name != "_target_"]
    if not prefix:
        names += BESIDE_KEYS
    typed = values_of(node, resolve=False)
    for key in map(str, node):
        if key not in rules:
            yield f"{prefix}{key}: no such key; {wanted(key, names)}"
    for key, rule in rules.items():
        if key not in node and optional:
            continue
        if key not in node or OmegaConf.is_missing(node, key):
            if prefix or key not in SECTIONS:  # an absent section is told of once, by validate
                yield f"{prefix}{key}: missing; give {prefix}{key}=..."
        elif typed[key] == f"${{{key}}}":  # the root's own value, judged there
            continue
        elif rule is not None and not obeys(node[key], rule):
            yield f"{prefix}{key}={shown(node[key])}: {rule.says}"


def obeys(value: object, rule: Rule) -> bool:
    try:
        return rule.holds(value)
    except (TypeError, OverflowError):  # no number, no list, or a number beyond all floats
        return False


def shown(value: object) -> str:
    """A value as it was typed, cut short where it would fill the line."""
    text = "null" if value is None else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def open_faults(cfg: DictConfig) -> Iterator[str]:
    """Yields settings of the trainer that are left to the data, where the task settles none."""
    settled = {"mi-estimate": ("steps", "batch_size", "lr"), "screen": ("steps", "batch_size")}
    for key in ("steps", "batch_size", "lr"):
        if cfg.trainer[key] is None and key not in settled.get(cfg.task.name, ()):
            yield f"trainer.{key}=null: task={cfg.task.name} does not settle it; want a number"


def splitting_faults(cfg: DictConfig) -> Iterator[str]:
    """Yields settings of the split, where the task has none."""
    if cfg.task.name == "mi-estimate":
        return
    if cfg.task.name == "ali" and cfg.trainer.compile:
        yield "trainer.compile=true: task=ali does not compile its step; leave it out"
    usuals = (("folds", None), ("split", "random"), ("portfolio", "auto"), ("margins", "auto"))
    for key, usual in usuals:
        if cfg.task.name == "screen" and key == "folds":
            continue
        if cfg[key] != usual:
            yield f"{key}={cfg[key]}: only task=mi-estimate splits its data; leave it out"


def data_faults(cfg: DictConfig) -> Iterator[str]:
    """Yields combinations that the number of rows, or their columns, does not allow."""
    dataset, option = cfg.get("dataset"), option_of(cfg, "dataset")
    if option == "arrays" and dataset.lag:
        if cfg.task.name != "mi-estimate":
            yield f"dataset.lag={dataset.lag}: only task=mi-estimate pairs rows anew; leave it out"
        elif cfg.split != "blocks":
            yield f"dataset.lag={dataset.lag}: is of rows in time order; want split=blocks"
    if option == "arrays" and dataset.given is not None and cfg.task.name not in GIVEN:
        told, takers = f"dataset.given={shown(dataset.given)}", " and ".join(GIVEN)
        yield f"{told}: only task={takers} take it; leave it out"
    if option in DATASETS and dataset.outliers and cfg.task.name != "infobottleneck":
        told = f"dataset.outliers={dataset.outliers}"
        yield f"{told}: only task=infobottleneck looks at outliers; leave it out"
    if cfg.task.name != "mi-estimate":
        return
    if option == "gaussian" and dataset.rho is None and dataset.mi is None:
        yield "dataset.rho=null: want a correlation, or dataset.mi in nats"
    if option == "arrays" and dataset.test_path is not None:
        yield "dataset.test_path: only task=infobottleneck has a test set; leave it out"
    if cfg.split.startswith("groups:") and option not in (None, "arrays"):
        yield f"split={cfg.split}: dataset={option} has no columns; only dataset=arrays has"
    if option not in LAWS:
        return
    if dataset.n is None:
        if (cfg.folds or 1) > 1:
            yield f"folds={cfg.folds}: fresh draws have no folds; fix the rows with dataset.n"
        if cfg.split == "blocks":
            yield "split=blocks: fresh draws are not split; fix the rows with dataset.n"
    elif (cfg.folds or 1) > dataset.n:
        yield f"folds={cfg.folds}: more than the rows, dataset.n={dataset.n}"
    elif (cfg.trainer.batch_size or 1) > fit_rows(cfg):
        yield (
            f"trainer.batch_size={cfg.trainer.batch_size}: must be at most {fit_rows(cfg)}, the "
            f"rows that dataset.n={dataset.n} leaves for fitting"
        )


def fit_rows(cfg: DictConfig) -> int:
    """Returns how many of `dataset.n` rows train a network, after the select and report parts."""
    fit, select, report = cfg.task.fractions
    if (folds := cfg.folds or FOLDS) > 1:
        report = 1 / folds
    return int(cfg.dataset.n * (1 - report) * fit / (fit + select) + 1e-6)


def pairing_faults(cfg: DictConfig) -> Iterator[str]:
    """Yields combinations of bound, marginals and batch that do not go together."""
    if unused(cfg.task.name, "marginals"):
        return
    marginals, option = cfg.marginals, option_of(cfg, "marginals")
    if option_of(cfg, "bound") == "infonce" and option not in (None, "all_pairs"):
        yield f"marginals={option}: bound=infonce needs marginals=all_pairs"
    size = cfg.trainer.batch_size or SMALLEST_BATCH
    if option == "derangement" and marginals.num >= size:
        yield (
            f"marginals.num={marginals.num}: a row has only "
            f"trainer.batch_size - 1 = {size - 1} other partners"
        )


def method_faults(cfg: DictConfig) -> Iterator[str]:
    """Yields a weight with no term to weigh, a term without its weight, or one without a law."""
    if unused(cfg.task.name, "method"):
        return
    method, encoder = cfg.method, option_of(cfg, "encoder")
    if cfg.task.name == "ali":
        yield from weight_faults(method)
        return
    if method.beta and method.information == "none":
        yield (
            f"method.beta={method.beta:g}: method={method.name} has no information term to weigh; "
            "want method=vib or one of mine_gaussian, mine_propagated, mine_additive"
        )
    if method.information == "kl" and encoder not in (None, *KNOWN_LAW):
        want = " or ".join(KNOWN_LAW)
        yield f"encoder={encoder}: method={method.name} needs a known law: want encoder={want}"


def screen_faults(cfg: DictConfig) -> Iterator[str]:
    """Yields settings of the data and the trainer that a screen has no use for."""
    if cfg.task.name != "screen":
        return
    usuals = (("device", ("cpu", "auto")), ("dtype", ("float32",)), ("compile", (False,)))
    for key, usual in usuals:
        if cfg.trainer[key] not in usual:
            value = str(cfg.trainer[key]).lower()
            yield f"trainer.{key}={value}: task=screen trains on the CPU, in float32; leave it out"
    if option_of(cfg, "dataset") == "arrays" and cfg.dataset.test_path is not None:
        yield "dataset.test_path: only task=infobottleneck has a test set; leave it out"


def weight_faults(method: DictConfig) -> Iterator[str]:
    """Yields what does not weigh a term of task=ali that is there, or weighs one that is not."""
    for key, term, what, there in (
        ("beta", "information", "term of the information", "ali_mine"),
        ("cycle_weight", "cycle", "term of the reconstruction", "alice_l2 or alice_adversarial"),
    ):
        weight, present = method[key], method[term] != "none"
        if weight and not present:
            yield (
                f"method.{key}={weight:g}: method={method.name} has no {what} to weigh; want "
                f"method={there}"
            )
        if present and not weight:
            yield (
                f"method.{key}=0: method={method.name} has a {what}, which needs a weight above "
                "0; want method=ali for none"
            )


def option_of(cfg: DictConfig, section: str) -> str | None:
    """Returns the shipped option that a section follows, or None for a user's own."""
    node = OmegaConf.select(cfg, section)
    if section == "method" and isinstance(node, DictConfig):
        name = OmegaConf.select(node, "name")
        return name if name in SECTIONS["method"] else None
    schema = schema_of(section, node)
    return next((name for name, shipped in SECTIONS[section].items() if shipped is schema), None)


def process_faults(cfg: DictConfig) -> Iterator[str]:
    """Yields what several processes cannot do of a valid configuration, one line each."""
    n = count()
    if n == 1:
        return
    if cfg.task.name != "mi-estimate":
        yield f"task={cfg.task.name}: cannot be shared by {n} processes; start it without torchrun"
        return
    if (cfg.folds or 1) > 1:
        yield f"folds={cfg.folds}: cannot be shared by {n} processes; want folds=1, or no torchrun"
    if cfg.trainer.compile:
        yield f"trainer.compile=true: not with {n} processes; leave it out"
    if cfg.trainer.device not in ("auto", "cpu", "cuda"):
        yield f"trainer.device={cfg.trainer.device}: each of {n} processes has its own; want cuda"
    size, rows = cfg.trainer.batch_size, cfg.marginals.get("rows")
    if size is None:
        yield f"trainer.batch_size=null: want the rows that {n} processes share"
    elif size % n:
        yield f"trainer.batch_size={size}: must divide by the {n} processes that share a batch"
    elif rows is not None and (groups := -(-size // rows)) % n:
        yield (
            f"marginals.rows={rows}: a batch of {size} has {groups} groups, which must divide by "
            f"the {n} processes that share it; want marginals.rows={size // n}, for instance"
        )
