"""The estimate as scikit-learn has it: an estimator, and a score function for `SelectKBest`.

Needs scikit-learn: ``pip install 'mine-run[sklearn]'``.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from mine_cli.api import experiment_on
from mine_cli.data.arrays import from_memory
from mine_cli.data.tables import Array
from mine_cli.data.tables.columns import FEW_VALUES, MIN_ROWS
from mine_cli.data.tables.frames import columns_of, is_table
from mine_cli.errors import BadInput, Diverged
from mine_cli.tasks.load import FinishedTerm, finished_term, term_of
from mine_cli.tasks.mi_estimate.experiment import MIEstimateExperiment
from mine_cli.tasks.mi_estimate.few_rows import FEWEST, estimate_of_few
from mine_cli.tasks.protocol import Result
from mine_cli.tasks.run import Run, undisturbed, use_threads
from mine_cli.training.trainer import Trainer

try:
    from sklearn.base import BaseEstimator
    from sklearn.utils import check_array, check_consistent_length, check_random_state
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as fault:
    raise ImportError(
        "mine_cli.sklearn needs scikit-learn: want pip install 'mine-run[sklearn]'"
    ) from fault

__all__ = ["MutualInformationEstimator", "mutual_info"]

QUIET: dict[str, object] = {"trainer.progress": False, "references": "none"}
SMALL: dict[str, object] = {"network.widths": [32, 32]}  # of critics that see one column of X
AT_ONCE = 16  # columns whose networks train as one model
CROSSED = 100_000  # pairs that `score` takes a mean of e^T over


class MutualInformationEstimator(BaseEstimator):
    """Estimates the mutual information of X and y, in nats, as `mine_cli.estimate` does.

    Of fewer than 100 rows, which networks learn by heart, only critics in closed form take part,
    and the status is ``few_rows``; ten rows are the least.

    Arguments:
        bound: ``mine``, ``dv``, ``infonce`` ...
        network: The statistics network, ``mlp_deep`` ...
        discrete_target: Whether numbers in y are classes; ``auto``: text, booleans, and at most
            20 different whole numbers are.
        options: Other keys of the configuration, ``{"folds": 10, "trainer.steps": 500}``.
        random_state: Seed of every random stream.

    Attributes:
        mi_: The estimate, in nats.
        standard_error_: Of ``mi_``.
        lower_bound_: A lower bound in expectation.
        interval_: The ends of a 95 % interval for the information, in nats; None for few rows.
        p_value_: Of independence.
        status_: ``ok``, ``few_rows``, or what is known against the estimate.
        result_: All that result.json would hold.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(60, 2))
        >>> found = MutualInformationEstimator().fit(X, X[:, 0] + 0.5 * rng.normal(size=60))
        >>> found.mi_ > 0.3, found.p_value_ < 0.05, found.status_
        (True, True, 'few_rows')
    """

    def __init__(
        self,
        bound: str = "mine",
        network: str = "mlp_deep",
        discrete_target: str | bool = "auto",
        options: Mapping[str, object] | None = None,
        random_state: object = 0,
    ) -> None:
        self.bound = bound
        self.network = network
        self.discrete_target = discrete_target
        self.options = options
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Estimates the information of X ``[n, columns]`` and y ``[n]`` or ``[n, columns]``.

        Raises:
            ValueError: for data that cannot be used, sparse ones among them.
        """
        X, y = checked(self, X, y, reset=True)
        classes = ["z"] if is_discrete(y, self.discrete_target) else []
        seed = seed_of(self.random_state)
        self.term_: FinishedTerm
        with refused():
            if len(X) < MIN_ROWS:
                self._fit_few(X, y, classes, seed)
            else:
                self._fit_networks(X, y, classes, seed)
        self.mi_: float = self.result_["estimate"]
        self.standard_error_: float = self.result_["standard_error"]
        self.lower_bound_: float | None = self.result_["lower_bound"]
        self.interval_: list[float] | None = self.result_.get("interval")
        self.p_value_: float | None = self.result_.get("p_value")
        self.status_: str = self.result_["status"]
        return self

    def _fit_few(self, X: object, y: object, classes: Sequence[str], seed: int) -> None:
        rows = from_memory(X, y, classes, fewest=FEWEST).rows()
        self.result_, states = estimate_of_few(rows, seed)
        shapes = tuple(rows.x.shape[1:]), tuple(rows.z.shape[1:])
        self.term_ = finished_term(states, shapes, rows.codings)

    def _fit_networks(self, X: object, y: object, classes: Sequence[str], seed: int) -> None:
        chosen = {"bound": self.bound, "network": self.network, "seed": seed}
        experiment = experiment_on(X, y, classes, **QUIET | chosen | dict(self.options or {}))
        with undisturbed():
            (run,) = trained([experiment])
            self.result_ = run.finish()
        rows = experiment.data.rows
        assert rows is not None
        assert run.task.best is not None
        self.term_ = term_of(experiment.cfg, run.task.best, rows.codings)

    def score(self, X: Any, y: Any) -> float:
        """Returns the bound's value on other rows, in nats: what the critics found is true there.

        Raises:
            ValueError: for other columns, and for classes that `fit` did not see.
        """
        check_is_fitted(self)
        X, y = checked(self, X, y, reset=False)
        with refused():
            return self.term_.evaluate(X, y, pairs=CROSSED).value

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.target_tags.two_d_labels = True
        return tags


def mutual_info(
    X: Any,
    y: Any,
    *,
    discrete_target: str | bool = "auto",
    random_state: object = 0,
    options: Mapping[str, object] | None = None,
) -> tuple[Array, Array]:
    """Estimates what each column of X tells of y: a score function for ``SelectKBest``.

    Columns of one kind are trained together, each with small critics of its own.

    Arguments:
        X: ``[n, columns]``: numbers, or a frame, whose text is classes.
        y: ``[n]`` or ``[n, columns]``.
        discrete_target, random_state, options: As of `MutualInformationEstimator`.

    Returns:
        The estimates ``[columns]``, in nats, NaN where training diverged, and the p-values of
        independence ``[columns]``.

    Raises:
        ValueError: for data that cannot be used, sparse ones among them.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.feature_selection import SelectKBest
        >>> X, y = load_iris(return_X_y=True)
        >>> options = {"trainer.steps": 30}
        >>> best = SelectKBest(lambda X, y: mutual_info(X, y, options=options), k=2).fit(X, y)
        >>> best.get_support(indices=True)       # petal length and width
        array([2, 3])
    """
    X, y = checked(None, X, y)
    classes = ["z"] if is_discrete(y, discrete_target) else []
    seed, columns = seed_of(random_state), [*each_column(X)]
    with refused():
        if len(X) < MIN_ROWS:
            results: list[Result] = [
                estimate_of_few(from_memory(column, y, classes, fewest=FEWEST).rows(), seed)[0]
                for column in columns
            ]
        else:
            given = {**QUIET, **SMALL, "seed": seed, **(options or {})}
            experiments = [experiment_on(column, y, classes, **given) for column in columns]
            with undisturbed():
                results = [result_of(run) for run in trained(experiments)]
    found = [(result["estimate"], result.get("p_value")) for result in results]
    scores, p_values = np.array(found, dtype=float).T
    return scores, p_values


def trained(experiments: Sequence[MIEstimateExperiment]) -> list[Run]:
    """Trains estimates, those of one shape as one model; returns their runs in the same order."""
    groups: dict[str, list[Run]] = {}
    runs = []
    for experiment in experiments:
        use_threads(experiment)
        experiment.check()
        runs.append(Run(experiment, None, None, progress=False))
        groups.setdefault(experiment.fusion_key(), []).append(runs[-1])
    for alike in groups.values():
        for start in range(0, len(alike), AT_ONCE):
            some = [run.training for run in alike[start : start + AT_ONCE]]
            Trainer(some, fused=len(some) > 1).fit()
    return runs


def result_of(run: Run) -> Result:
    """Returns what a run among several has found; no number where it diverged."""
    nothing = {"estimate": np.nan, "p_value": np.nan}
    try:
        return nothing if run.training.failure else run.finish()
    except Diverged:
        return nothing


def each_column(X: Any) -> Iterator[object]:
    """Yields the columns of an array or a frame, each as it is."""
    if is_table(X):
        yield from columns_of("x", X).values()
    else:
        yield from X.T


def checked(estimator: Any, X: Any, y: Any, reset: bool = True) -> tuple[Any, Any]:
    """Returns X and y as scikit-learn's checks leave them; frames with text as they are."""
    if y is None:
        raise ValueError(
            "MutualInformationEstimator requires y to be passed, but the target y is None."
        )
    as_it_is = is_table(X) and not all(c.dtype.kind in "biuf" for c in columns_of("x", X).values())
    if estimator is not None:
        X = validate_data(estimator, X, reset=reset, skip_check_array=as_it_is)
    elif not as_it_is:
        X = check_array(X)
    if not is_table(y):
        y = check_array(y, ensure_2d=False, dtype=None)
        y = y.astype(str) if y.dtype.kind == "O" else y
    check_consistent_length(X, y)
    fewest = FEWEST if reset else 2
    if len(X) < fewest:
        raise ValueError(f"n_samples={len(X)}: want at least {fewest} rows")
    return X, y


def is_discrete(y: object, asked: str | bool) -> bool:
    """Tells whether numbers in y are classes."""
    if asked != "auto":
        return bool(asked)
    values = np.asarray(y)
    if values.dtype.kind not in "biuf" or (values.ndim > 1 and values.shape[1] > 1):
        return False  # text is classes anyway
    found = np.unique(values)
    return bool((found == np.floor(found)).all()) and len(found) <= FEW_VALUES


def seed_of(random_state: object) -> int:
    """Returns a seed of a number, of None or of a generator, as scikit-learn takes them."""
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31))


class refused:
    """Raises ValueError, as scikit-learn's users expect, for what this program refuses."""

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, stop: BaseException | None, trace: object) -> None:
        if isinstance(stop, BadInput | Diverged):
            raise ValueError(str(stop)) from stop
