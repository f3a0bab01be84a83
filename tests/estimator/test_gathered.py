"""A batch of which every process has rows of its own: the bound and gradients of one process."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mine_cli.bounds import BOUNDS
from mine_cli.errors import BadInput, Diverged
from mine_cli.estimator.term import MutualInformation
from mine_cli.marginals import Derangement, Independent
from mine_cli.networks.mlp import MLP, NoisyMLP
from tests.program import PRELOADED

ROWS = 32  # of all ranks
BETA = 0.3
CASES = [
    ("mine", "mlp", None), ("infonce", "mlp", None),
    *(
        pytest.param((bound, "mlp", None), marks=pytest.mark.slow)
        for bound in BOUNDS if bound not in ("mine", "infonce")
    ),
    pytest.param(("mine", "noisy", "derangement"), marks=pytest.mark.slow),
    pytest.param(("dv", "mlp", "independent"), marks=pytest.mark.slow),
]  # fmt: skip
MARGINALS: dict[str | None, Callable[[], Any]] = {
    None: lambda: None,
    "derangement": lambda: Derangement(3),
    "independent": lambda: Independent(2),
}


class Model(nn.Module):
    """An encoder without BatchNorm, and the term."""

    def __init__(self, bound: str, network: str, marginals: str | None, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        critic = {"mlp": MLP, "noisy": NoisyMLP}[network]((2,), (2,), widths=[8])
        self.encoder = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
        self.mi = MutualInformation(critic, bound, MARGINALS[marginals](), lr=1e-2, seed=seed)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder(x)


def share(rows: Tensor, rank: int, world: int) -> Tensor:
    return rows.chunk(world)[rank]


def trained(
    case: tuple[str, str, str | None],
    rank: int = 0,
    world: int = 1,
    wrap: Callable[[nn.Module], nn.Module] = lambda encoder: encoder,
) -> dict[str, Tensor]:
    """Five steps in float64; values, the first gradient of a rank's own codes, weights."""
    # The ranks' terms start unlike one another: the first one's serves all.
    model = Model(*case, seed=0 if rank == 0 else 17 + rank)
    model.encoder.load_state_dict(Model(*case).encoder.state_dict())
    encode = wrap(model.encoder)
    optimizer = torch.optim.SGD(encode.parameters(), lr=0.1)
    generator = torch.Generator().manual_seed(1)
    values, found = [], {}
    for step in range(5):
        x, extra = (
            share(torch.randn(ROWS * k, 2, generator=generator).double(), rank, world)
            for k in (1, 2)
        )
        z, z_extra = encode(x), encode(extra) if case[2] == "independent" else None
        values.append(model.mi.step(x, z, z_extra))
        z.retain_grad()
        term = model.mi.minimise(x, z, z_extra)
        values.append(term.detach())
        optimizer.zero_grad()
        (z.square().sum(1).mean() + BETA * term).backward()
        if step == 0:
            found["of codes"] = z.grad
        optimizer.step()
    wholes = {
        name: value.full_tensor() if hasattr(value, "full_tensor") else value
        for name, value in encode.state_dict().items()
    }
    encoder = {name.removeprefix("module."): value for name, value in wholes.items()}
    return found | encoder | model.mi.state_dict() | {"values": torch.stack(values)}


def sharded(encoder: nn.Module) -> nn.Module:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    fully_shard(encoder, mesh=init_device_mesh("cpu", (dist.get_world_size(),)))
    return encoder


def ddp(case: tuple[str, str, str | None], rank: int, world: int) -> dict[str, Tensor]:
    return trained(case, rank, world, DistributedDataParallel)


def fsdp(case: tuple[str, str, str | None], rank: int, world: int) -> dict[str, Tensor]:
    return trained(case, rank, world, sharded)


def faults(case: tuple[str, str, str | None], rank: int, world: int) -> list[str]:
    """What each rank is told of unlike numbers of rows, and of a NaN on one of them."""
    told = []
    mi = Model(*case).mi
    rows = torch.randn(8 + rank, 2).double()
    bad = torch.randn(8, 2).double()
    if rank == 1:
        bad[5] = torch.nan
    for x, error in ((rows, BadInput), (bad, Diverged)):
        with pytest.raises(error) as stop:
            mi.step(x, x)
        told.append(str(stop.value))
    return told


def clipped(case: tuple[str, str, str | None], rank: int = 0, world: int = 1) -> list[Tensor]:
    """The gradient of `maximise_into`, of an encoder that nothing wraps."""
    model = Model(*case)
    x = share(torch.randn(ROWS, 2, generator=torch.Generator().manual_seed(3)), rank, world)
    z = model(x.double())
    model.mi.maximise_into(model.encoder.parameters(), z.square().mean(), x, z, weight=5.0)
    return [p.grad for p in model.encoder.parameters() if p.grad is not None]


def in_rank(rank: int, world: int, folder: Path, job: Callable[..., Any], case: Any) -> None:
    torch.set_num_threads(1)
    store = dist.FileStore(str(folder / "store"), world)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=world)
    torch.save(job(case, rank, world), folder / f"{rank}.pt")
    dist.destroy_process_group()


def in_ranks(world: int, folder: Path, job: Callable[..., Any], case: Any) -> list[Any]:
    """What each of so many processes found."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    processes = [
        context.Process(target=in_rank, args=(rank, world, folder, job, case))
        for rank in range(world)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    return [torch.load(folder / f"{rank}.pt") for rank in range(world)]


def assert_as_one(found: list[dict[str, Tensor]], alone: dict[str, Tensor]) -> None:
    """Weights, moments, streams and values are alike; gradients are a rank's own, times ranks."""
    codes = torch.cat([one.pop("of codes") for one in found]) / len(found)
    torch.testing.assert_close(codes, alone.pop("of codes"), rtol=1e-10, atol=1e-10)
    for one in found:
        assert one.keys() == alone.keys()
        for name, value in alone.items():
            torch.testing.assert_close(
                one[name], value, rtol=1e-10, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}"
            )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("world", [2, pytest.param(4, marks=pytest.mark.long)])
def test_processes_equal_one(world: int, case: Any, tmp_path: Path) -> None:
    assert_as_one(in_ranks(world, tmp_path, ddp, case), trained(case))


@pytest.mark.slow
def test_a_sharded_encoder_equals_one_process(tmp_path: Path) -> None:
    case = ("mine", "mlp", None)
    assert_as_one(in_ranks(2, tmp_path, fsdp, case), trained(case))


@pytest.mark.slow
def test_a_clipped_gradient_is_that_of_one_process(tmp_path: Path) -> None:
    case = ("dv", "mlp", None)
    for found in in_ranks(2, tmp_path, clipped, case):
        torch.testing.assert_close(found, clipped(case), rtol=1e-10, atol=1e-10)


def test_faults_are_told_on_every_rank(tmp_path: Path) -> None:
    """In the words of a single process, with rows counted over all ranks; nobody waits."""
    first, second = in_ranks(2, tmp_path, faults, ("mine", "mlp", None))
    assert first == second
    assert "processes have [8, 9] rows" in first[0]
    assert "x is not finite in row 13 of a batch of 16" in first[1]
