"""The program `mine-run` in processes of its own, forked from one that has imported all of it.

A process started from nothing needs some seconds for its imports, a forked one milliseconds. What
runs in it is the same: `mine_cli.cli.command.main`, with its own arguments, folder, output and
exit code. The server that a sweep's own processes come from is forked as well.
"""

import fcntl
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import util
from pathlib import Path
from typing import IO, Any, NoReturn

from PIL import Image

__all__ = ["Program", "blank", "run", "started"]

SECONDS = 300  # of a machine that is busy with other things as well
PRELOADED = ("tests.preloaded",)
SWEEPS, MAY_SWEEP = ("-m", "--multirun"), ("resume=", "experiment=")


class Program:
    """A running program: its process id, and what it has written so far."""

    def __init__(self, process: multiprocessing.process.BaseProcess, out: Path) -> None:
        self.process, self.out = process, out
        self.pid: int = process.pid or 0
        for name in ("stdout", "stderr"):  # the program itself opens them only later
            Path(f"{out}.{name}").touch()

    def signal(self, number: int) -> None:
        if self.running:
            os.kill(self.pid, number)

    @property
    def running(self) -> bool:
        return self.process.is_alive()

    @property
    def stdout(self) -> str:
        return Path(f"{self.out}.stdout").read_text()

    @property
    def stderr(self) -> str:
        return Path(f"{self.out}.stderr").read_text()

    def wait(self) -> int:
        """The exit code, negative for a signal, as `subprocess` has it."""
        self.process.join(SECONDS)
        assert self.process.exitcode is not None, self.stderr
        return self.process.exitcode

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Waits, in small steps, until a condition holds or the program has ended."""
        deadline = time.monotonic() + SECONDS
        while not condition() and self.running:
            assert time.monotonic() < deadline, self.stderr
            time.sleep(0.0005)


@contextmanager
def started(
    cwd: Path,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    before: Callable[[], object] = bool,
    drawn: bool = False,
) -> Iterator[Program]:
    """Starts `mine-run ARGUMENTS` in a folder; what still runs at the end is killed.

    `before` is called first in the new process: a function of a module, which may break things.
    Its pictures are blank unless they are to be `drawn`: a third of a short run's time.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    out = cwd.parent / f"{cwd.name}.{time.monotonic_ns()}"
    settings = {**os.environ, "OMP_NUM_THREADS": "1", **(env or {})}
    process = context.Process(
        target=main, args=(str(cwd), str(out), arguments, settings, before, drawn)
    )
    process.start()
    try:
        yield Program(process, out)
    finally:
        process.kill()
        process.join()


def run(
    cwd: Path,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    before: Callable[[], object] = bool,
    drawn: bool = False,
) -> subprocess.CompletedProcess[str]:
    """`mine-run ARGUMENTS` in a folder, to its end."""
    with started(cwd, *arguments, env=env, before=before, drawn=drawn) as program:
        code = program.wait()
        return subprocess.CompletedProcess(arguments, code, program.stdout, program.stderr)


def main(
    cwd: str,
    out: str,
    arguments: tuple[str, ...],
    env: Mapping[str, str],
    before: Callable[[], object],
    drawn: bool,
) -> None:
    """What the forked process does."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(f"{out}.{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    # As in a terminal: what starts in a shell's background is born deaf to Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["mine-run", *arguments]
    if not drawn:
        undraw()
    before()  # whose limits the processes of a sweep inherit
    if any(word in SWEEPS or word.startswith(MAY_SWEEP) for word in arguments):
        keep_a_server_back()
    from mine_cli.cli import command

    command.main()


def keep_a_server_back() -> None:
    """Forks a process that knows nothing of the program yet: the fork server of its sweep.

    Elsewhere that is started from nothing, and imports anew what is imported here already.
    """
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        serve(theirs)
    theirs.close()
    anew = util.spawnv_passfds

    def spawn(path: bytes, words: list[str], fds: list[int]) -> int:
        if "forkserver" not in words[-1] or ours.fileno() < 0:
            return anew(path, words, fds)
        deaf = [n for n in signal.valid_signals() if signal.getsignal(n) == signal.SIG_IGN]
        with ours:
            socket.send_fds(ours, [json.dumps([words[-1], [*fds], deaf]).encode()], fds)
        return pid

    util.spawnv_passfds = spawn  # type: ignore[assignment]


def serve(orders: socket.socket) -> NoReturn:
    """What that process does: waits to be started, and then as if it had just been."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = 1
    try:
        order, given, *_ = socket.recv_fds(orders, 1 << 16, 8)
        if order:  # else the program has ended without it
            command, wanted, deaf = json.loads(order)
            orders.detach()
            aside = [fcntl.fcntl(fd, fcntl.F_DUPFD, 1 << 9) for fd in given]
            os.closerange(3, 1 << 9)
            for fd, number in zip(aside, wanted, strict=True):
                os.dup2(fd, number, inheritable=False)
                os.close(fd)
            for number in signal.valid_signals():
                with suppress(OSError):  # of the two that nobody changes
                    signal.signal(number, signal.SIG_IGN if number in deaf else signal.SIG_DFL)
            if signal.SIGINT not in deaf:
                signal.signal(signal.SIGINT, signal.default_int_handler)
            exec(command, {})
        code = 0
    except SystemExit:
        code = 0
    finally:
        os._exit(code)


def undraw() -> None:
    """Every picture of this process is put together and saved, with nothing on it."""
    from mine_cli.figures import style

    style.FigureCanvasAgg.print_png = blank  # type: ignore[method-assign]


def blank(canvas: Any, file: IO[bytes]) -> None:
    """Stands for a canvas's `print_png`: one pixel."""
    Image.new("RGB", (1, 1)).save(file, "PNG")
