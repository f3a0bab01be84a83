r"""``task=infobottleneck``: a stochastic encoder that keeps what tells the class, and little else.

.. math:: \min_{p(z|x)} \; H(Y \mid Z) + \beta\, I(X; Z)

The encoder and its softmax layer descend the cross-entropy plus beta times an information term,
both in nats: the MI term of this package (the statistics network ascends its bound, with an
optimiser of its own), VIB's closed-form divergence, or none. The baselines of the paper's table 3
are the same objective with other parts: dropout, label smoothing, a confidence penalty.

References:
    | MINE: Mutual Information Neural Estimation (Belghazi et al., 2018), section 5.3, eq. 20
    | Deep Variational Information Bottleneck (Alemi et al., 2017), eq. 17
    | Regularizing Neural Networks by Penalizing Confident Output Distributions (Pereyra et al.,
    | 2017), eq. 3, for the confidence penalty
"""

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext

import torch
from torch import Generator, Tensor

from mine_cli.config.schemas import InfoBottleneckConf, MethodConf, TrainerConf
from mine_cli.data.labelled import Labelled
from mine_cli.estimator.evaluation import Evaluation
from mine_cli.estimator.status import status
from mine_cli.estimator.term import MutualInformation
from mine_cli.networks.encoders import Bottleneck
from mine_cli.tasks.batches import FixedRows
from mine_cli.tasks.infobottleneck.outliers import (
    confidence,
    pointwise_information,
    told_apart,
)
from mine_cli.tasks.infobottleneck.report import information, prediction, predictions_of
from mine_cli.tasks.infobottleneck.rows import rows_on
from mine_cli.tasks.infobottleneck.stacked import Share, StackedBottlenecks
from mine_cli.tasks.protocol import Result
from mine_cli.training.device import Autocast
from mine_cli.training.ema import MovingAverage
from mine_cli.training.rng import go_on, stream
from mine_cli.training.task import Arrays, State

__all__ = ["InfoBottleneck"]

FASTER = 10  # than the encoder, at which rate the statistics network keeps up
WATCHED_ROWS = 2000  # whose exact information is bounded during the training: the cost is n^2


class InfoBottleneck:
    """Trains a bottleneck, its term beside it; several are stepped as one by `StackedBottlenecks`.

    Nothing is chosen by the test rows: they are looked at once, after the last step.

    Arguments:
        conf: averaging, validation, the balance of the networks; see `InfoBottleneckConf`.
        method: the parts of the objective; see `MethodConf`.
        trainer: steps, batch size, rates; see `TrainerConf`. Its ``lr`` is the encoder's.
        data: training and test rows.
        make_bottleneck, make_term: make the modules from a seed.
        seed: of every random stream.
        device: where all of it computes, and the data stay.
        autocast: makes the context that the networks are called in.
    """

    def __init__(
        self,
        conf: InfoBottleneckConf,
        method: MethodConf,
        trainer: TrainerConf,
        data: Labelled,
        make_bottleneck: Callable[[int], Bottleneck],
        make_term: Callable[[int], MutualInformation],
        seed: int = 0,
        device: torch.device | str = "cpu",
        autocast: Autocast = nullcontext,
    ) -> None:
        self.conf, self.method, self.trainer, self.autocast = conf, method, trainer, autocast
        self.device, self.bounds = torch.device(device), data.bounds
        self.outliers = data.outliers
        self.inputs: State = {
            "shape": list(data.x.shape[1:]),
            "classes": data.names,
            "scale": data.scale and data.scale.state_dict(),
        }
        self.informed = method.information == "mine"
        self.statistics_lr = conf.statistics_lr or FASTER * trainer.lr
        self.rows = rows_on(data, conf.validation, self.device)
        self.bottleneck = make_bottleneck(stream(seed, "bottleneck")).to(self.device)
        self.term = make_term(stream(seed, "network")).to(self.device)
        self.feed = FixedRows(*self.rows.fit, trainer.batch_size)
        self.generator = Generator(self.device).manual_seed(stream(seed, "training"))
        self.average: MovingAverage[Bottleneck] | None = None
        if conf.average is not None:
            self.average = MovingAverage(self.bottleneck, conf.average, ramp=True)
        self.share: Share | None = None
        self.stacked = StackedBottlenecks([self])
        self.curve: list[float] = []
        self.best: State | None = None
        self.finished = False

    @property
    def judged(self) -> Bottleneck:
        """The bottleneck that predicts: its average, if one is kept."""
        return self.bottleneck if self.average is None else self.average.module()

    # What the trainer asks for

    def train_step(self, step: int) -> dict[str, Tensor]:
        """One step of the statistics network, then of encoder and decoder; losses in nats."""
        self.stacked.step(step)
        return self.metrics()

    def metrics(self) -> dict[str, Tensor]:
        """What the latest step says of this bottleneck; raises what its bound has raised."""
        return self.share.metrics() if self.share else {}

    def stack(self, others: "Sequence[InfoBottleneck]") -> StackedBottlenecks:
        """What steps these bottlenecks as one from now on."""
        return StackedBottlenecks([self, *others])

    def evaluate(self, step: int) -> dict[str, float | None]:
        """Prediction and information on the validation rows; no test row is among them."""
        x, y = self.rows.held_out
        scored = prediction(self.judged, x, y, 1, self._evaluation_stream(0))
        found, term = self._information(x, y, WATCHED_ROWS, self.conf.pairs_during_training)
        if term is not None:
            self.curve.append(term.value)
        self.best = {"bottleneck": copy.deepcopy(self.judged).state_dict(), **self.inputs}
        return {
            **{f"ib/{name}": value for name, value in scored.items()},
            "mi/estimate": None if term is None else term.value,
            "mi/reference": found["i_xz_reference"],
            "mi/reference_upper": found["i_xz_reference_upper"],
            "mi/kl": found["kl"],
            "mi/z_y": found["i_zy"],
            "mi/h_y": found["h_y"],
        }

    def _information(
        self, x: Tensor, y: Tensor, referenced: int, pairs: int
    ) -> tuple[dict[str, float | None], Evaluation | None]:
        """What the encoder as trained lets through: the term belongs to it, not to its average."""
        options = self.term.crossing(self.trainer.batch_size, pairs)
        term = self.term if self.informed else None
        return information(
            self.bottleneck, term, x, y, referenced, self._evaluation_stream(1), options
        )

    def _evaluation_stream(self, part: int) -> Generator:
        """The same noise at every evaluation, whatever the training drew."""
        return Generator(self.device).manual_seed(stream(0, "evaluation", part))

    def data(self) -> list[Tensor]:
        """The rows that it holds for itself: none, see `shared_data`."""
        return []

    def shared_data(self) -> list[Tensor]:
        """The rows that it holds with all others in this process that are trained on them."""
        return self.rows.tensors()

    def arrays(self) -> Arrays:
        return {}

    def parameters(self) -> Iterable[Tensor]:
        return self.share.parameters() if self.share else []

    def state_dict(self) -> State:
        return {
            "bottleneck": self.bottleneck.state_dict(),
            "term": self.term.state_dict(),
            "feed": self.feed.state_dict(),
            "generator": self.generator.get_state(),
            "moments": self.share.moments() if self.share else {},
            "average": None if self.average is None else self.average.state_dict(),
            "curve": self.curve,
            "best": self.best,
        }

    def load_state_dict(self, state: State) -> None:
        self.bottleneck.load_state_dict(state["bottleneck"])
        self.term.load_state_dict(state["term"])
        self.feed.load_state_dict(state["feed"])
        go_on(self.generator, state["generator"])
        if self.share:
            self.share.load_moments(state["moments"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.curve, self.best = state["curve"], state["best"]

    # The result

    def result(self) -> Result:
        """What the test rows say, which are looked at here for the first time; nats."""
        x, y = self.rows.test
        found, term = self._information(x, y, len(x), self.conf.pairs)
        metrics: Result = {
            **predictions_of(self.judged, x, y, self.conf, self.bounds, self._evaluation_stream),
            **found,
            "i_xz_term": None if term is None else term.value,
            "test_rows": len(x),
            **self._of_outliers(x),
        }
        result: Result = {"status": "ok", "metrics": metrics}
        if term is not None:
            metrics["estimate_status"] = status(self.term.bound, term, self.curve)
            result |= term.reported()
            if term.value < -2 * term.standard_error:
                result["status"] = "outrun"
        if not math.isfinite(metrics["cross_entropy"]):
            result["status"] = "diverged"
        return result

    def _of_outliers(self, x: Tensor) -> dict[str, float | None]:
        """How well rows of another kind are told from test rows: areas under the ROC curve."""
        if self.outliers is None:
            return {}
        samples, others = self.conf.samples, self.outliers.to(self.device)
        sure = confidence(self.judged, samples, self._evaluation_stream(4))
        told = pointwise_information(
            self.bottleneck,
            self.term if self.informed else None,
            samples,
            self._evaluation_stream(5),
        )
        return {
            "outliers": len(others),
            "outliers_by_confidence": told_apart(sure, x, others, stranger=-1),
            "outliers_by_information": told_apart(told, x, others, stranger=1),
        }
