"""Networks whose score is an inner product: what they can represent."""

import pytest
import torch
from torch.distributions import MultivariateNormal

from mine_cli.errors import BadInput
from mine_cli.networks.separable import Bilinear, Separable, SeparableQuadratic


def test_separable_quadratic_holds_any_gaussian_log_ratio() -> None:
    size_x, size_z = 4, 3
    root = torch.randn(7, 7, dtype=torch.float64)
    covariance = root @ root.T / 7 + 0.3 * torch.eye(7)
    mean = torch.randn(7, dtype=torch.float64)
    of_x, of_z = slice(0, size_x), slice(size_x, None)
    joint = MultivariateNormal(mean, covariance)
    law_x = MultivariateNormal(mean[of_x], covariance[of_x, of_x])
    law_z = MultivariateNormal(mean[of_z], covariance[of_z, of_z])

    # log-ratio = (x, z)' M (x, z) + linear + constant around the mean; M from three precisions.
    m = -0.5 * joint.precision_matrix
    m[of_x, of_x] += 0.5 * law_x.precision_matrix
    m[of_z, of_z] += 0.5 * law_z.precision_matrix
    linear = -2 * m @ mean
    at_mean = joint.log_prob(mean) - law_x.log_prob(mean[of_x]) - law_z.log_prob(mean[of_z])

    network = SeparableQuadratic((size_x,), (size_z,), widths=[8], features=size_z)
    with torch.no_grad():
        for silent in (network.f[-1], network.g[-1]):
            silent.weight.zero_()
            silent.bias.zero_()
        network.straight_x.weight.copy_(2 * m[of_z, of_x])
        network.straight_z.weight.copy_(torch.eye(size_z))
        network.own_x.weight.copy_(m[of_x, of_x])
        network.own_z.weight.copy_(m[of_z, of_z])
        network.own_x.bias.copy_(linear[of_x])
        network.own_z.bias.copy_(linear[of_z])
        network.constant.fill_(at_mean + mean @ m @ mean)

    rows = joint.sample((500,))
    x, z = rows[:, of_x], rows[:, of_z].roll(1, 0)
    truth = joint.log_prob(torch.cat([x, z], 1)) - law_x.log_prob(x) - law_z.log_prob(z)
    assert truth.std() > 0.5
    assert (network(x.float(), z.float()) - truth).abs().max() < 1e-4


def test_bilinear_is_one_matrix_and_a_constant() -> None:
    network = Bilinear((3,), (2,))
    with torch.no_grad():
        network.constant.fill_(2.5)
    x, z = torch.randn(10, 3), torch.randn(10, 2)
    expected = torch.einsum("ni,ji,nj->n", x, network.weight.weight, z) + 2.5
    assert torch.allclose(network(x, z), expected, atol=1e-6)


def test_an_unknown_activation_is_told_in_one_line() -> None:
    with pytest.raises(BadInput, match="activation must be one of") as caught:
        Separable((2,), (2,), activation="")
    assert len(str(caught.value).splitlines()) == 1
