"""What a run leaves in its folder: metrics.csv, TensorBoard, mine-run.log and result.json.

Imports no torch, so that tables and figures of finished runs are made without loading it.
"""

import csv
import io
import logging
import math
import os
import shutil
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from mine_cli.errors import RunFailed, refuse
from mine_cli.results.files import Result, write_atomically, write_csv

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["LEFT", "SCHEMA", "Charts", "RunFolder", "check_links", "log_file", "speaking"]

log = logging.getLogger("mine_cli")

# The folder of the run that is at work, where several runs take turns in one process.
speaker: ContextVar[Path | None] = ContextVar("speaker", default=None)
LOG = "mine-run.log"
# What a run leaves beside its configuration and its log; the result last, so that a job whose
# clearing was cut short is cleared again.
LEFT = (
    "checkpoints", "tb", "figures", "samples", "metrics.csv", "split.npz", "screen.csv",
    "report.html",    "result.json",
)  # fmt: skip
SCHEMA = 1  # of result.json; raised when a key changes its meaning or goes away

Charts = Mapping[str, Mapping[str, Sequence[str | Sequence[str]]]]
"""TensorBoard's layout of custom charts: category -> title -> kind and tags."""


@contextmanager
def speaking(folder: Path) -> Iterator[None]:
    """Sends what is logged meanwhile to this run's log alone, of those that are open."""
    token = speaker.set(folder)
    try:
        yield
    finally:
        speaker.reset(token)


def check_links(name: str, folder: Path, files: Iterable[str] = (".hydra", LOG, *LEFT)) -> None:
    """Raises BadInput where what is written into a folder would land elsewhere, or wait for ever.

    Arguments:
        name: The key that named the folder.
        folder: It may be missing.
        files: What is written there; the rest is somebody else's.
    """
    home, faults = folder.resolve(), []
    written = [folder / file for file in files]
    for path in (*written, *(below for each in written for below in each.rglob("*"))):
        if path.is_symlink() and not path.resolve().is_relative_to(home):
            faults.append(f"{name}={folder}: {path} is a link out of the folder; take it away")
        elif path.exists() and not (path.is_file() or path.is_dir()):
            faults.append(f"{name}={folder}: {path} is no file and no folder; take it away")
    refuse(faults)


def open_log(folder: Path) -> logging.FileHandler:
    """Opens a run's mine-run.log, to which the program's lines go from now on."""
    handler = logging.FileHandler(folder / LOG, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.addFilter(lambda record: speaker.get() in (None, folder))
    logger = logging.getLogger("mine_cli")
    logger.addHandler(handler)
    if logger.getEffectiveLevel() > logging.INFO:
        logger.setLevel(logging.INFO)
    return handler


@contextmanager
def log_file(folder: Path) -> Iterator[None]:
    """Sends the program's lines to a run's mine-run.log as well, meanwhile."""
    handler = open_log(folder)
    try:
        yield
    finally:
        logging.getLogger("mine_cli").removeHandler(handler)
        handler.close()


def shape_of_png(content: bytes) -> dict[str, int]:
    """Height and width in pixels and the number of channels, from the file's first chunk."""
    width, height, _, colours = struct.unpack_from(">IIBB", content, 16)
    return {"height": height, "width": width, "colorspace": {0: 1, 2: 3, 4: 2, 6: 4}[colours]}


class RunFolder:
    """Writes the files of one run as it goes.

    `metrics.csv` has a row per logged step and the union of all metrics as columns; TensorBoard
    in `tb/` gets the same values, with estimate and truth on one chart.

    Arguments:
        path: The run's folder; made when it is not there.
        resume_step: The step of the checkpoint that the run goes on from: everything logged
            after it is cut away. None starts over.
        tensorboard: Whether `tb/` is written.
        charts: Of TensorBoard.
    """

    def __init__(
        self,
        path: Path | str,
        resume_step: int | None = None,
        tensorboard: bool = True,
        charts: Charts | None = None,
    ) -> None:
        self.path = Path(path)
        self.metrics_csv = self.path / "metrics.csv"
        self.result_json = self.path / "result.json"
        self.last = self.path / "checkpoints" / "last.pt"
        self.earlier = self.path / "checkpoints" / "earlier.pt"
        self.best = self.path / "checkpoints" / "best.pt"
        self.resume_step, self.charts = resume_step, charts
        self.columns = ["step"]
        self.rows: list[dict[str, str]] = []
        try:
            self.last.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFailed(f"cannot make the folder {self.path}: {error.strerror}") from error
        self.log_file = self._open_log()
        self._cut_back()
        self.writer = self._open_tensorboard() if tensorboard else None

    def log(self, step: int, metrics: Mapping[str, float | None]) -> None:
        """Adds one row; a metric that is None or not finite leaves its cell empty."""
        known = {tag: float(v) for tag, v in metrics.items() if v is not None}
        values = {tag: value for tag, value in known.items() if math.isfinite(value)}
        row = {"step": str(step)} | {tag: repr(value) for tag, value in values.items()}
        self.rows.append(row)
        new = [tag for tag in row if tag not in self.columns]
        if new:
            self.columns += new
            write_csv(self.metrics_csv, self.rows, first=self.columns)
        else:
            self._append(row)
        if self.writer is not None:
            try:
                for tag, value in values.items():
                    self.writer.add_scalar(tag, value, step)
            except OSError as error:
                raise self._failed(self.path / "tb", error) from error

    def text(self, tag: str, markdown: str) -> None:
        """Shows a text in TensorBoard, such as the configuration as Markdown."""
        if self.writer is not None:
            self.writer.add_text(tag, markdown, self.resume_step or 0)

    def keep(self, name: str, arrays: Result) -> None:
        """Writes arrays to look at, as `samples/NAME.npz`; whole or not at all."""
        import numpy

        buffer = io.BytesIO()
        numpy.savez_compressed(buffer, **arrays)
        write_atomically(self.path / "samples" / f"{name}.npz", buffer.getvalue())

    def picture(self, tag: str, png: Path, step: int) -> None:
        """Shows a PNG that stands in `figures/` in TensorBoard as well."""
        if self.writer is None:
            return
        from torch.utils.tensorboard.summary import Summary

        # The file as it is: `SummaryWriter.add_image` would have it decoded and encoded anew.
        content = png.read_bytes()
        image = Summary.Image(encoded_image_string=content, **shape_of_png(content))
        shown = Summary(value=[Summary.Value(tag=tag, image=image)])
        self.writer._get_file_writer().add_summary(shown, step)

    def hparams(self, settings: Result, metrics: Mapping[str, float | None]) -> None:
        """Writes one row of TensorBoard's HParams table, without a second run directory.

        `SummaryWriter.add_hparams` would open another writer and thereby another run.
        """
        if self.writer is None:
            return
        from torch.utils.tensorboard.summary import hparams

        shown = {
            key: value if isinstance(value, (bool, int, float, str)) else str(value)
            for key, value in settings.items()
        }
        finite = {k: float(v) for k, v in metrics.items() if v is not None and math.isfinite(v)}
        for part in hparams(shown, finite):
            self.writer._get_file_writer().add_summary(part)
        for tag, value in finite.items():
            self.writer.add_scalar(tag, value, int(self.rows[-1]["step"]) if self.rows else 0)

    def flush(self) -> None:
        """Flushes everything logged so far to the disk; called before a checkpoint is written."""
        try:
            if self.metrics_csv.exists():
                with self.metrics_csv.open("ab") as file:
                    os.fsync(file.fileno())
            if self.writer is not None:
                self.writer.flush()
        except OSError as error:
            raise self._failed(self.path, error) from error

    def keep_earlier(self) -> None:
        """Keeps the latest checkpoint under another name, beside the one that is written next."""
        if not self.last.exists():
            return
        try:
            self.earlier.unlink(missing_ok=True)
            os.link(self.last, self.earlier)
        except OSError:  # a file system without links
            with suppress(OSError):
                shutil.copyfile(self.last, self.earlier)

    def close(self) -> None:
        """Ends the log file and TensorBoard's writer; safe to call twice."""
        if self.log_file is not None:
            logging.getLogger("mine_cli").removeHandler(self.log_file)
            self.log_file.close()
            self.log_file = None
        writer, self.writer = self.writer, None
        if writer is not None:
            try:
                writer.close()
            except OSError as error:
                raise self._failed(self.path / "tb", error) from error

    def _cut_back(self) -> None:
        """Drops what was logged after the checkpoint, and a line that a killed run left half."""
        if self.resume_step is not None and self.metrics_csv.exists():
            text = self.metrics_csv.read_text(encoding="utf-8", errors="replace")
            whole = text[: text.rfind("\n") + 1].replace("\0", "\ufffd")
            lines = list(csv.DictReader(io.StringIO(whole)))
            sound = [line for line in lines if is_row(line)]
            if len(sound) < len(lines):
                damaged = len(lines) - len(sound)
                log.warning("%s: damaged lines, left out: %d", self.metrics_csv, damaged)
            for line in sound:
                if int(line["step"]) <= self.resume_step:
                    self.rows.append({tag: cell for tag, cell in line.items() if cell})
            # A column that appeared later must appear again at its own time and place.
            self.columns = list(dict.fromkeys(["step", *(tag for r in self.rows for tag in r)]))
        if self.rows or self.metrics_csv.exists():
            write_csv(self.metrics_csv, self.rows, first=self.columns)

    def _append(self, row: dict[str, str]) -> None:
        if not self.metrics_csv.exists():  # somebody has deleted it
            write_csv(self.metrics_csv, self.rows, first=self.columns)
            return
        try:
            with self.metrics_csv.open("a", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, self.columns, restval="", lineterminator="\n")
                writer.writerow(row)
        except OSError as error:
            raise self._failed(self.metrics_csv, error) from error

    def _open_log(self) -> logging.FileHandler | None:
        """mine-run.log, unless Hydra has opened it for this run already."""
        handlers = [*logging.getLogger().handlers, *logging.getLogger("mine_cli").handlers]
        taken = [h.baseFilename for h in handlers if isinstance(h, logging.FileHandler)]
        if str((self.path / LOG).resolve()) in [str(Path(name).resolve()) for name in taken]:
            return None
        return open_log(self.path)

    def _open_tensorboard(self) -> "SummaryWriter":
        from torch.utils.tensorboard import SummaryWriter

        # Purging from the next step on makes TensorBoard forget what the cut-back forgot.
        purge = 0 if self.resume_step is None else self.resume_step + 1
        folder = self.path / "tb"
        writer = SummaryWriter(str(folder), purge_step=purge if folder.exists() else None)
        if self.charts:
            writer.add_custom_scalars(dict(self.charts))
        return writer

    def _failed(self, path: Path, error: OSError) -> RunFailed:
        reason = error.strerror or str(error)
        kept = "; the last checkpoint is intact" if self.last.exists() else ""
        return RunFailed(f"cannot write {path}: {reason}{kept}")


def is_row(line: Mapping[str, str]) -> bool:
    """Tells whether a line of metrics.csv is as it was written: a step, and numbers or nothing."""
    cells = [cell for tag, cell in line.items() if tag != "step" and cell]
    try:
        return None not in line and int(line["step"]) >= 0 and all(map(is_number, cells))
    except (KeyError, TypeError, ValueError):
        return False


def is_number(cell: str) -> bool:
    return math.isfinite(float(cell))
