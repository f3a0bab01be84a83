"""One evaluation over many pairs, alone in its process: prints its peak memory and time as JSON.

python scripts/benchmark/evaluation.py PAIRS DEVICE
"""

import json
import math
import resource
import sys
import time

import torch
from loops import gaussian

from mine_cli import MutualInformation
from mine_cli.networks.mlp import MLP

__all__: list[str] = []

SHARE = 5000  # marginal pairs a row of the full table; below 10^7 pairs fewer


def peak(device: str) -> int:
    """The most memory that this process has held so far, in bytes."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main(pairs: int, device: str) -> None:
    torch.set_num_threads(1)
    negatives = min(SHARE, math.isqrt(pairs) // 2)
    x, z = gaussian(20, pairs // negatives, device)
    term = MutualInformation(MLP((20,), (20,)).to(device))
    # A small one first: what the libraries load on first use belongs to no evaluation.
    term.evaluate(x[:100], z[:100])
    before, start = peak(device), time.perf_counter()
    found = term.evaluate(x, z, negatives=negatives)
    report = {
        "pairs": found.marginal_pairs,
        "bytes": peak(device) - before,
        "seconds": time.perf_counter() - start,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
