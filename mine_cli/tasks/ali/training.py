r"""``task=ali``: adversarially learned inference, with the information in the code raised.

An encoder q(z | x) and a generator p(x | z) are trained against a discriminator that tells pairs
(x, z) of q(x, z) = q(z | x) q(x) from pairs of p(x, z) = p(x | z) p(z):

.. math:: \max_D \; E_q[\log D(x, z)] + E_p[\log (1 - D(x, z))]

Encoder and generator descend both directions in their non-saturating form, and the encoder
*ascends* beta times the information between an input and its code:

.. math:: \min_{E, G} \; -E_q[\log (1 - D(x, E(x)))] - E_p[\log D(G(z), z)] - \beta\, I_q(X; Z)

for the error R of a reconstruction is bounded by what that raises:

.. math:: R \le KL(q(x, z) \| p(x, z)) - I_q(X; Z) + H_q(Z)

The gradient of the information is clipped so that it never outweighs the adversarial one. Two
baselines lower the error itself (ALICE): by its square, or by a discriminator of (x, x) against
(x, G(E(x))).

References:
    | MINE: Mutual Information Neural Estimation (Belghazi et al., 2018), section 5.2
    | Adversarially Learned Inference (Dumoulin et al., 2017) https://arxiv.org/abs/1606.00704
    | ALICE: Towards Understanding Adversarial Learning for Joint Distribution Matching (Li et al.,
    | 2017), eqs. 6 and 8 https://arxiv.org/abs/1709.01215
"""

import copy
from collections.abc import Callable, Iterable
from contextlib import ExitStack, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim.swa_utils import update_bn

from mine_cli.config.schemas import ALIConf, ALIMethodConf, TrainerConf
from mine_cli.estimator.ensemble import Ensemble
from mine_cli.estimator.evaluation import Crossing, Evaluation
from mine_cli.estimator.status import status as status_of
from mine_cli.estimator.term import MutualInformation, frozen
from mine_cli.tasks.adversarial.gradients import squared_slope
from mine_cli.tasks.adversarial.metrics import mode_metrics
from mine_cli.tasks.adversarial.metrics import status as quality_of
from mine_cli.tasks.adversarial.samples import SHOWN_IMAGES, as_bytes
from mine_cli.tasks.ali.autoencoder import Autoencoder, GaussianEncoder
from mine_cli.tasks.ali.metrics import (
    agreement,
    error_of_mean,
    ms_ssim,
    neighbour_accuracy,
    reconstruction_error,
    status,
)
from mine_cli.tasks.ali.sources import Source
from mine_cli.tasks.protocol import Result
from mine_cli.training.clipping import clip_adaptively, global_norm
from mine_cli.training.device import Autocast
from mine_cli.training.ema import MovingAverage
from mine_cli.training.optim import adam, descend, set_gradient, set_rate
from mine_cli.training.rng import go_on, stream
from mine_cli.training.task import Arrays, State

__all__ = ["ALI"]

NORMALISING_BATCHES = 10  # from which BatchNorm's statistics are taken before anything is judged
WATCHED_ROWS = 2500  # judged at an evaluation before the last
KNOWN_ROWS = 60_000  # among which neighbours are looked for
SHOWN_CODES = 2500
EVALUATOR_BATCH = 256
EVALUATOR_LR = 1e-3
CHECKS = 12  # evaluations of the fresh network, which tell whether it is still rising
FIXED = (
    "samples",
    "held_out",
    "error_of_mean",
    "modes_there",
    "kl_floor",
)  # of the metrics, no curves

Pair = tuple[Tensor, Tensor]


class ALI:
    """Trains encoder and generator, discriminators and statistics network, each by an optimiser.

    A step trains the discriminator, then (with information) the statistics network
    ``statistics_steps`` times, then encoder and generator together.

    Arguments:
        conf: Latent, clipping and the balance of the networks; see `ALIConf`.
        method: What stands beside the adversarial loss; see `ALIMethodConf`.
        trainer: Steps, batch size, rates; its ``lr`` is encoder's and generator's.
        source: What trains and is judged.
        model: Encoder and generator.
        discriminator: Maps pairs x ``[n, ...]`` and z ``[n, d]`` to logits ``[n]``.
        make_term: Makes the information between inputs and codes from a seed.
        cycle_discriminator: Maps pairs of an x and another to logits, for ``alice_adversarial``.
        samples: How many samples and held-out rows are judged at the end.
        seed: Of every random stream.
        device: Where all of it computes.
        autocast: Makes the context that the networks are called in.
    """

    def __init__(
        self,
        conf: ALIConf,
        method: ALIMethodConf,
        trainer: TrainerConf,
        source: Source,
        model: Autoencoder,
        discriminator: nn.Module,
        make_term: Callable[[int], MutualInformation],
        cycle_discriminator: nn.Module | None = None,
        samples: int = 2500,
        seed: int = 0,
        device: torch.device | str = "cpu",
        autocast: Autocast = nullcontext,
    ) -> None:
        self.conf, self.method, self.trainer, self.source = conf, method, trainer, source
        self.samples, self.make_term, self.autocast = samples, make_term, autocast
        self.informed = method.information == "mine"
        self.device = torch.device(device)
        self.seeds = {name: stream(seed, name) for name in ("training", "evaluation", "evaluator")}
        self.random = torch.Generator(self.device).manual_seed(self.seeds["training"])
        self.model, self.latent = model.to(device), model.latent
        self.encoder, self.generator = model.encoder, model.generator
        self.discriminator = discriminator.to(device)
        self.cycle_discriminator = cycle_discriminator
        self.term = make_term(stream(seed, "network")).to(device)
        self.of_encoder = list(self.encoder.parameters())
        self.of_generator = list(self.generator.parameters())
        rest = (trainer.weight_decay, trainer.moments)
        faster = conf.discriminator_lr or trainer.lr
        self.ensemble = Ensemble(
            [self.term],
            conf.statistics_lr or trainer.lr,
            trainer.weight_decay,
            autocast,
            betas=trainer.moments,
        )
        self.optimizers = {
            "encoder": adam(self.of_encoder, trainer.lr, *rest),
            "generator": adam(self.of_generator, trainer.lr, *rest),
            "discriminator": adam(discriminator.parameters(), faster, *rest),
            "statistics": self.ensemble.optimizer,
        }
        if cycle_discriminator is not None:
            cycle_discriminator.to(device)
            self.optimizers["cycle"] = adam(cycle_discriminator.parameters(), faster, *rest)
        self.average: MovingAverage[Autoencoder] | None = None
        if conf.average is not None:
            self.average = MovingAverage(self.model, conf.average)
        self.seen: Arrays = {}
        self.found: Result = {}
        self.curve: list[float] = []
        self.best: State | None = None
        self.finished = False

    # What the trainer asks for

    def train_step(self, step: int) -> dict[str, Tensor]:
        """One step of every network; losses and gradient norms."""
        for optimizer in self.optimizers.values():
            set_rate(optimizer, self.trainer, step)
        n = self.trainer.batch_size
        x, z = self.source.draw(n, self.random), self.latent.draw(n, self.random)
        with self.autocast():
            code, fake = self.encoder(x, self.random), self.generator(z)
            rebuilt = self.generator(code) if self.method.cycle != "none" else None
        metrics = {"loss/discriminator": self._train_discriminator(x, code, fake, z)}
        if self.cycle_discriminator is not None and rebuilt is not None:
            metrics["loss/cycle_discriminator"] = self._tell_apart(
                "cycle", self.cycle_discriminator, (x, x), (x, rebuilt.detach())
            )
        if self.informed:
            metrics["loss/statistics"] = self._train_statistics(x, code.detach())
        return metrics | self._train_models(x, code, fake, z, rebuilt)

    def _train_discriminator(self, x: Tensor, code: Tensor, fake: Tensor, z: Tensor) -> Tensor:
        """Descends its loss, 2 log 2 where it cannot tell the joint laws apart."""
        pairs = (x, code.detach()), (fake.detach(), z)
        return self._tell_apart("discriminator", self.discriminator, *pairs)

    def _tell_apart(self, name: str, judge: nn.Module, first: Pair, second: Pair) -> Tensor:
        """Takes a step of a discriminator; returns its loss without the penalty.

        Both kinds of pairs are penalised alike, for neither is more real than the other.
        """
        gamma = self.conf.gradient_penalty
        inputs = [torch.cat([side.detach().flatten(1) for side in pair], 1)
                  for pair in (first, second)]  # fmt: skip
        for both in inputs:
            both.requires_grad_(gamma > 0)
        with self.autocast():
            logits = [judge(*parted(both, first)) for both in inputs]
            loss = softplus(-logits[0]).mean() + softplus(logits[1]).mean()
        penalised = loss
        if gamma > 0:
            for of_pair, both in zip(logits, inputs, strict=True):
                penalised = penalised + gamma / 2 * squared_slope(of_pair, both)
        self.optimizers[name].zero_grad()
        penalised.backward()
        descend(self.optimizers[name])
        return loss.detach()

    def _train_statistics(self, x: Tensor, code: Tensor) -> Tensor:
        """Trains the statistics network on inputs and codes, the first ones being at hand."""
        for again in range(self.conf.statistics_steps):
            if again:
                x, code = self._coded(self.encoder, len(x), self.random)
            extra = self._extra_codes()
            codes = code if extra is None else torch.cat([code, extra])
            loss = self.ensemble.step([(x, codes)], [self.random])
        return loss.mean()

    @torch.no_grad()
    def _coded(self, encoder: nn.Module, n: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draws training rows and their codes."""
        x = self.source.draw(n, random)
        with self.autocast():
            return x, encoder(x, random)

    def _extra_codes(self) -> Tensor | None:
        """Draws the independent codes that ``marginals=independent`` asks for."""
        extra = self.term.marginals.extra
        if not extra:
            return None
        return self._coded(self.encoder, self.trainer.batch_size * extra, self.random)[1]

    def _train_models(
        self, x: Tensor, code: Tensor, fake: Tensor, z: Tensor, rebuilt: Tensor | None
    ) -> dict[str, Tensor]:
        """Descends the adversarial loss and its companions; the information's part is clipped."""
        with ExitStack() as stack:
            stack.enter_context(self.autocast())
            stack.enter_context(frozen(self.discriminator))
            loss = softplus(self.discriminator(x, code)).mean()
            loss = loss + softplus(-self.discriminator(fake, z)).mean()
            metrics = {"loss/models": loss.detach()}
            if rebuilt is not None:
                cycle = self._cycle_loss(x, rebuilt)
                metrics["loss/cycle"] = cycle.detach()
                loss = loss + self.method.cycle_weight * cycle
        weights = [*self.of_encoder, *self.of_generator]
        gradient = list(torch.autograd.grad(loss, weights, retain_graph=self.informed))
        of_encoder = gradient[: len(self.of_encoder)]
        if self.informed:
            with self.autocast():
                raised = self.term.maximise(x, code, self._extra_codes())
            information = torch.autograd.grad(self.method.beta * raised, self.of_encoder)
            clipped = clip_adaptively(of_encoder, information, self.conf.clip)
            of_encoder = list(torch._foreach_add(of_encoder, clipped.gradient))
            metrics["train/value"] = -raised.detach()
            metrics["norm/adversarial"] = clipped.adversarial_norm
            metrics["norm/information"] = clipped.information_norm
            metrics["norm/clipped"] = clipped.clipped_norm
        else:
            metrics["norm/adversarial"] = global_norm(of_encoder)
        moved = [*of_encoder, *gradient[len(self.of_encoder) :]]
        for parameter, direction in zip(weights, moved, strict=True):
            set_gradient(parameter, direction)
        descend(self.optimizers["encoder"])
        descend(self.optimizers["generator"])
        if self.average is not None:
            self.average.follow()
        return metrics

    def _cycle_loss(self, x: Tensor, rebuilt: Tensor) -> Tensor:
        """Returns what falls as reconstructions near their inputs, scalar.

        The squared error is the mean over numbers of a row, so that its weight means the same for
        points and images.
        """
        if self.cycle_discriminator is None:
            return (x - rebuilt).square().mean()
        with frozen(self.cycle_discriminator):
            return softplus(-self.cycle_discriminator(x, rebuilt)).mean()

    # What is judged

    def evaluate(self, step: int) -> dict[str, float | None]:
        """What samples, reconstructions and codes are worth on rows that do not train."""
        random = torch.Generator(self.device).manual_seed(self.seeds["evaluation"])
        judged = self.judged_model()
        last = step >= self.trainer.steps
        n = self.samples if last else min(self.samples, WATCHED_ROWS)
        metrics = self._judged(judged, n, random)
        self.best = {"model": judged.state_dict(), "shape": list(self.source.shape)}
        self.best["latent_dim"] = self.latent.dim
        self.found = {"metrics": {"samples": n} | metrics, "information": {}}
        shown = {f"ali/{name}": value for name, value in metrics.items() if name not in FIXED}
        if self.informed:
            value = self._own_information(random).value
            self.curve.append(value)
            shown["mi/estimate"] = value
        return shown

    def _judged(
        self, judged: Autoencoder, n: int, random: torch.Generator
    ) -> dict[str, float | None]:
        """Every metric of one model; keeps what is to be seen."""
        samples = judged.decode(self.latent.draw(n, random))
        x, label = self.source.held_out(n, random)
        code = judged.codes(x)
        rebuilt = judged.decode(code)
        self._keep(samples, x, rebuilt, code, label)
        images = x.dim() == 4
        metrics: dict[str, float | None] = {
            "held_out": float(len(x)),
            "reconstruction_error": reconstruction_error(x, rebuilt),
            "error_of_mean": error_of_mean(x),
            "ms_ssim": ms_ssim(x, rebuilt) if images else None,
        }
        verdict, law = self.source.judge(samples), self.source.true_histogram
        if verdict is not None and law is not None:
            metrics |= mode_metrics(verdict, law) | {"modes_there": float(len(law))}
        found = self.source.judge(rebuilt)
        if found is not None and label is not None:
            metrics["own_mode"] = agreement(found.mode, label)
            known, labels = self.source.known(min(KNOWN_ROWS, 24 * n), random)
            assert labels is not None
            metrics["neighbour"] = neighbour_accuracy(code, label, judged.codes(known), labels)
        return metrics

    def _keep(
        self, samples: Tensor, x: Tensor, rebuilt: Tensor, code: Tensor, label: Tensor | None
    ) -> None:
        """Keeps what figures show: pictures of a few, points and codes of many."""
        pictures = {"x": samples, "rows": x, "rebuilt": rebuilt}
        if x.dim() == 4:
            shown = {name: as_bytes(t[:SHOWN_IMAGES]) for name, t in pictures.items()}
        else:
            shown = {name: t.cpu().numpy() for name, t in pictures.items()}
        self.seen = shown | {"code": in_the_plane(code[:SHOWN_CODES]).cpu().numpy()}
        if label is not None:
            self.seen["label"] = label[:SHOWN_CODES].cpu().numpy()

    def _own_information(self, random: torch.Generator) -> Evaluation:
        """The term's own bound on fresh batches of the encoder that it was trained beside."""
        with torch.no_grad():
            x, _ = self.source.held_out(min(self.samples, WATCHED_ROWS), random)
            trained = copy.deepcopy(self.encoder)
            self._normalise(trained)
            code = trained.eval()(x, random).float()
        return self.term.evaluate(x, code, **self._crossing())

    def _crossing(self) -> Crossing:
        return self.term.crossing(self.trainer.batch_size, self.conf.pairs)

    @torch.no_grad()
    def judged_model(self) -> Autoencoder:
        """Encoder and generator (their averages, if one is kept) in evaluation mode."""
        source = self.model if self.average is None else self.average.module()
        judged = copy.deepcopy(source)
        self._normalise(judged.encoder)
        random = torch.Generator(self.device).manual_seed(self.seeds["evaluation"])
        n = max(self.trainer.batch_size, 200)
        latents = (self.latent.draw(n, random) for _ in range(NORMALISING_BATCHES))
        update_bn(latents, judged.generator)
        return judged.eval()

    @torch.no_grad()
    def _normalise(self, encoder: GaussianEncoder) -> None:
        """Takes the statistics of BatchNorm anew: those there are of other weights."""
        random = torch.Generator(self.device).manual_seed(self.seeds["evaluation"])
        n = max(self.trainer.batch_size, 200)
        rows, _ = self.source.known(NORMALISING_BATCHES * n, random)
        update_bn(rows.split(n), encoder.network)

    # The result

    def result(self) -> Result:
        """What the last evaluation found, and what a fresh network says of I(X; Z), in nats."""
        evaluation, word = self._fresh_information()
        metrics = dict(self.found["metrics"]) | {"estimate_status": word}
        return {
            "status": status(metrics, quality_of),
            **evaluation.reported(),
            "metrics": metrics,
        }

    def _fresh_information(self) -> tuple[Evaluation, str]:
        """Trains a network of its own on the frozen encoder's codes, and evaluates it.

        Not the one that the encoder has pleased; on rows that train neither.
        """
        term = self.make_term(self.seeds["evaluator"]).to(self.device)
        random = torch.Generator(self.device).manual_seed(self.seeds["evaluator"])
        encoder = self.judged_model().encoder
        ensemble = Ensemble([term], EVALUATOR_LR)
        curve = []
        with torch.no_grad():
            x, _ = self.source.held_out(self.samples, random)
            code = encoder(x, random).float()
        for step in range(self.conf.evaluator_steps):
            batch = self._coded(encoder, EVALUATOR_BATCH, random)
            if term.marginals.extra:
                more = self._coded(encoder, EVALUATOR_BATCH * term.marginals.extra, random)[1]
                batch = batch[0], torch.cat([batch[1], more])
            ensemble.step([batch], [random])
            if (step + 1) % max(1, self.conf.evaluator_steps // CHECKS) == 0:
                curve.append(term.evaluate(x, code, **self._crossing()).value)
        found = term.evaluate(x, code, **self._crossing())
        return found, status_of(term.bound, found, curve)

    # What is saved

    def arrays(self) -> Arrays:
        return self.seen

    def parameters(self) -> Iterable[Tensor]:
        yield from self.model.parameters()
        yield from self.discriminator.parameters()
        if self.cycle_discriminator is not None:
            yield from self.cycle_discriminator.parameters()
        if self.informed:
            yield from self.ensemble.parameters()

    def state_dict(self) -> State:
        cycle = self.cycle_discriminator
        return {
            "model": self.model.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "cycle_discriminator": None if cycle is None else cycle.state_dict(),
            "term": self.term.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
            "random": self.random.get_state(),
            "pairing": self.term.generator(self.device).get_state(),
            "source": self.source.state_dict(),
            "curve": self.curve,
            "found": self.found,
        }

    def load_state_dict(self, state: State) -> None:
        self.model.load_state_dict(state["model"])
        self.discriminator.load_state_dict(state["discriminator"])
        if self.cycle_discriminator is not None:
            self.cycle_discriminator.load_state_dict(state["cycle_discriminator"])
        self.term.load_state_dict(state["term"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        go_on(self.random, state["random"])
        go_on(self.term.generator(self.device), state["pairing"])
        self.source.load_state_dict(state["source"])
        self.curve, self.found = state["curve"], state["found"]


def parted(both: Tensor, like: Pair) -> list[Tensor]:
    """Returns rows [n, size] as the two sides of a pair of these shapes."""
    parts = both.split([side[0].numel() for side in like], 1)
    return [part.reshape(side.shape) for part, side in zip(parts, like, strict=True)]


def in_the_plane(code: Tensor) -> Tensor:
    """Returns codes [n, d] in their two principal coordinates, [n, 2]; of two as they are."""
    if code.shape[1] < 2:
        return torch.cat([code, torch.zeros_like(code)], 1)
    if code.shape[1] == 2:
        return code
    centred = (code - code.mean(0)).double()
    return (centred @ torch.linalg.svd(centred, full_matrices=False).Vh[:2].T).float()
