r"""The adversarial losses: functions of logits psi of real and of generated samples, in nats.

With x real and y generated, s the softplus function log(1 + e^t), each descends

=================  ==========================  ===================
loss               discriminator               generator
=================  ==========================  ===================
``nonsaturating``  E s(-psi(x)) + E s(psi(y))  E s(-psi(y))
``wasserstein``    E psi(y) - E psi(x)         -E psi(y)
``relativistic``   E s(psi(y) - psi(x))        E s(psi(x) - psi(y))
=================  ==========================  ===================

References:
    | nonsaturating: Generative Adversarial Nets (Goodfellow et al., 2014), section 3
    | https://arxiv.org/abs/1406.2661
    | wasserstein: Wasserstein GAN (Arjovsky et al., 2017), eq. 3 https://arxiv.org/abs/1701.07875
    | and, with psi an energy's negative, Maximum Entropy Generators for Energy-Based Models (Kumar
    | et al., 2019) https://arxiv.org/abs/1901.08508
    | relativistic: The relativistic discriminator (Jolicoeur-Martineau, 2018), section 4.2, and,
    | with penalties at real and generated samples, The GAN is dead; long live the GAN! (Huang et
    | al., 2024), eq. 2 https://arxiv.org/abs/2501.05441
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import softplus

__all__ = ["LOSSES", "AdversarialLoss"]

OfLogits = Callable[[Tensor, Tensor], Tensor]
"""From the logits of real and of generated samples, ``[n]`` each, to a scalar."""


@dataclass(frozen=True)
class AdversarialLoss:
    """What discriminator and generator descend.

    Arguments:
        discriminator: its loss.
        generator: the generator's.
        paired: whether the generator's depends on the logits of real samples.
    """

    discriminator: OfLogits
    generator: OfLogits
    paired: bool = False


LOSSES = {
    "nonsaturating": AdversarialLoss(
        lambda real, fake: softplus(-real).mean() + softplus(fake).mean(),
        lambda real, fake: softplus(-fake).mean(),
    ),
    "wasserstein": AdversarialLoss(
        lambda real, fake: fake.mean() - real.mean(), lambda real, fake: -fake.mean()
    ),
    "relativistic": AdversarialLoss(
        lambda real, fake: softplus(fake - real).mean(),
        lambda real, fake: softplus(real - fake).mean(),
        paired=True,
    ),
}
