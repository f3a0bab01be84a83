"""A screen of a table from Python: the same code path and defaults as the command line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from mine_cli.api import NOT_HERE, Overrides, composed, keep_configuration
from mine_cli.config.overrides import override
from mine_cli.data.arrays import frame_of
from mine_cli.errors import BadInput
from mine_cli.figures.report.screen import screen_in_notebook
from mine_cli.results.files import Result
from mine_cli.results.summary import of_screen
from mine_cli.tasks import run
from mine_cli.tasks.run import undisturbed
from mine_cli.tasks.screen.experiment import ScreenExperiment
from mine_cli.tasks.screen.training import Row

__all__ = ["Screening", "screen"]

HERE = {
    "dataset": "the frame is the data",
    "dataset.path": "the frame is the data",
    "dataset.x": "want x=[...]",
    "dataset.z": "want z=...",
    "dataset.given": "want given=...",
    "task": "this is task=screen",
    "network": "only task=mi-estimate chooses one; want task.widths",
    "bound": "only task=mi-estimate chooses one",
}


@dataclass(frozen=True, repr=False)
class Screening:
    """The pairs of columns of a table, the largest mutual information first; nats.

    Arguments:
        rows: a dictionary for each pair, with the keys ``x``, ``z``, ``estimate``, ``low``,
            ``high`` (two standard errors to each side, above also what cells of numbers may
            hide), ``p_value``, ``q_value``, ``status``, ``rows`` and ``note``; columns that were
            left out stand at the end.
        result: everything that result.json holds.
    """

    rows: list[Row]
    result: Result

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __getitem__(self, key: str) -> list[Any]:
        """Returns one column of the table, such as ``found["estimate"]``."""
        return [row[key] for row in self.rows]

    def to_pandas(self) -> Any:
        """Returns the table as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.rows)

    def __repr__(self) -> str:
        """Returns what the command says of it: how much was found, and the largest."""
        return "\n".join(of_screen(self.result, "nats"))

    def _repr_html_(self) -> str:
        """Returns what a notebook shows: how much was found, and the largest."""
        return screen_in_notebook(self.result)


def screen(
    frame: object,
    z: str | Sequence[str] | None = None,
    x: str | Sequence[str] | None = None,
    *,
    given: str | None = None,
    categorical: Sequence[str] = (),
    seed: int = 0,
    folder: str | Path | None = None,
    **overrides: Unpack[Overrides],
) -> Screening:
    """Ranks the columns of a table by their mutual information about z, or all pairs of columns.

    Arguments:
        frame: a DataFrame of pandas or polars, a Dataset of xarray, an array ``[n, d]``, or a
            dictionary of arrays ``[n]`` or ``[n, d]``; text is classes, gaps are left out pair by
            pair.
        z: the outcome, or several; patterns such as ``gene_*`` are allowed. None: every pair of
            columns.
        x: the other columns, patterns allowed; None: all.
        given: column w: how much x tells of z to who knows w already,
            :math:`I(x; z | w) = I(x, w; z) - I(w; z)`; p-values where w is classes.
        categorical: columns of numbers that are classes.
        seed: of every random stream.
        folder: where to keep the run (screen.csv, report.html, checkpoints); nothing is written
            without.
        overrides: any other key, ``folds=5`` or ``**{"trainer.steps": 500}``.

    Raises:
        BadInput: for data, a key or a value that cannot be used, with every fault in it.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> y = rng.normal(size=500)
        >>> frame = {"y": y, "noise": rng.normal(size=500), "copy": y + rng.normal(size=500)}
        >>> found = screen(frame, z="y", **{"trainer.steps": 20, "trainer.progress": False})
        >>> found["x"]
        ['copy', 'noise']
        >>> found["q_value"][0] < 0.05 < found["q_value"][1]
        True
    """
    options: dict[str, object] = {"seed": seed, **overrides}
    refused = NOT_HERE | HERE
    faults = [f"{key}: {why}" for key, why in refused.items() if key in options]
    if faults:
        raise BadInput(*faults)
    cfg = composed(["task=screen", "dataset.path=memory", *map(override, options.items())])
    w = names(given) or []
    data = frame_of(frame, names(x), names(z) or [], categorical, cfg.dataset.missing, w)
    with undisturbed():
        experiment = ScreenExperiment(cfg, data)
        experiment.check()
        if folder is not None:
            keep_configuration(cfg, Path(folder))
        result = run.run_experiment(experiment, None if folder is None else Path(folder))
    del result["curve"], result["objective"]
    return Screening(rows=experiment.table(), result=result)


def names(given: str | Sequence[str] | None) -> list[str] | None:
    return None if given is None else [given] if isinstance(given, str) else [*map(str, given)]
