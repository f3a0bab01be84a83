r"""The MI term: a statistics network, a bound and a way to draw marginals, as one module.

The same object estimates mutual information, raises it (`maximise`) and lowers it (`minimise`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from mine_cli.bounds import BOUNDS, Bound, as_bound
from mine_cli.errors import BadInput
from mine_cli.estimator.evaluation import Evaluation, evaluate, log_ratio
from mine_cli.estimator.scoring import score
from mine_cli.marginals import MARGINALS, as_marginals
from mine_cli.networks.interface import Noise, as_network
from mine_cli.training.optim import adam

__all__ = ["MutualInformation", "evaluating", "frozen"]

Kind = TypeVar("Kind")


class MutualInformation(nn.Module):
    r"""The mutual information of x ``[n, ...]`` and z ``[n, ...]`` as a term of any training loop.

    Arguments:
        network: the statistics network T(x, z): any ``nn.Module`` whose ``forward(x, z)`` scores
            paired rows. One with ``embed`` and ``head`` has its first layer computed once per row.
        bound: a name (``mine``, ``dv``, ``mine_f``, ...), a function of the scores, or a module
            with ``loss``, ``value`` and ``objective``, such as a `Bound`.
        marginals: a name (``derangement``, ``shuffle``, ...) or an object with ``pairings``, such
            as `Marginals`.
        lr: learning rate of the statistics network's own Adam.
        seed: of the random pairings and of a noisy network's noise.

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

    bound: Bound
    log_partition: Tensor
    calibrated: Tensor

    def __init__(
        self,
        network: nn.Module,
        bound: str | nn.Module | Callable[[Tensor, Tensor], Tensor] = "mine",
        marginals: Any = "derangement",
        *,
        lr: float = 1e-3,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not isinstance(network, nn.Module):
            raise BadInput(
                f"network: want a torch.nn.Module such as MLP((2,), (2,)), not {network!r}"
            )
        self.network = as_network(network)
        self.bound = as_bound(named(bound, BOUNDS, "bound") if isinstance(bound, str) else bound)
        if isinstance(marginals, str):
            marginals = named(marginals, MARGINALS, "marginals")
        self.marginals = as_marginals(marginals)
        if self.bound.needs == "matrix" and self.marginals.rows is None:
            raise BadInput(
                f"bound={type(self.bound).__name__} needs the score matrix: marginals=all_pairs, "
                f"not {type(marginals).__name__}"
            )
        self.lr = lr
        self.seed = seed
        self._optimizer: torch.optim.Optimizer | None = None
        self._generator: torch.Generator | None = None
        # log E[e^T] over rows that were not trained on: the constant of `pointwise`.
        self.register_buffer("log_partition", torch.zeros((), dtype=torch.float64))
        self.register_buffer("calibrated", torch.tensor(False))

    # Training the statistics network

    def step(self, x: Tensor, z: Tensor, z_extra: Tensor | None = None) -> Tensor:
        """Trains the statistics network by one step; what x and z came from is untouched.

        Returns the bound's value on this training batch, in nats: a progress figure, not an
        estimate (`evaluate` rows that were not trained on for that). ``z_extra [n * num, ...]``
        are the independent draws of z that ``marginals="independent"`` asks for.
        """
        z, pairing, noise = self._drawn(x, z, z_extra)
        self.optimizer.zero_grad(set_to_none=True)
        loss, *scores = self(x.detach(), z.detach(), pairing, noise)
        loss.backward()
        self.optimizer.step()
        return self.bound.value(*scores).detach()

    def forward(
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
        return -self.minimise(x, z, z_extra)

    def minimise(self, x: Tensor, z: Tensor, z_extra: Tensor | None = None) -> Tensor:
        """Returns the term to *add* to a loss to lower I(x; z): the bound's objective.

        Differentiable in x and z; no gradient reaches the statistics network. Lowering a lower
        bound also rewards fooling the network: keep it trained (`step`) in between.
        """
        z, pairing, noise = self._drawn(x, z, z_extra)
        with frozen(self):
            return self.bound.objective(*self.scores(x, z, pairing, noise))

    # Reading it

    @torch.no_grad()
    def evaluate(self, x: Tensor, z: Tensor, **options: Any) -> Evaluation:
        """Evaluates the bound on rows, with its standard error; see `evaluation.evaluate`."""
        check_paired(x, z)
        with evaluating(self):
            return evaluate(self.network, self.bound, x, z, **options)

    def crossing(self, batch_size: int, pairs: int) -> dict[str, int]:
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
        check_paired(x, z)
        with evaluating(self):
            constant = self.log_partition if self.calibrated else None
            return log_ratio(self.network, self.bound, x, z, constant)

    @torch.no_grad()
    def calibrate(self, x: Tensor, z: Tensor) -> None:
        """Fixes the constant of `pointwise` on rows that the network was not trained on."""
        self.log_partition.fill_(self.evaluate(x, z).log_partition)
        self.calibrated.fill_(True)

    # Parts

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """Adam over the statistics network's and the bound's parameters; made at first use."""
        if self._optimizer is None:
            self._optimizer = adam(self.parameters(), self.lr)
        return self._optimizer

    def generator(self, device: torch.device) -> torch.Generator:
        """Returns this term's own random stream on a device."""
        if self._generator is None or self._generator.device.type != device.type:
            self._generator = torch.Generator(device).manual_seed(self.seed)
        return self._generator

    def _drawn(
        self, x: Tensor, z: Tensor, z_extra: Tensor | None
    ) -> tuple[Tensor, Tensor | None, Noise | None]:
        """z with its extra draws, a pairing and noise; raises BadInput where rows don't fit."""
        check_tensors(x, z)
        rows = 0 if z_extra is None else len(z_extra)
        wanted = len(x) * self.marginals.extra
        if len(x) != len(z) or rows != wanted:
            raise BadInput(
                f"got {len(x)} rows of x, {len(z)} of z and {rows} extra draws of z: x and z are "
                f"paired row by row, and these marginals take {wanted} extra draws"
            )
        pairing, noise = self.draw(len(x), self.generator(x.device))
        return z if z_extra is None else torch.cat([z, z_extra]), pairing, noise


def check_paired(x: Tensor, z: Tensor) -> None:
    """Raises BadInput unless x and z are tensors with as many rows."""
    check_tensors(x, z)
    if len(x) != len(z):
        raise BadInput(f"x has {len(x)} rows and z has {len(z)}; they are paired row by row")


def check_tensors(x: object, z: object) -> None:
    """Raises BadInput unless x and z are tensors."""
    for name, rows in (("x", x), ("z", z)):
        if not isinstance(rows, Tensor):
            raise BadInput(f"{name}: want a torch.Tensor, not {type(rows).__name__}")


def named(name: str, known: dict[str, type[Kind]], what: str) -> Kind:
    """Returns what a name stands for, with its defaults; raises BadInput for no such name."""
    if name not in known:
        raise BadInput(f"{what}={name}: must be one of {', '.join(known)}")
    return known[name]()


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
    """Puts a module in evaluation mode (no noise, no dropout), then in the mode that was."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)
