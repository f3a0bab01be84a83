"""Several processes for one run: the gradient of one process, one folder, one voice."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from mine_cli.errors import RunFailed
from mine_cli.estimator.data_parallel import needed_rows, own_slice
from mine_cli.estimator.ensemble import Ensemble
from mine_cli.estimator.term import MutualInformation
from mine_cli.marginals import AllPairs, Derangement, Independent
from mine_cli.networks.mlp import MLP, NoisyMLP
from mine_cli.networks.separable import Separable
from tests.program import PRELOADED, Program, started

NUM_RANKS = 2
BATCH = 64
NETWORKS = {"mlp": MLP, "noisy": NoisyMLP, "separable": Separable}
MARGINALS = {
    "derangement": Derangement,
    "five_partners": lambda: Derangement(5),
    "independent": lambda: Independent(2),
    "groups": lambda: AllPairs(16),
    # Scored in blocks that the backward pass computes anew.
    "large_groups": lambda: AllPairs(32),
}
CASES = [
    *((bound, "mlp", "derangement") for bound in ("mine", "dv", "mine_f", "js", "smile", "tuba")),
    ("mine", "noisy", "five_partners"),
    ("mine", "noisy", "independent"),
    ("dv", "separable", "five_partners"),
    ("infonce", "mlp", "groups"),
    ("infonce", "noisy", "groups"),
    ("infonce", "separable", "large_groups"),
]


def trained(case: tuple[str, str, str], shared: bool) -> dict[str, Tensor]:
    """Three steps in float64: the first one's gradients, then losses, weights and buffers."""
    bound, network, marginals = case
    torch.manual_seed(0)
    critic = NETWORKS[network]((2,), (2,), (32, 32))
    term = MutualInformation(critic, bound, MARGINALS[marginals]()).double()
    # Away from zero, where the bounds' gradients are all but one and the same.
    with torch.no_grad():
        for parameter in term.network.parameters():
            parameter.mul_(3)
    ensemble = Ensemble([term], lr=1e-2)
    if shared:
        ensemble.share_batches()
    generator = torch.Generator().manual_seed(1)
    found, losses = {}, []
    for step in range(3):
        x = torch.randn(BATCH, 2, generator=generator, dtype=torch.float64)
        z = x.repeat(1 + term.marginals.extra, 1)
        z = 0.8 * z + 0.6 * torch.randn(z.shape, generator=generator, dtype=z.dtype)
        losses.append(ensemble.step([(x, z)], [generator]))
        if step == 0:
            found = {f"grad {n}": p.grad.clone() for n, p in term.statistics.named_parameters()}
    state = term.state_dict() | {"losses": torch.cat(losses), "value": ensemble.member(0).value()}
    return found | {name: value.clone() for name, value in state.items()}


def train_in_rank(rank: int, folder: Path, cases: list[tuple[str, str, str]]) -> None:
    """What a process of its own does: all cases, written to the folder."""
    torch.set_num_threads(1)
    store = dist.FileStore(str(folder / "store"), NUM_RANKS)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=NUM_RANKS)
    torch.save([trained(case, shared=True) for case in cases], folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def in_ranks(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Tensor]]]:
    """What each rank found in each case."""
    folder = tmp_path_factory.mktemp("ranks")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    processes = [
        context.Process(target=train_in_rank, args=(rank, folder, CASES))
        for rank in range(NUM_RANKS)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    return [torch.load(folder / f"{rank}.pt") for rank in range(NUM_RANKS)]


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_gradients_are_those_of_one_process(
    case: tuple[str, str, str], in_ranks: list[list[dict[str, Tensor]]]
) -> None:
    """Also the losses, the weights and the moving average after three steps."""
    first, second = (found[CASES.index(case)] for found in in_ranks)
    alone = trained(case, shared=False)
    assert first.keys() == second.keys() == alone.keys()
    for name, wanted in alone.items():
        assert torch.equal(first[name], second[name]), name
        # Adam divides by a gradient's size, and so makes more of its rounding.
        tolerance = 1e-12 if name.startswith("grad") else 1e-7
        torch.testing.assert_close(first[name], wanted, rtol=tolerance, atol=tolerance)


def test_the_rows_that_a_share_needs() -> None:
    """Whether all rows of z are taken or each pair's own: the same pairs."""
    z = torch.arange(20)
    for k in (1, 3, 7):
        pairing = torch.randint(20, (5, k))
        rows, partners = needed_rows(pairing, 20, start=10)
        assert torch.equal(z[rows][:5], z[10:15])
        assert torch.equal(z[rows][partners], pairing)
        assert len(rows) <= 20


def test_uneven_shares_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dist, "get_world_size", lambda: 3)
    with pytest.raises(RunFailed, match="64 rows of a batch cannot be shared evenly by 3"):
        own_slice(64, "rows")


SMALL = (
    "trainer.device=cpu", "trainer.batch_size=64", "trainer.steps=60", "trainer.log_every=5",
    "trainer.evaluate_every=20", "trainer.tensorboard=false", "task.select_rows=300",
    "task.report_rows=500", "task.pairs=10000", "task.pairs_during_training=6000",
    # At 7e-3, the default here, the order of a sum of two halves shows in the fourth digit.
    "trainer.lr=0.002", "references=none",
)  # fmt: skip


@contextmanager
def ranks(
    cwd: Path,
    *arguments: str,
    before: Callable[[], object] = bool,
) -> Iterator[list[Program]]:
    """The program in processes that find what torchrun would have told them."""
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    env = {
        "TORCHELASTIC_RUN_ID": "test", "TORCHELASTIC_USE_AGENT_STORE": "True",
        "TORCHELASTIC_RESTART_COUNT": "0",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port),
        "WORLD_SIZE": str(NUM_RANKS), "LOCAL_WORLD_SIZE": str(NUM_RANKS),
    }  # fmt: skip
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                started(
                    cwd,
                    *arguments,
                    env={**env, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                    before=before,
                )
            )
            for rank in range(NUM_RANKS)
        ]


def ended(programs: list[Program]) -> tuple[int, str]:
    """Rank 0's exit code and errors; the others have said nothing."""
    codes = [program.wait() for program in programs]
    for program in programs[1:]:
        assert program.stdout == program.stderr == ""
    assert all(codes) or not any(codes)
    return codes[0], programs[0].stderr


def result_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "result.json").read_text())


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    (tmp_path / "cwd").mkdir()
    return tmp_path / "cwd"


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("dataset.n=600", "folds=1", "portfolio=none", "task.patience=1"),
        ("trainer.dtype=bfloat16",),
    ],
    ids=str,
)
def test_an_estimate_is_that_of_a_lone_run(options: tuple[str, ...], cwd: Path) -> None:
    """Fresh draws, rows that are stopped early, and bfloat16; one folder is written."""
    with ranks(cwd, *SMALL, *options) as programs:
        assert ended(programs) == (0, "")
        assert programs[0].stdout.count("mi-estimate: Gaussian") == 1
    (folder,) = cwd.glob("outputs/mi-estimate/*")
    assert [path for path in cwd.rglob("*") if path.is_file() and folder not in path.parents] == []
    with started(cwd, *SMALL, *options, "hydra.run.dir=alone") as program:
        assert program.wait() == 0
    files = {path.name for path in folder.rglob("*")}
    assert files == {path.name for path in (cwd / "alone").rglob("*")}
    together, alone = result_of(folder), result_of(cwd / "alone")
    # In bfloat16 the shapes that are multiplied decide the rounding.
    tolerance = 1e-2 if "trainer.dtype=bfloat16" in options else 1e-4
    assert together["estimate"] == pytest.approx(alone["estimate"], abs=tolerance)
    assert together["fingerprint"] == alone["fingerprint"]
    assert together["steps"] == alone["steps"]


BAD = {
    "trainer.batch_size=63": "trainer.batch_size=63: must divide by the 2 processes that share",
    "bound=infonce marginals=all_pairs marginals.rows=512": "marginals.rows=512: a batch of 512 "
    "has 1 groups, which must divide by the 2 processes that share it; want marginals.rows=256",
    "dataset.n=2000 folds=2": "folds=2: cannot be shared by 2 processes; want folds=1",
    "task=gan": "task=gan: cannot be shared by 2 processes; start it without torchrun",
    "task=infobottleneck": "task=infobottleneck: cannot be shared by 2 processes",
    "trainer.compile=true": "trainer.compile=true: not with 2 processes",
    "trainer.device=cuda:1": "trainer.device=cuda:1: each of 2 processes has its own; want cuda",
    "-m seed=1,2": "a sweep: cannot be shared by 2 processes; leave out -m",
    "dataset.rho=2": "dataset.rho=2.0: must lie strictly between -1 and 1, or null",
    "resume=absent": "resume=absent: no such folder; want the folder of an earlier run",
}


@pytest.mark.parametrize("arguments", BAD)
def test_bad_input_is_one_line_of_rank_0(arguments: str, cwd: Path) -> None:
    with ranks(cwd, *arguments.split()) as programs:
        code, said = ended(programs)
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith(f"mine-run: {BAD[arguments]}")
    assert list(cwd.iterdir()) == []


def test_a_run_that_diverges_says_so_once(cwd: Path) -> None:
    options = ("trainer.lr=1e30", "bound=mine_f", "hydra.run.dir=run")
    with ranks(cwd, *SMALL, *options) as programs:
        code, said = ended(programs)
    assert (code, said.count("\n")) == (3, 1)
    assert result_of(cwd / "run")["status"] == "diverged"


def fail_in_second_check() -> None:
    from mine_cli.errors import BadInput
    from mine_cli.tasks import registry

    def check(cfg: Any, datasets: Any = None) -> None:
        raise BadInput("trainer.device=cuda:1: there is no such device here")

    if os.environ["RANK"] == "1":
        registry.prepared = check


def test_what_stops_another_rank_before_the_start_is_told_by_rank_0(cwd: Path) -> None:
    with ranks(cwd, *SMALL, before=fail_in_second_check) as programs:
        code, said = ended(programs)
    assert said == "mine-run: rank 1: trainer.device=cuda:1: there is no such device here\n"
    assert code == 2
    assert list(cwd.iterdir()) == []


def fail_in_second_step() -> None:
    from mine_cli.tasks.mi_estimate.training import MIEstimate

    step_of = MIEstimate.train_step

    def train_step(self: MIEstimate, step: int) -> Any:
        if step == 7 and os.environ["RANK"] == "1":
            raise ValueError("a user's own network fails")
        return step_of(self, step)

    MIEstimate.train_step = train_step


def test_a_rank_that_fails_ends_all_with_one_message(cwd: Path) -> None:
    with ranks(cwd, *SMALL, "hydra.run.dir=run", before=fail_in_second_step) as programs:
        code, said = ended(programs)
    assert said == "mine-run: rank 1: ValueError: a user's own network fails\n"
    assert code == 1
    assert "a user's own network fails" in (cwd / "run" / "mine-run.log").read_text()


def test_a_rank_that_is_killed_ends_all(cwd: Path) -> None:
    with ranks(cwd, *SMALL, "trainer.steps=100000", "hydra.run.dir=run") as programs:
        programs[0].wait_until(lambda: "step 20/" in programs[0].stdout)
        programs[1].signal(signal.SIGKILL)
        code = programs[0].wait()
        said = programs[0].stderr
    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith(
        "mine-run: another process of this run cannot be reached; torchrun says"
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_the_run_goes_on(number: int, cwd: Path) -> None:
    """Here one rank alone hears it; torchrun tells all. Resumed, the result is that of one go."""
    with ranks(cwd, *SMALL, "hydra.run.dir=whole") as programs:
        assert ended(programs) == (0, "")
    options = (*SMALL, "trainer.checkpoint_every=1000", "hydra.run.dir=run")
    with ranks(cwd, *options, before=slowly) as programs:
        programs[0].wait_until(lambda: "step 5/" in programs[0].stdout)
        programs[1].signal(number)
        code, said = ended(programs)
    assert code == 128 + number
    (go_on,) = re.findall(r"mine-run: interrupted; go on with: (.+)\n", said)
    assert go_on == "torchrun --nproc-per-node=2 -m mine_cli resume=run"
    assert not (cwd / "run" / "result.json").exists()
    with ranks(cwd, "resume=run") as programs:
        assert ended(programs) == (0, "")
    resumed, whole = result_of(cwd / "run"), result_of(cwd / "whole")
    assert (resumed["estimate"], resumed["steps"]) == (whole["estimate"], whole["steps"])


def slowly() -> None:
    """Gives the test the time to send a signal in the middle."""
    from mine_cli.tasks.mi_estimate.training import MIEstimate

    step_of = MIEstimate.train_step

    def train_step(self: MIEstimate, step: int) -> Any:
        time.sleep(0.02)
        return step_of(self, step)

    MIEstimate.train_step = train_step


@pytest.mark.slow  # three processes import torch anew
def test_torchrun_writes_one_folder(cwd: Path) -> None:
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone")
    done = subprocess.run(
        [*torchrun, f"--nproc-per-node={NUM_RANKS}", "-m", "mine_cli", *SMALL],
        cwd=cwd, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("mi-estimate: Gaussian") == 1
    (folder,) = cwd.glob("outputs/mi-estimate/*")
    assert result_of(folder)["status"] != "diverged"
    assert [path for path in cwd.rglob("*") if path.is_file() and folder not in path.parents] == []


LEAVES = """
import sys
from pathlib import Path
import torch
from mine_cli.training import distributed as ranks

def threads():
    return [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]

ranks.join(torch.device("cpu"))
import torch._dynamo  # which imports all of torch.distributed
ranks.agreed(1)
assert any("gloo" in name for name in threads()), threads()
ranks.disconnect()
assert not any("gloo" in name for name in threads()), threads()
"""


@pytest.mark.slow  # two processes import torch anew
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_no_thread_outlives_the_group() -> None:
    """One that does can abort a process that ends, long after its work is done."""
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--no-python")
    done = subprocess.run(
        [*torchrun, f"--nproc-per-node={NUM_RANKS}", sys.executable, "-c", LEAVES],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
