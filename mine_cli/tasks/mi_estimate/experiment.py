"""``task=mi-estimate`` made ready to run: data in three parts, references, one curve."""

import json
import math
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy
import torch
from omegaconf import DictConfig

from mine_cli import figures
from mine_cli.bounds import DV, as_bound
from mine_cli.config.processes import count as process_count
from mine_cli.config.schemas import MIEstimateConf, TrainerConf
from mine_cli.data import Rows, counts, entropies
from mine_cli.data.arrays import InMemory
from mine_cli.data.margins import MARGINS
from mine_cli.data.series import series_warning
from mine_cli.data.split import Split
from mine_cli.errors import BadInput
from mine_cli.estimator.status import below, worst
from mine_cli.estimator.term import MutualInformation
from mine_cli.results.files import write_json
from mine_cli.results.folder import Charts, RunFolder
from mine_cli.tasks import build
from mine_cli.tasks.common import UNKNOWN, forward_pass, options, sections, trained_alike
from mine_cli.tasks.mi_estimate import baselines
from mine_cli.tasks.mi_estimate.conditional import ConditionalEstimate, terms_of
from mine_cli.tasks.mi_estimate.pairs import Pairs
from mine_cli.tasks.mi_estimate.partial import conditional_references
from mine_cli.tasks.mi_estimate.parts import (
    FEWEST_ROWS,
    Parts,
    clusters_of,
    draws,
    of_law,
    part_of,
    split_rows,
)
from mine_cli.tasks.mi_estimate.settled import settled
from mine_cli.tasks.mi_estimate.training import MIEstimate
from mine_cli.tasks.protocol import Experiment, Result
from mine_cli.training.device import autocast, device, physical_memory
from mine_cli.training.rng import stream
from mine_cli.training.task import Arrays

__all__ = ["MIEstimateExperiment"]

PARTS = ("dataset", "network", "bound", "marginals")
DRAWN, DRAWN_CLASSES = 2000, 30  # rows and classes in the picture of the data


class MIEstimateExperiment(Experiment):
    """An estimate on a data set of pairs."""

    metrics = ("estimate", "error")
    charts: ClassVar[Charts] = {
        "mutual information": {
            "estimate and truth": ["Multiline", ["^mi/estimate$", "^mi/true$"]],
            "held out, and on the training batch": [
                "Multiline",
                ["^mi/estimate$", "^train/value$"],
            ],
        }
    }

    def __init__(self, cfg: DictConfig, dataset: object) -> None:
        self.data = Pairs(dataset)
        super().__init__(settled(cfg, self.data), dataset)
        rows = self.data.rows
        # What is estimated: the pairs themselves, or the two terms of what they share given w.
        self.terms = (
            {"": self.data}
            if rows is None or rows.given is None
            else {name: Pairs(InMemory(term)) for name, term in terms_of(rows).items()}
        )
        self.warnings += self.data.rows.warnings if self.data.rows else []
        self.views: list[list[Parts]] = []

    def check(self) -> None:
        if self.data.rows is None and self.cfg.folds > 1:
            wanted = "fresh draws have no folds; want folds=1 or dataset.n=..."
            raise BadInput(f"folds={self.cfg.folds}: {wanted}")
        if self.conditional and (n := process_count()) > 1:
            raise BadInput(f"dataset.given: cannot be shared by {n} processes; want no torchrun")
        if self.data.rows is None:
            check_memory(self.cfg, *self.data.shapes())
        for split in self.splits:
            check_sizes(self.cfg, split)
        for pairs in self.terms.values():
            forward_pass(self.term(pairs), *pairs.few())

    def term(self, pairs: Pairs) -> MutualInformation:
        return build.term(self.cfg, *pairs.shapes(), seed=stream(self.cfg.seed, "network"))

    @property
    def conditional(self) -> bool:
        """Whether the information is that given a third variable."""
        return len(self.terms) > 1

    @property
    def widest(self) -> Pairs:
        """The pairs with every variable that takes part."""
        return next(iter(self.terms.values()))

    @cached_property
    def splits(self) -> list[Split]:
        """The row numbers of each fold's parts; none where every batch is drawn anew."""
        rows, cfg = self.widest.rows, self.cfg
        if rows is None:
            return []
        fractions = [*cfg.task.fractions]
        splits, warnings = split_rows(rows, cfg.folds, cfg.split, fractions, cfg.seed)
        self.warnings += warnings
        if cfg.split == "random" and not warnings:  # copies side by side are alike anyway
            self.warnings += series_warning(rows)
        return splits

    def views_on(self, where: torch.device, pairs: Pairs | None = None) -> list[list[Parts]]:
        """Returns each fold's parts on a device, once for each of the margins that are seen.

        Arguments:
            where: the device.
            pairs: those of a term; None: the data's own.
        """
        task, rows, sampler = self.cfg.task, (pairs or self.data).rows, self.data.sampler
        if rows is not None:
            clusters = clusters_of(self.widest.rows or rows, self.cfg.split)
            return [
                [part_of(rows, split, where, kind, *clusters) for kind in self.kinds]
                for split in self.splits
            ]
        assert sampler is not None  # else `finite_rows` has refused
        sizes, (kind,) = (task.select_rows, task.report_rows), self.kinds
        return [[of_law(sampler, *sizes, self.cfg.seed, where, kind)]]

    @cached_property
    def kinds(self) -> list[str]:
        """Returns the margins of the networks.

        Vectors whose spread few rows carry are seen by their ranks alone.
        """
        if self.cfg.margins != "auto":
            return [self.cfg.margins]
        if self.widest.has_heavy_tails(self.cfg.seed):
            return ["rank"]
        return [*MARGINS] if self.portfolio else ["standard"]

    @cached_property
    def portfolio(self) -> bool:
        """Whether several critics are weighed against one another."""
        return has_portfolio(self.cfg, self.data)

    def listing(self) -> dict[str, str]:
        cfg, data, found = self.cfg, self.data, self.term(self.widest)
        x_shape, z_shape = data.shapes()
        count = sum(p.numel() for p in found.network.parameters())
        truth = "not known" if data.true_mi is None else f"{data.true_mi:.4f} nats"
        rows = "fresh draws" if data.rows is None else f"{len(data.rows)} rows"
        given = ""
        if data.rows is not None and data.rows.given is not None:
            given = f", given {tuple(data.rows.given.shape[1:])}"
        pairs = found.marginals.pairs(cfg.trainer.batch_size)
        networks = cfg.folds * len(self.kinds) * len(self.terms)
        return {
            "dataset": f"{type(self.dataset).__name__}, {rows}; x {x_shape}, z {z_shape}{given}",
            "truth": truth,
            "network": f"{build.type_name(cfg.network)}, {count:,} parameters",
            "bound": build.type_name(cfg.bound),
            "marginals": f"{build.type_name(cfg.marginals)}, {pairs:,} pairs a batch",
            "training": f"{cfg.trainer.steps} steps of {cfg.trainer.batch_size} rows on "
            f"{device(cfg.trainer.device)}, {networks} network(s)",
        }

    def fusion_key(self) -> str:
        """Data, seed, bound and learning rate may differ; rows and networks have one shape."""
        alike = trained_alike(self.cfg, "network", "marginals", but=["lr"])
        shapes = {"shapes": [p.shapes() for p in self.terms.values()], "margins": self.kinds}
        return json.dumps(alike | shapes, sort_keys=True)

    def start(self, where: torch.device) -> MIEstimate | ConditionalEstimate:
        tasks = [self.started(pairs, where) for pairs in self.terms.values()]
        return ConditionalEstimate(*tasks) if self.conditional else tasks[0]

    def started(self, pairs: Pairs, where: torch.device) -> MIEstimate:
        cfg = self.cfg
        self.views = self.views_on(where, pairs)
        return MIEstimate(
            options(cfg.task, MIEstimateConf),
            options(cfg.trainer, TrainerConf),
            make_term=partial(build.term, cfg, *pairs.shapes()),
            views=self.views,
            portfolio=self.portfolio,
            seed=cfg.seed,
            true_mi=self.data.true_mi,
            autocast=partial(autocast, where, cfg.trainer.dtype),
        )

    def head(self) -> Result:
        return {
            **UNKNOWN,
            "fit_value": None,
            "interval": None,
            "fold_sd": None,
            "true_mi": self.data.true_mi,
            "true_mi_note": self.data.true_mi_note,
            **sections(self.cfg, *PARTS),
            "folds": self.cfg.folds,
            "portfolio": self.portfolio,
            "margins": self.kinds,
            "split": self.cfg.split,
            "rows": None if (rows := self.data.rows) is None else counts(rows),
            "entropies": {} if rows is None or self.conditional else entropies(rows),
            "references": {},
            "terms": {},
        }

    def begin(self, files: RunFolder) -> None:
        """The row numbers of each part, in the data as they were read."""
        kept = None if self.data.rows is None else self.data.rows.kept
        rows: dict[str, Any] = {
            f"{name}_{k}": (rows if kept is None else kept[rows]).numpy()
            for k, split in enumerate(self.splits)
            for name, rows in vars(split).items()
        }
        if rows:
            numpy.savez_compressed(files.path / "split.npz", **rows)
        if self.data.rows is not None and (codings := self.data.rows.codings):
            saved = {side: coding.saved() for side, coding in codings.items()}
            write_json(files.path / "columns.json", saved)
        if some := to_draw(self.data):
            files.keep("rows", some)

    def after(self, result: Result) -> Result:
        """References of the same data, beside the estimate, never mixed in."""
        if self.cfg.references == "none":
            return {}
        if self.conditional:
            return self._after_terms(result)
        found = references_of(self.data.rows or self._reported())
        return {"references": found, **self._judged(result, found)}

    def _reported(self) -> Rows:
        """The report rows of fresh draws, as the law gives them."""
        assert self.data.sampler is not None
        n, seed = self.cfg.task.report_rows, self.cfg.seed
        where = self.views[0][0].report[0].device
        x, z = draws(self.data.sampler, "report", n, seed, where)
        return Rows(x.cpu(), z.cpu())

    def _after_terms(self, result: Result) -> Result:
        """References given w; the status of each term beside KSG's word on that term."""
        rows, terms = self.data.rows, {}
        assert rows is not None
        assert rows.given is not None
        for name, pairs in self.terms.items():
            assert pairs.rows is not None
            known = result["terms"][name]
            terms[name] = {**known, **self._judged(known, references_of(pairs.rows))}
        sides = zip(
            ("x", "z", "given"),
            (rows.x_categorical, rows.z_categorical, rows.given_categorical),
            strict=True,
        )
        classes = tuple(name for name, yes in sides if yes)
        found = conditional_references(rows.x, rows.z, rows.given, classes)
        words = [result["status"], *(term["status"] for term in terms.values())]
        return {"references": found, "terms": terms, "status": worst(words)}

    def _judged(self, result: Result, found: Mapping[str, Result]) -> Result:
        """The status of an estimate that a reference which can be trusted is clearly above."""
        trusted = [reference for reference in found.values() if reference.get("error") is not None]
        found_below = any(
            below(result["estimate"], result["standard_error"], known["estimate"], known["error"])
            for known in trusted
        )
        return {"status": "below_reference"} if found_below and result["status"] == "ok" else {}

    def pictures(self, folder: Path) -> Mapping[str, Path]:
        found = {"curve": figures.curve(folder, self.cfg.units), "data": figures.scatter(folder)}
        return {name: path for name, path in found.items() if path is not None}

    def settings(self) -> Result:
        return {name: build.type_name(self.cfg[name]) for name in PARTS} | super().settings()


def references_of(rows: Rows) -> dict[str, baselines.Reference]:
    """Returns the reference estimates of pairs of rows."""
    return baselines.references(
        rows.x,
        rows.z,
        x_categorical=rows.x_categorical,
        z_categorical=rows.z_categorical,
    )


def has_portfolio(cfg: DictConfig, data: Pairs) -> bool:
    """Whether critics are to be weighed: finite vectors, and a bound that is concave in T."""
    bound = as_bound(build.make(cfg.bound, "bound"))
    concave = isinstance(bound, DV) and bound.is_lower_bound
    return cfg.portfolio == "auto" and data.vectors and concave and process_count() == 1


def to_draw(data: Pairs) -> Arrays:
    """Returns some rows to look at, where each side has at most two columns or is a class."""
    rows = data.rows
    if rows is None:
        assert data.sampler is not None
        rows = Rows(*data.sampler.sample(DRAWN, torch.Generator().manual_seed(0)))
    chosen = torch.linspace(0, len(rows) - 1, min(len(rows), DRAWN)).long()
    found: Arrays = {}
    for side, values, names, classes in (
        ("x", rows.x, rows.x_names, rows.x_categorical),
        ("z", rows.z, rows.z_names, rows.z_categorical),
    ):
        values = values[chosen].float().cpu()
        if values.dim() != 2 or (values.shape[1] > 2 and not classes):
            return {}
        names = names or [f"{side}[{i}]" for i in range(values.shape[1])]
        if classes:
            column = {name.partition("=")[0] for name in names}
            found[f"{side}_classes"] = numpy.array([name.rpartition("=")[2] for name in names])
            values, names = values.argmax(1, keepdim=True), [", ".join(sorted(column))]
            if len(column) > 1 or len(found[f"{side}_classes"]) > DRAWN_CLASSES:
                return {}
        found |= {side: values.numpy(), f"{side}_names": numpy.array(names)}
    return found


def check_memory(cfg: DictConfig, *shapes: tuple[int, ...]) -> None:
    """Raise BadInput where the rows to be drawn are larger than the memory of this machine."""
    memory, row = physical_memory(), 4 * sum(map(math.prod, shapes))
    for key in ("select_rows", "report_rows"):
        size = cfg.task[key] * row
        if memory and size > memory:
            raise BadInput(
                f"task.{key}={cfg.task[key]}: {size / 1e9:,.0f} GB of rows, for a memory of "
                f"{memory / 1e9:,.0f} GB; want fewer"
            )


def check_sizes(cfg: DictConfig, split: Split) -> None:
    """Raise BadInput where the fit rows do not fill a batch, or a part is too small to cross."""
    fit, select, report = (len(part) for part in (split.fit, split.select, split.report))
    faults = []
    if fit < cfg.trainer.batch_size:
        faults.append(
            f"trainer.batch_size={cfg.trainer.batch_size}: larger than the {fit} rows that train; "
            f"want at most {fit}"
        )
    if min(select, report) < FEWEST_ROWS:
        faults.append(
            f"dataset: {select} rows to select and {report} to report; want at least "
            f"{FEWEST_ROWS} of each: more rows, or other task.fractions"
        )
    if faults:
        raise BadInput(*faults)
