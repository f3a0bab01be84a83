"""What the processes of `tests.program` are forked from: all of the program, imported and warm."""

import gc
import importlib
import os

MODULES = (
    "pytest",
    "matplotlib.pyplot",
    "torch.utils.tensorboard",
    "mine_cli.cli.command",
    "mine_cli.sweep.launcher",
    "mine_cli.sweep.sweeper",
    "mine_cli.sweep.worker",
    "mine_cli.tasks.registry",
    "tests.program",
)

os.environ["OMP_NUM_THREADS"] = "1"  # as in those processes
gc.disable()  # what is imported stays: a third of the time would go into looking through it
for module in MODULES:
    importlib.import_module(module)
importlib.import_module("mine_cli.api").composed([])  # Hydra's plugins, its parsers' grammars
gc.freeze()
gc.enable()
