r"""``task=gan``: an adversarial generator that also keeps the information in its code.

.. math:: \max_G \; E[\log D(G([\epsilon, c]))] + \beta\, I(G([\epsilon, c]); c)

against a discriminator; other adversarial losses are in `losses`. The information term is clipped
so that it never outweighs the adversarial one. With beta = 0 it is the plain adversarial network.

References:
    | MINE: Mutual Information Neural Estimation (Belghazi et al., 2018), section 5.1
    | Generative Adversarial Nets (Goodfellow et al., 2014): the non-saturating loss
"""

import copy
from collections.abc import Callable, Iterable
from contextlib import nullcontext

import torch
import torch._functorch.config as functorch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from mine_cli.config.schemas import GANConf, TrainerConf
from mine_cli.estimator.ensemble import Ensemble
from mine_cli.estimator.evaluation import Evaluation
from mine_cli.estimator.status import status
from mine_cli.estimator.term import MutualInformation, frozen
from mine_cli.tasks.adversarial.gradients import squared_slope
from mine_cli.tasks.adversarial.metrics import mode_metrics
from mine_cli.tasks.adversarial.metrics import status as quality_of
from mine_cli.tasks.adversarial.samples import SHOWN_IMAGES, Latent, as_bytes
from mine_cli.tasks.gan.losses import LOSSES
from mine_cli.tasks.protocol import JudgedSamples, Result, Samples
from mine_cli.training.clipping import clip_adaptively, global_norm
from mine_cli.training.cuda_graph import RecordedStep, rates_on_device
from mine_cli.training.device import Autocast
from mine_cli.training.ema import MovingAverage
from mine_cli.training.optim import adam, descend, set_gradient, set_rate
from mine_cli.training.rng import go_on, stream
from mine_cli.training.task import Arrays, State

__all__ = ["GAN", "packed"]

SAMPLES_AT_ONCE = 1000
NORMALISING_BATCHES = 10  # from which BatchNorm's statistics are taken before samples are judged
MOST_ROWS = 2500  # of the information's diagnostic
PENALISED = {"real": ("real",), "generated": ("fake",), "both": ("real", "fake")}


class GAN:
    """Trains generator, discriminator and statistics network, each with an optimiser of its own.

    A step trains the discriminator ``discriminator_steps`` times, then the generator
    ``generator_steps`` times, each after ``statistics_steps`` steps of the statistics network.

    Arguments:
        conf: the objective, the latent and the balance of the networks; see `GANConf`.
        trainer: steps, batch size, rates; see `TrainerConf`. Its ``lr`` is the generator's.
        dataset: what is imitated: ``draw(n, generator)``, and ``judge(x)`` where there are modes.
        latent: what the generator starts from.
        generator: maps ``[n, latent.dim]`` to samples ``[n, ...]``.
        discriminator: maps samples, `packed`, to logits.
        term: the information between samples and codes; unused where beta is 0.
        samples: how many are drawn to be judged.
        seed: of every random stream.
        device: where all of it computes.
        autocast: makes the context that the networks are called in.
    """

    def __init__(
        self,
        conf: GANConf,
        trainer: TrainerConf,
        dataset: Samples,
        latent: Latent,
        generator: nn.Module,
        discriminator: nn.Module,
        term: MutualInformation,
        samples: int = 2500,
        seed: int = 0,
        device: torch.device | str = "cpu",
        autocast: Autocast = nullcontext,
    ) -> None:
        self.conf, self.trainer, self.dataset, self.latent = conf, trainer, dataset, latent
        self.samples, self.autocast = samples, autocast
        self.loss = LOSSES[conf.loss]
        self.seeds = {name: stream(seed, name) for name in ("training", "evaluation")}
        self.device = torch.device(device)
        self.random = torch.Generator(self.device).manual_seed(self.seeds["training"])
        self.generator, self.discriminator = generator.to(device), discriminator.to(device)
        self.term = term.to(device)
        self.weights = list(generator.parameters())
        rest = (trainer.weight_decay, trainer.moments)
        recorded = trainer.compile and self.device.type == "cuda"
        self.ensemble = Ensemble(
            [term],
            conf.statistics_lr or trainer.lr,
            trainer.weight_decay,
            autocast,
            trainer.compile and not recorded,
            trainer.moments,
        )
        self.optimizers = {
            "generator": adam(self.weights, trainer.lr, *rest),
            "discriminator": adam(
                discriminator.parameters(), conf.discriminator_lr or trainer.lr, *rest
            ),
            "statistics": self.ensemble.optimizer,
        }
        self.average: MovingAverage | None = None
        if conf.average is not None:
            self.average = MovingAverage(self.generator, conf.average)
        self.generate: Callable[[Tensor], Tensor] = self.generator
        self.discriminate: Callable[[Tensor], Tensor] = self.discriminator
        self.iterate: Callable[[], dict[str, Tensor]] = self._iteration
        if recorded:
            self.iterate = RecordedStep(
                self._iteration, [self.random, term.generator(self.device)]
            )
            self._rates_on_device()
        elif trainer.compile:
            keep_graphs()
            self.generate, self.discriminate = map(torch.compile, (generator, discriminator))
        self.seen: Arrays = {}
        self.found: Result = {}
        self.curve: list[float] = []
        self.best: State | None = None
        self.finished = False

    def _rates_on_device(self) -> None:
        for optimizer in self.optimizers.values():
            rates_on_device(optimizer, self.device)

    # What the trainer asks for

    def train_step(self, step: int) -> dict[str, Tensor]:
        """One iteration; losses and gradient norms of its last steps."""
        for optimizer in self.optimizers.values():
            set_rate(optimizer, self.trainer, step)
        return self.iterate()

    def _iteration(self) -> dict[str, Tensor]:
        metrics: dict[str, Tensor] = {}
        latent, fake = self._fakes()
        for again in range(self.conf.discriminator_steps):
            if again:
                latent, fake = self._fakes()
            metrics["loss/discriminator"] = self._train_discriminator(fake.detach())
        for again in range(self.conf.generator_steps):
            if again:
                latent, fake = self._fakes()
            metrics |= self._train_statistics(latent, fake.detach())
            metrics |= self._train_generator(latent, fake)
        return metrics

    def _fakes(self) -> tuple[Tensor, Tensor]:
        """A batch of latents and what the generator makes of them."""
        latent = self.latent.draw(self.trainer.batch_size, self.random)
        with self.autocast():
            return latent, self.generate(latent)

    def _real(self) -> Tensor:
        """A batch of the data, packed for the discriminator."""
        real = self.dataset.draw(self.trainer.batch_size, self.random)
        return packed(real, self.conf.packing).detach()

    def _train_discriminator(self, fake: Tensor) -> Tensor:
        """Descend its loss, and its penalty where there is one.

        Returns the loss without the penalty: 2 log 2 (``nonsaturating``), 0 (``wasserstein``) or
        log 2 (``relativistic``) where the two cannot be told apart.
        """
        gamma = self.conf.gradient_penalty
        at = PENALISED[self.conf.penalty_at] if gamma > 0 else ()
        batch = {"real": self._real(), "fake": packed(fake, self.conf.packing).detach()}
        for kind in at:
            batch[kind].requires_grad_()
        with self.autocast():
            # Apart from one another: BatchNorm must not see which is which by their mixture.
            # What is compiled cannot be differentiated twice.
            logits = {
                kind: (self.discriminator if kind in at else self.discriminate)(x)
                for kind, x in batch.items()
            }
            loss = self.loss.discriminator(logits["real"], logits["fake"])
        penalised = loss
        for kind in at:
            penalised = penalised + gamma / 2 * squared_slope(logits[kind], batch[kind])
        self.optimizers["discriminator"].zero_grad()
        penalised.backward()
        descend(self.optimizers["discriminator"])
        return loss.detach()

    def _train_statistics(self, latent: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Train the statistics network on samples and codes, the first ones being at hand."""
        if self.conf.beta == 0:
            return {}
        for again in range(self.conf.statistics_steps):
            if again:
                with torch.no_grad():
                    latent, fake = self._fakes()
            codes = self.latent.code(latent)
            extra = self._extra_codes()
            if extra is not None:
                codes = torch.cat([codes, extra])
            loss = self.ensemble.step([(fake, codes)], [self.random])
        return {"loss/statistics": loss.mean()}

    def _train_generator(self, latent: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Descend the adversarial loss and -beta I(fake; code), this one clipped to the first."""
        beta = self.conf.beta
        with self.autocast(), frozen(self.discriminator):
            logits = self.discriminate(packed(fake, self.conf.packing))
            real = self.discriminate(self._real()) if self.loss.paired else logits
            loss = self.loss.generator(real, logits)
        gradient = torch.autograd.grad(loss, self.weights, retain_graph=beta > 0)
        metrics = {"loss/generator": loss.detach()}
        if beta > 0:
            with self.autocast():
                raised = self.term.maximise(fake, self.latent.code(latent), self._extra_codes())
            information = torch.autograd.grad(beta * raised, self.weights)
            clipped = clip_adaptively(gradient, information, self.conf.clip)
            gradient = torch._foreach_add(gradient, clipped.gradient)
            metrics["train/value"] = -raised.detach()
            metrics["norm/adversarial"] = clipped.adversarial_norm
            metrics["norm/information"] = clipped.information_norm
            metrics["norm/clipped"] = clipped.clipped_norm
        else:
            metrics["norm/adversarial"] = global_norm(gradient)
        for parameter, direction in zip(self.weights, gradient, strict=True):
            set_gradient(parameter, direction)
        descend(self.optimizers["generator"])
        if self.average is not None:
            self.average.follow()
        return metrics

    def _extra_codes(self) -> Tensor | None:
        """The independent draws of codes that ``marginals=independent`` asks for."""
        extra = self.term.marginals.extra
        if not extra:
            return None
        return self.latent.code(self.latent.draw(self.trainer.batch_size * extra, self.random))

    def evaluate(self, step: int) -> dict[str, float | None]:
        """What the samples are worth, and the information in them as a diagnostic."""
        random = torch.Generator(self.device).manual_seed(self.seeds["evaluation"])
        judged = self.judged_generator(random)
        _, x = self.draw_samples(judged, self.samples, random)
        self.best = {
            "generator": judged.state_dict(),
            "latent_dim": self.latent.dim,
            "code_dim": self.latent.code_dim,
            "shape": list(x.shape[1:]),
        }
        self.found = {"metrics": {"samples": self.samples} | self._judged(x), "information": {}}
        fixed = ("samples", "modes_there", "kl_floor")
        metrics = {k: v for k, v in self.found["metrics"].items() if k not in fixed}
        shown = {f"gan/{name}": value for name, value in metrics.items()}
        if self.conf.beta > 0:
            evaluation = self._information(random)
            self.curve.append(evaluation.value)
            word = status(self.term.bound, evaluation, self.curve)
            self.found["information"] = evaluation.reported() | {"status": word}
            shown["mi/estimate"] = evaluation.value
        return shown

    def _judged(self, x: Tensor) -> dict[str, float | None]:
        """The metrics of samples, where the data set can tell modes; keeps what is to be seen."""
        images = x.dim() == 4
        self.seen = {"x": as_bytes(x[:SHOWN_IMAGES]) if images else x.cpu().numpy()}
        if not isinstance(self.dataset, JudgedSamples):
            return {}
        verdict, law = self.dataset.judge(x), self.dataset.true_histogram
        self.seen["histogram"] = verdict.mode.bincount(minlength=len(law)).cpu().numpy()
        if verdict.good is not None:
            good = verdict.mode[verdict.good].bincount(minlength=len(law))
            self.seen["good_histogram"] = good.cpu().numpy()
        return mode_metrics(verdict, law) | {"modes_there": len(law)}

    def _information(self, random: torch.Generator) -> Evaluation:
        """The bound on fresh samples of the very generator that the network was trained on."""
        rows = min(self.samples, MOST_ROWS)
        trained = self.judged_generator(random, averaged=False)
        latent, x = self.draw_samples(trained, rows, random)
        crossing = self.term.crossing(self.trainer.batch_size, self.conf.pairs)
        return self.term.evaluate(x, self.latent.code(latent), **crossing)

    @torch.no_grad()
    def draw_samples(
        self, judged: nn.Module, n: int, random: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Latents, and what a generator in evaluation mode makes of them, float32."""
        latent = self.latent.draw(n, random)
        samples = [judged(part).float() for part in latent.split(SAMPLES_AT_ONCE)]
        return latent, torch.cat(samples)

    @torch.no_grad()
    def judged_generator(self, random: torch.Generator, averaged: bool = True) -> nn.Module:
        """The generator (its average, if one is kept) in evaluation mode.

        BatchNorm's statistics are taken anew: those of the training are of other weights.
        """
        source = self.generator
        if averaged and self.average is not None:
            source = self.average.module()
        judged = copy.deepcopy(source)
        n = max(self.trainer.batch_size, 200)
        update_bn((self.latent.draw(n, random) for _ in range(NORMALISING_BATCHES)), judged)
        return judged.eval()

    def arrays(self) -> Arrays:
        return self.seen

    def parameters(self) -> Iterable[Tensor]:
        yield from self.weights
        yield from self.discriminator.parameters()
        if self.conf.beta > 0:
            yield from self.ensemble.parameters()

    def state_dict(self) -> State:
        return {
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "term": self.term.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
            "random": self.random.get_state(),
            "pairing": self.term.generator(self.device).get_state(),
            "curve": self.curve,
            "found": self.found,
        }

    def load_state_dict(self, state: State) -> None:
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        self.term.load_state_dict(state["term"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
            for group in optimizer.param_groups:
                group["lr"] = float(group["lr"])  # on whatever device it was
        if isinstance(self.iterate, RecordedStep):
            self._rates_on_device()
        go_on(self.random, state["random"])
        go_on(self.term.generator(self.device), state["pairing"])
        self.curve, self.found = state["curve"], state["found"]

    # The result

    def result(self) -> Result:
        """What the last evaluation found; the information is a diagnostic, in nats."""
        information, metrics = dict(self.found["information"]), dict(self.found["metrics"])
        metrics["estimate_status"] = information.pop("status", None)
        return {"status": quality_of(metrics), **information, "metrics": metrics}


def packed(x: Tensor, packing: int) -> Tensor:
    """Samples ``[n, C, ...]`` as packs of m of them, ``[n / m, m C, ...]``, for a discriminator.

    One that sees m samples side by side sees that they are alike where a generator has lost modes.

    References:
        | PacGAN: The power of two samples in generative adversarial networks (Lin et al., 2018),
        | section 2 https://arxiv.org/abs/1712.04086
    """
    return x if packing == 1 else x.unflatten(0, (-1, packing)).flatten(1, 2)


def keep_graphs() -> None:
    """Let compiled graphs outlive a backward pass: the generator's is run backward twice.

    Otherwise the first pass may write over what the graph has saved; a graph that was compiled
    so, for beta = 0, is found in torch's cache on disk, and refuses the second pass.
    """
    if hasattr(functorch, "donated_buffer"):  # since torch 2.5
        functorch.donated_buffer = False
