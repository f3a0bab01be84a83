"""Speed and memory against what one would write by hand: ``python scripts/benchmark``.

Prints a table with the target beside every number, and writes it. About an hour and a half on
two CPU cores; ``--quick`` is seconds, and its numbers mean nothing.
"""

import argparse
import logging
import time
from pathlib import Path

import torch
from rows import ROWS, Sizes
from table import header, text, write

__all__ = ["main"]

NOTES = (
    "Ratios are medians over interleaved pairs (A B A B ...) of blocks of steps in one run. Ours "
    "is the trainer with its loop and its logging at the default interval; evaluations and "
    "checkpoints are not in a step's time. All loops have the same data, network, activation, "
    "batch size and number of threads."
)


def main() -> None:
    """Measure the chosen rows, print and write them."""
    parser = argparse.ArgumentParser(prog="scripts/benchmark", description=__doc__)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="which rows")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does everything run?")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU, for all loops")
    parser.add_argument("--out", type=Path, help="default: outputs/benchmark/TIME.md (and .csv)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.getLogger("mine_cli").setLevel(logging.WARNING)
    sizes = Sizes.quick() if options.quick else Sizes()
    head = header(options.device)
    print("\n".join(f"{key:8}{value}" for key, value in head.items()))
    found = []
    for name in options.rows:
        print(f"measuring {name} ...", flush=True)
        found += ROWS[name](sizes, options.device)
    out = options.out or Path("outputs/benchmark", time.strftime("%Y-%m-%d_%H-%M-%S") + ".md")
    write(out, head, found, NOTES)
    print(f"\n{text(found)}\n\n{NOTES}\nwritten: {out} and {out.with_suffix('.csv')}")


if __name__ == "__main__":
    main()
