"""The command in the process of the tests themselves, for what is refused before it trains."""

import contextlib
import io
import sys

from hydra.core.global_hydra import GlobalHydra

from mine_cli.cli import main

__all__ = ["answer"]


def answer(arguments: list[str]) -> tuple[object, str, str]:
    """What `mine-run ARGUMENTS` ends with, and what it says, in this process."""
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["mine-run", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
        code: object = 0
    except SystemExit as stop:
        code = stop.code or 0
    finally:
        GlobalHydra.instance().clear()
    return code, out.getvalue(), err.getvalue()
