r"""The MI term: a statistics network, a bound and a way to draw marginals, as one module.

The same object estimates mutual information, raises it (`maximise`) and lowers it (`minimise`).
"""

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any, Literal, Protocol, TypeVar, Unpack, cast

import torch
from torch import Tensor, nn

from mine_cli.bounds import BOUNDS, Bound, as_bound, loss_and_value
from mine_cli.errors import BadInput
from mine_cli.estimator.evaluation import Crossing, Evaluation, evaluate, log_ratio
from mine_cli.estimator.gathered import average, average_gradients, gather, ranks
from mine_cli.estimator.inputs import both, check_paired, check_scores, coded, not_finite
from mine_cli.estimator.scoring import score
from mine_cli.estimator.statistics_steps import Pace
from mine_cli.estimator.status import status
from mine_cli.marginals import MARGINALS, as_marginals
from mine_cli.networks.interface import Noise, StatisticsNetwork, as_network
from mine_cli.training.clipping import Clipped, clip_adaptively
from mine_cli.training.distributed import of_rank_0
from mine_cli.training.optim import adam, descend, load_moments, moments, set_gradient
from mine_cli.training.rng import go_on
from mine_cli.training.task import State

__all__ = ["MutualInformation", "Writer", "evaluating", "frozen"]

log = logging.getLogger("mine_cli")

Kind = TypeVar("Kind")

SMALLEST_PROBE = 16  # rows, a quarter of which is looked at
OF_TRAINING = {"lowered", "optimizer", "pace", "steps", "stream"}
"""What a state dict holds beside the modules, once the term has been trained."""


class Writer(Protocol):
    """What `MutualInformation.log_to` writes to, such as TensorBoard's ``SummaryWriter``."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> object:
        """Takes one number of one step."""


class MutualInformation(nn.Module):
    r"""The mutual information of x ``[n, ...]`` and z ``[n, ...]`` as a term of any training loop.

    The statistics network is its own business: it has gradients inside `step` alone, and a model
    that holds the term has none of it among its ``parameters()`` (`statistics_parameters` lists
    them), while ``state_dict()`` holds all of it, with the optimiser's moments and the random
    stream: a resumed training is the uninterrupted one. It computes in its own precision, whatever
    autocast says; x and z of another are cast. In a process group one bound is taken over the
    rows of all ranks, and every rank has the same statistics network.

    Arguments:
        network: the statistics network T(x, z): any ``nn.Module`` whose ``forward(x, z)`` scores
            paired rows. One with ``embed`` and ``head`` has its first layer computed once per row.
        bound: a name (``mine``, ``dv``, ``mine_f``, ...), a function of the scores, or a module
            with ``loss``, ``value`` and ``objective``, such as a `Bound`.
        marginals: a name (``derangement``, ``shuffle``, ...) or an object with ``pairings``, such
            as `Marginals`; None takes ``all_pairs`` for a bound that needs the score matrix
            (``infonce``) and ``derangement`` for the others.
        lr, weight_decay: of the statistics network's own Adam.
        seed: of the random pairings and of a noisy network's noise.
        optimizer: makes another optimiser of the list of parameters, with a rate of its own.
        lr_schedule: the factor on the rate after so many steps, as torch's ``LambdaLR`` has it.
        statistics_steps: steps of the statistics network in one call of `step`; ``auto`` takes as
            many as keep it near its optimum, see `Pace`, and says so where they do not suffice.
        num_classes: how many classes whole numbers name, of x and z alike or (of x, of z); they
            are one-hot coded.
        noise: standard deviation of Gaussian noise on what the statistics network sees, of x and z
            alike or (of x, of z): what is measured is then the information between the noisy ones.
        on_nonfinite: what `step` does where its loss is not finite: ``raise`` an error that names
            the rows, or ``skip`` the step and count it in ``skipped``.

    Raises:
        BadInput: with one line, for parts that do not go together or rows that do not fit.

    Example:
        >>> from mine_cli.networks import MLP
        >>> encoder = torch.nn.Linear(3, 2)
        >>> x = torch.randn(200, 3)
        >>> z = encoder(x)
        >>> mi = MutualInformation(MLP((3,), (2,)), bound="mine", marginals="derangement")
        >>> value = mi.step(x, z)  # trains the statistics network, only that
        >>> loss = z.square().mean() + 0.1 * mi.minimise(x, z)
        >>> loss.backward()  # moves whatever x and z came from
        >>> encoder.weight.grad.shape
        torch.Size([2, 3])
        >>> found = mi.evaluate(torch.randn(200, 3), torch.randn(200, 2))
        >>> found.value < 0.1  # nothing in common, in nats
        True

    References:
        | MINE: Mutual Information Neural Estimation (Belghazi et al., 2018), algorithm 1
        | https://arxiv.org/abs/1801.04062
    """

    statistics: nn.ModuleDict

    def __init__(
        self,
        network: nn.Module,
        bound: str | nn.Module | Callable[[Tensor, Tensor], Tensor] = "mine",
        marginals: object = None,
        *,
        lr: float = 1e-3,
        seed: int = 0,
        optimizer: Callable[[list[nn.Parameter]], torch.optim.Optimizer] | None = None,
        weight_decay: float = 0.0,
        lr_schedule: Callable[[int], float] | None = None,
        statistics_steps: int | Literal["auto"] = 1,
        num_classes: int | tuple[int | None, int | None] | None = None,
        noise: float | tuple[float, float] = 0.0,
        on_nonfinite: Literal["raise", "skip"] = "raise",
    ) -> None:
        super().__init__()
        if not isinstance(network, nn.Module):
            raise BadInput(
                f"network: want a torch.nn.Module such as MLP((2,), (2,)), not {network!r}"
            )
        # Past nn.Module's register, which would list its parameters among those of a model.
        self.__dict__["statistics"] = nn.ModuleDict()
        self.statistics["network"] = as_network(network)
        self.statistics["bound"] = as_bound(
            named(bound, BOUNDS, "bound") if isinstance(bound, str) else bound
        )
        if marginals is None:
            marginals = "all_pairs" if self.bound.needs == "matrix" else "derangement"
        if isinstance(marginals, str):
            marginals = named(marginals, MARGINALS, "marginals")
        self.marginals = as_marginals(marginals)
        if self.bound.needs == "matrix" and self.marginals.rows is None:
            raise BadInput(
                f"bound={type(self.bound).__name__} needs the score matrix: marginals=all_pairs, "
                f"not {type(marginals).__name__}"
            )
        if optimizer is not None and weight_decay:
            raise BadInput("weight_decay is of the default Adam: want it in what optimizer= makes")
        if on_nonfinite not in ("raise", "skip"):
            raise BadInput(f"on_nonfinite={on_nonfinite}: must be raise or skip")
        if statistics_steps != "auto" and not (
            isinstance(statistics_steps, int) and statistics_steps > 0
        ):
            raise BadInput(f"statistics_steps={statistics_steps}: must be 1 or more, or auto")
        self.lr, self.weight_decay, self.seed = lr, weight_decay, seed
        self.make_optimizer, self.lr_schedule = optimizer, lr_schedule
        self.statistics_steps = statistics_steps
        self.pace = Pace() if statistics_steps == "auto" else None
        self.num_classes, self.noise = both(num_classes), both(noise)
        self.on_nonfinite = on_nonfinite
        self.casts = True  # x and z to the network's precision, unless it sees to that itself
        self.steps, self.skipped = 0, 0
        self.lowered = False  # whether rows have been moved to lower what this very network says
        self.latest: Tensor | None = None
        self._optimizer: torch.optim.Optimizer | None = None
        self._generator: torch.Generator | None = None
        self._fitting: set[tuple[object, ...]] = set()
        self._joined = False
        # log E[e^T] over rows that were not trained on: the constant of `pointwise`.
        self.log_partition = torch.zeros((), dtype=torch.float64)
        self.calibrated = torch.tensor(False)

    # Training the statistics network

    def step(self, x: Tensor, z: Tensor, z_extra: Tensor | None = None) -> Tensor:
        """Trains the statistics network by one step; what x and z came from is untouched.

        Returns the bound's value on this training batch, in nats: a progress figure, not an
        estimate (`evaluate` rows that were not trained on for that). ``z_extra [n * num, ...]``
        are the independent draws of z that ``marginals="independent"`` asks for. It works under
        ``torch.no_grad`` and autocast, and leaves no gradient behind.

        Raises:
            Diverged: the loss is not finite, and ``on_nonfinite="raise"``; no weight has changed.
        """
        with torch.inference_mode(False), torch.enable_grad(), full_precision(x):
            rows = self._rows(x, z, z_extra)
            x, z = (t.clone() if t.is_inference() else t.detach() for t in rows)
            if self.pace is None:
                self.latest = self._train(x, z, int(self.statistics_steps))
            elif len(x) >= SMALLEST_PROBE and self.pace.probes():
                self.latest = self._probe(x, z, self.pace)
            else:
                self.latest = self._train(x, z, self.pace.steps)
        return self.latest

    def _train(self, x: Tensor, z: Tensor, steps: int) -> Tensor:
        for _ in range(steps):
            value = self._descend(x, z)
        return value

    def _descend(self, x: Tensor, z: Tensor) -> Tensor:
        pairing, noise = self.draw(len(x), self.generator(x.device))
        before = [(buffer, buffer.clone()) for buffer in self.statistics.buffers()]
        scores = self.scores(x, z, pairing, noise)
        loss, value = loss_and_value(self.bound, *scores)
        if not math.isfinite(loss.item()):
            for buffer, value in before:
                buffer.copy_(value)
            self._refuse(loss.item(), x, z, scores[0].detach())
            return loss.detach()
        loss.backward()
        optimizer = self.optimizer
        if ranks() > 1:
            average_gradients(self.statistics_parameters())
        if self.lr_schedule is not None:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * self.lr_schedule(self.steps)
        if self.make_optimizer is None:
            descend(cast(torch.optim.AdamW, optimizer))
        else:
            optimizer.step()
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = None
        self.steps += 1
        return value

    def _refuse(self, loss: float, x: Tensor, z: Tensor, t_joint: Tensor) -> None:
        """Counts a step that is not taken, or raises why."""
        error = not_finite(loss, x=x, z=z[: len(x)], T=t_joint)
        if self.on_nonfinite == "raise":
            raise error
        self.skipped += 1
        log.warning("%s", error)

    def _probe(self, x: Tensor, z: Tensor, pace: Pace) -> Tensor:
        """Trains on three quarters of a batch; see `Pace`."""
        kept = len(x) - len(x) // 4
        fit, aside = self._part(x, z, slice(kept)), self._part(x, z, slice(kept, None))
        plan = self.draw(len(aside[0]), self.generator(x.device))
        values = []
        for _ in range(2):
            latest = self._train(*fit, pace.steps)
            with torch.no_grad():
                values.append(self.bound.value(*self.scores(*aside, *plan)).item())
        if all(map(math.isfinite, values)):
            pace.record(values[1] - values[0], values[1])
        return latest

    def _part(self, x: Tensor, z: Tensor, part: slice) -> tuple[Tensor, Tensor]:
        """Some rows of x and z, with the extra draws that belong to them."""
        own, extra = z[: len(x)], z[len(x) :]
        if len(extra):
            extra = extra.unflatten(0, (len(x), -1))[part].flatten(0, 1)
        return x[part], torch.cat([own[part], extra])

    def losses(
        self, x: Tensor, z: Tensor, pairing: Tensor | None = None, noise: Noise | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the bound's loss (to descend) on one batch, and the detached scores behind it.

        A function of its arguments, parameters and buffers alone, so that many terms of one shape
        can be stacked and stepped together.
        """
        t_joint, t_marginal = self.scores(x, z, pairing, noise)
        loss = self.bound.loss(t_joint, t_marginal)
        return loss, t_joint.detach(), t_marginal.detach()

    def scores(
        self, x: Tensor, z: Tensor, pairing: Tensor | None = None, noise: Noise | None = None
    ) -> tuple[Tensor, Tensor]:
        """Scores joint and marginal pairs; see `scoring.score`."""
        return score(self.network, self.marginals, x, z, pairing, noise)

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor | None, Noise | None]:
        """Draws a pairing ``[n, k]`` of n rows (None: groups are crossed), and noise."""
        found = self.marginals.pairings(1, n, generator)
        pairing = None if found is None else found[0]
        return pairing, self.draw_noise(n, pairing, generator)

    def draw_noise(
        self, n: int, pairing: Tensor | None, generator: torch.Generator
    ) -> Noise | None:
        """Draws the network's noise on n rows and their pairs; None where it takes none."""
        if not (self.network.training and self.network.takes_noise):
            return None
        groups, rows = self.marginals.groups(n)
        pairs = (groups, rows, rows) if pairing is None else (1 + pairing.shape[1], n)
        return self.network.draw_noise(n, n * (1 + self.marginals.extra), pairs, generator)

    # Moving what x and z came from

    def maximise(self, x: Tensor, z: Tensor, z_extra: Tensor | None = None) -> Tensor:
        """Returns the term to *add* to a loss to raise I(x; z): minus the bound's objective.

        Differentiable in x and z; no gradient reaches the statistics network.
        """
        return -self._seen(self.bound.objective, x, z, z_extra)

    def minimise(self, x: Tensor, z: Tensor, z_extra: Tensor | None = None) -> Tensor:
        """Returns the term to *add* to a loss to lower I(x; z): the bound's objective.

        Differentiable in x and z; no gradient reaches the statistics network. Lowering a lower
        bound also rewards fooling the network: keep it trained (`step`) in between, and measure
        what is left by a term that is trained afresh; of this one `evaluate` says ``lowered``.
        """
        found = self._seen(self.bound.objective, x, z, z_extra)
        self.lowered = self.lowered or found.requires_grad
        return found

    def forward(self, x: Tensor, z: Tensor, z_extra: Tensor | None = None) -> Tensor:
        """Returns the bound's value on this batch, in nats, scalar.

        Differentiable in x and z; no gradient reaches the statistics network. It is no estimate
        where the batch was trained on.
        """
        return self._seen(self.bound.value, x, z, z_extra)

    def _seen(
        self,
        function: Callable[[Tensor, Tensor], Tensor],
        x: Tensor,
        z: Tensor,
        z_extra: Tensor | None,
    ) -> Tensor:
        """Returns a function of the scores of a batch; no gradient reaches their network."""
        with full_precision(x):
            x, z = self._rows(x, z, z_extra)
            plan = self.draw(len(x), self.generator(x.device))
            with frozen(self.statistics):
                return function(*self.scores(x, z, *plan))

    def maximise_into(
        self,
        parameters: Iterable[Tensor],
        other_loss: Tensor,
        x: Tensor,
        z: Tensor,
        z_extra: Tensor | None = None,
        *,
        weight: float = 1.0,
    ) -> Clipped:
        r"""Adds the gradient of ``other_loss + weight * maximise(x, z)`` to that of parameters.

        The second part is clipped to be no longer than the first, over all parameters together
        (`clip_adaptively`), so that the information never outweighs the loss that it stands
        beside: what the paper does to a generator. It stands in place of ``backward()``, and calls
        for modules that are not wrapped by ``DistributedDataParallel``: it averages over ranks
        itself.

        Arguments:
            parameters: of the generator, or whatever else both depend on.
            other_loss: scalar, such as the generator's adversarial loss.
            x, z, z_extra: as in `maximise`.
            weight: of the information, before it is clipped.

        Returns:
            The clipped part and the norms of both.

        References:
            | MINE: Mutual Information Neural Estimation (Belghazi et al., 2018), eq. 21
            | https://arxiv.org/abs/1801.04062
        """
        moved = [p for p in parameters if p.requires_grad]
        information = weight * self.maximise(x, z, z_extra)
        of_loss, of_information = (
            torch.autograd.grad(
                loss, moved, retain_graph=keep, allow_unused=True, materialize_grads=True
            )
            for loss, keep in ((other_loss, True), (information, False))
        )
        if ranks() > 1:
            average([*of_loss, *of_information])
        clipped = clip_adaptively(of_loss, of_information)
        for p, one, other in zip(moved, of_loss, clipped.gradient, strict=True):
            set_gradient(p, one + other if p.grad is None else p.grad + one + other)
        return clipped

    # Reading it

    @torch.no_grad()
    def evaluate(self, x: Tensor, z: Tensor, **options: Unpack[Crossing]) -> Evaluation:
        """Evaluates the bound on rows, with its standard error; see `evaluation.evaluate`.

        Rows that were not trained on, of this process alone. ``print`` shows value, error and
        status; the status knows no curve, and so cannot say ``not_converged``. In place of ``ok``
        it is ``untrained`` where nothing is found and no step was taken, and ``lowered`` after
        `minimise`, where a term that is trained afresh may find more.
        """
        x, z = self._coded(x, z)
        if any(self.noise):
            x, z = self._noisy(torch.Generator(x.device).manual_seed(self.seed), x, z)
        with evaluating(self.network), full_precision(x):
            found = evaluate(self.network, self.bound, x, z, **options)
        word = status(self.bound, found, ())
        return replace(found, status=self._doubted(found) if word == "ok" else word)

    def _doubted(self, found: Evaluation) -> str:
        """Returns what speaks against an evaluation in which nothing else does, or ``ok``."""
        if self.lowered:
            return "lowered"
        nothing = found.value < 2 * found.standard_error
        return "untrained" if nothing and not self.steps and not self.calibrated else "ok"

    def crossing(self, batch_size: int, pairs: int) -> Crossing:
        """Returns how `evaluate` is to cross rows: so many pairs in all, or (InfoNCE, whose value
        depends on it) as many negatives a row as a training batch gives."""
        if self.bound.needs != "matrix":
            return {"pairs": pairs}
        _, rows = self.marginals.groups(batch_size)
        return {"negatives": rows - 1, "training_negatives": rows - 1}

    @torch.no_grad()
    def pointwise(self, x: Tensor, z: Tensor) -> Tensor:
        r"""Returns the log-ratio of each row ``[n]``, in nats: about log p(x, z) / p(x) p(z).

        .. math:: T(x_i, z_i) - \log E_{p(x)p(z)}[e^T]

        The constant comes from a finished run's *select* rows (`mine_cli.load`) or from
        `calibrate`; without either, from the rows given. InfoNCE fixes T only up to a function of
        x, so there the log mean of e^T over the given z is taken off row by row.
        """
        x, z = self._coded(x, z)
        with evaluating(self.network), full_precision(x):
            constant = self.log_partition if self.calibrated else None
            return log_ratio(self.network, self.bound, x, z, constant)

    @torch.no_grad()
    def calibrate(self, x: Tensor, z: Tensor) -> None:
        """Fixes the constant of `pointwise` on rows that the network was not trained on."""
        self.log_partition.fill_(self.evaluate(x, z).log_partition)
        self.calibrated.fill_(True)

    def log_to(self, writer: Writer, step: int, found: Evaluation | None = None) -> None:
        """Writes what is to be watched, in nats: the batch's value, the rate, steps and skips.

        Arguments:
            writer: TensorBoard's ``SummaryWriter``, or whatever else has its ``add_scalar``.
            step: of the training loop.
            found: what `evaluate` said of held-out rows, if it was asked.
        """
        scalars: dict[str, float] = {"mi/steps": self.steps, "mi/skipped": self.skipped}
        if self.latest is not None:
            scalars["mi/batch"] = self.latest.item()
            scalars["mi/lr"] = float(self.optimizer.param_groups[0]["lr"])
        if self.pace is not None:
            scalars |= {"mi/statistics_steps": self.pace.steps, "mi/outrun": self.pace.outrun}
        if found is not None:
            scalars |= {"mi/estimate": found.value, "mi/standard_error": found.standard_error}
        for name, value in scalars.items():
            writer.add_scalar(name, value, step)

    # Parts

    @property
    def network(self) -> StatisticsNetwork:
        return cast(StatisticsNetwork, self.statistics["network"])

    @property
    def bound(self) -> Bound:
        return cast(Bound, self.statistics["bound"])

    def statistics_parameters(self) -> Iterator[nn.Parameter]:
        """Returns the parameters of statistics network and bound, which ``parameters()`` hides."""
        return self.statistics.parameters()

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimiser of `statistics_parameters`: Adam, or what was asked for."""
        if self._optimizer is None:
            parameters = list(self.statistics_parameters())
            if self.make_optimizer is None:
                self._optimizer = adam(parameters, self.lr, self.weight_decay)
            else:
                self._optimizer = self.make_optimizer(parameters)
            for group in self._optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])
        return self._optimizer

    def generator(self, device: torch.device) -> torch.Generator:
        """Returns this term's own random stream on a device."""
        if self._generator is None:
            self._generator = torch.Generator(device).manual_seed(self.seed)
        elif self._generator.device.type != device.type:
            state, self._generator = self._generator.get_state(), torch.Generator(device)
            go_on(self._generator, state)
        return self._generator

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("network", "bound"):
            self.statistics[name] = value
        else:
            super().__setattr__(name, value)

    def extra_repr(self) -> str:
        parts = (self.network, self.bound, self.marginals)
        return ", ".join(type(part).__name__ for part in parts)

    # Rows

    def _rows(self, x: Tensor, z: Tensor, z_extra: Tensor | None) -> tuple[Tensor, Tensor]:
        """Returns x, of all ranks, and z with its extra draws behind it."""
        x, z = self._coded(x, z)
        wanted = len(x) * self.marginals.extra
        extra = z[:0] if z_extra is None else coded(z_extra, self.num_classes[1], "z", z.dtype)
        if len(extra) != wanted:
            raise BadInput(
                f"got {len(x)} rows of x and {len(extra)} extra draws of z; these marginals take "
                f"{wanted} extra draws"
            )
        if ranks() > 1:
            self._join(x.device)
            x, z, *extras = gather(x, z, extra) if wanted else gather(x, z)
            extra = extras[0] if extras else z[:0]
        if any(self.noise):
            x, z, extra = self._noisy(self.generator(x.device), x, z, extra)
        return x, torch.cat([z, extra]) if wanted else z

    def _coded(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Rows as the network takes them; raises BadInput where it cannot."""
        check_paired(x, z)
        first = next(self.network.parameters(), None) if self.casts else None
        dtype = None if first is None else first.dtype
        x = coded(x, self.num_classes[0], "x", dtype)
        z = coded(z, self.num_classes[1], "z", dtype)
        kind = (x.shape[1:], z.shape[1:], x.dtype, z.dtype)
        if kind not in self._fitting and len(x):
            with evaluating(self.network):
                check_scores(self.network, x[:2], z[:2])
            self._fitting.add(kind)
        return x, z

    def _noisy(self, generator: torch.Generator, x: Tensor, *zs: Tensor) -> tuple[Tensor, ...]:
        stds = (self.noise[0], *[self.noise[1]] * len(zs))
        return tuple(
            rows + std * torch.randn(rows.shape, generator=generator, device=rows.device).to(rows)
            for rows, std in zip((x, *zs), stds, strict=True)
        )

    def _join(self, device: torch.device) -> None:
        """Takes over all of rank 0's term, at the first use in a process group."""
        if not self._joined:
            self.generator(device)
            state = {name: value.cpu() for name, value in self.state_dict().items()}
            self.load_state_dict(of_rank_0(state))
            self._joined = True

    # What a module does with its parts, of which nn.Module does not know

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "MutualInformation":
        self.statistics._apply(fn, recurse)
        if self._optimizer is not None:  # its moments follow the parameters
            self._optimizer.load_state_dict(self._optimizer.state_dict())
        return self

    def train(self, mode: bool = True) -> "MutualInformation":
        self.statistics.train(mode)
        return super().train(mode)

    def _save_to_state_dict(self, destination: State, prefix: str, keep_vars: bool) -> None:
        destination[f"{prefix}log_partition"] = self.log_partition
        destination[f"{prefix}calibrated"] = self.calibrated
        self.statistics.state_dict(destination=destination, prefix=prefix, keep_vars=keep_vars)
        found = {"steps": torch.tensor(self.steps)} if self.steps else {}
        if self._optimizer is not None:
            found |= {f"optimizer.{k}": v for k, v in moments(self._optimizer).items()}
        if self._generator is not None:
            found["stream"] = self._generator.get_state()
        if self.pace is not None:
            found["pace"] = self.pace.state()
        if self.lowered:
            found["lowered"] = torch.tensor(True)
        destination.update({f"{prefix}{name}": value for name, value in found.items()})

    @torch.no_grad()
    def _load_from_state_dict(
        self,
        state_dict: State,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        own = {k.removeprefix(prefix): v for k, v in state_dict.items() if k.startswith(prefix)}
        trained = {k: own.pop(k) for k in list(own) if k.partition(".")[0] in OF_TRAINING}
        kept = {"log_partition": self.log_partition, "calibrated": self.calibrated}
        for name, tensor in kept.items():
            if name in own:
                tensor.copy_(own.pop(name))
            else:
                missing_keys.append(prefix + name)
        assign = local_metadata.get("assign_to_params_buffers", False)
        try:
            found = self.statistics.load_state_dict(own, strict=False, assign=assign)
        except RuntimeError as error:  # shapes that differ
            error_msgs.append(str(error))
            return
        missing_keys.extend(prefix + key for key in found.missing_keys)
        unexpected_keys.extend(prefix + key for key in found.unexpected_keys)
        self._resume(trained)

    def _resume(self, trained: dict[str, Tensor]) -> None:
        """Goes on as after the steps that a state dict was saved after."""
        self.steps, self.lowered = int(trained.get("steps", 0)), "lowered" in trained
        self._optimizer = None
        of_optimizer = {
            key.removeprefix("optimizer."): value
            for key, value in trained.items()
            if key.startswith("optimizer.")
        }
        if of_optimizer:
            load_moments(self.optimizer, of_optimizer)
        if "stream" in trained:
            first = next(self.statistics_parameters(), self.log_partition)
            go_on(self.generator(first.device), trained["stream"])
        if self.pace is not None and "pace" in trained:
            self.pace.restore(trained["pace"])


def named(name: str, known: dict[str, type[Kind]], what: str) -> Kind:
    """Returns what a name stands for, with its defaults; raises BadInput for no such name."""
    if name not in known:
        raise BadInput(f"{what}={name}: must be one of {', '.join(known)}")
    return known[name]()


def full_precision(x: Tensor) -> AbstractContextManager[object]:
    """Returns the context in which autocast leaves a network its own precision."""
    kind = x.device.type if isinstance(x, Tensor) else "cpu"
    return (
        torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()
    )


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Keeps gradients from a module's parameters for the length of a forward pass."""
    wanted = [p for p in module.parameters() if p.requires_grad]
    for p in wanted:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in wanted:
            p.requires_grad_(True)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Puts a module in evaluation mode (no noise, no dropout), then each part in its mode."""
    training = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in training:
            part.training = mode
