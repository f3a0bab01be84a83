"""A run's folder: what is logged, cut back and grown again, strict JSON, and the summary."""

import csv
import errno
import json
import logging
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2

from mine_cli.errors import RunFailed
from mine_cli.results import provenance
from mine_cli.results.files import read_json, write_json
from mine_cli.results.folder import RunFolder
from mine_cli.results.numbers import per_nat
from mine_cli.results.provenance import (
    commit,
    fingerprint,
    fingerprints,
    peak_memory,
    versions,
)
from mine_cli.results.summary import STATUS_ADVICE, summary
from mine_cli.tasks.gan.experiment import INFINITE, NOT_KNOWN
from mine_cli.tasks.mi_estimate.experiment import MIEstimateExperiment
from tests.bottleneck_folders import bottleneck_run


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def log_steps(folder: RunFolder, steps: range) -> None:
    """Loss at every step; an estimate at every third, which adds a column late."""
    for step in steps:
        metrics: dict[str, float | None] = {"loss": 1 / (step + 1)}
        if step and step % 3 == 0:
            metrics["mi/estimate"] = math.sqrt(step)
        folder.log(step, metrics)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def fail(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("mine_cli.results.files.os.fsync", fail)
    yield
    monkeypatch.undo()


# metrics.csv


def test_columns_are_the_union_and_cells_may_be_empty(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, tensorboard=False)
    folder.log(0, {"mi/estimate": 0.5, "mi/true": None})
    folder.log(10, {"loss": 0.1 + 0.2})
    folder.log(20, {"loss": math.nan, "mi/estimate": math.inf})
    folder.close()
    assert rows_of(tmp_path) == [
        {"step": "0", "mi/estimate": "0.5", "loss": ""},
        {"step": "10", "mi/estimate": "", "loss": "0.30000000000000004"},
        {"step": "20", "mi/estimate": "", "loss": ""},
    ]
    assert "nan" not in (tmp_path / "metrics.csv").read_text()


def test_each_row_is_on_the_disk_when_log_returns(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, tensorboard=False)
    for step in range(5):
        folder.log(step, {"loss": 1.0})
        assert len(rows_of(tmp_path)) == step + 1
    folder.close()


@pytest.mark.parametrize("resume_step", range(8))
def test_cut_back_and_grown_again_equals_uninterrupted(tmp_path: Path, resume_step: int) -> None:
    whole = RunFolder(tmp_path / "whole", tensorboard=False)
    log_steps(whole, range(10))
    whole.close()
    killed = RunFolder(tmp_path / "killed", tensorboard=False)
    log_steps(killed, range(8))
    killed.close()
    with killed.metrics_csv.open("a") as file:
        file.write("8,0.1")  # the line in which the process was killed
    resumed = RunFolder(tmp_path / "killed", resume_step=resume_step, tensorboard=False)
    assert [int(row["step"]) for row in rows_of(resumed.path)] == list(range(resume_step + 1))
    log_steps(resumed, range(resume_step + 1, 10))
    resumed.close()
    assert resumed.metrics_csv.read_bytes() == whole.metrics_csv.read_bytes()


def test_half_a_line_is_never_taken_for_an_earlier_step(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, tensorboard=False)
    folder.log(100, {"loss": 1.0})
    folder.close()
    with folder.metrics_csv.open("a") as file:
        file.write("1")  # the beginning of "120,..."
    RunFolder(tmp_path, resume_step=100, tensorboard=False).close()
    assert [row["step"] for row in rows_of(tmp_path)] == ["100"]


def test_starting_over_forgets_the_rows(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, tensorboard=False)
    folder.log(0, {"loss": 1.0})
    folder.close()
    RunFolder(tmp_path, tensorboard=False).close()
    assert rows_of(tmp_path) == []


def test_full_disk_in_an_append_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path, tensorboard=False)
    folder.log(0, {"loss": 1.0})

    def fail(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(RunFailed, match=r"^cannot write .*metrics\.csv: No space left") as failure:
        folder.log(1, {"loss": 1.0})
    assert "\n" not in str(failure.value)
    monkeypatch.undo()
    folder.close()
    assert len(rows_of(tmp_path)) == 1


@pytest.mark.usefixtures("full_disk")
def test_full_disk_when_a_column_is_added_is_one_line(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, tensorboard=False)
    with pytest.raises(RunFailed, match=r"^cannot write .*metrics\.csv: No space left"):
        folder.log(0, {"loss": 1.0})
    folder.close()
    assert [name for name in os.listdir(tmp_path) if name.endswith(".tmp")] == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFailed, match="cannot make the folder"):
        RunFolder(tmp_path / "file" / "run")


def test_events_go_to_the_log_once(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, tensorboard=False)
    again = RunFolder(tmp_path, tensorboard=False)  # as when Hydra has opened the file already
    logging.getLogger("mine_cli").info("step 3, loss 0.5")
    again.close()
    folder.close()
    logging.getLogger("mine_cli").info("after the run")
    lines = (tmp_path / "mine-run.log").read_text().splitlines()
    assert len(lines) == 1
    assert lines[0].endswith("step 3, loss 0.5")


# TensorBoard


def events(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder / "tb"), size_guidance={"scalars": 0, "tensors": 0})
    found.Reload()
    return found


def steps_of(folder: Path, tag: str) -> list[int]:
    return [event.step for event in events(folder).Scalars(tag)]


def test_tensorboard_holds_the_same_values(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    log_steps(folder, range(5))
    folder.text("configuration", "| key | value |")
    folder.close()
    assert steps_of(tmp_path, "loss") == [0, 1, 2, 3, 4]
    assert "configuration/text_summary" in events(tmp_path).Tags()["tensors"]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_tensorboard_shows_a_picture_as_it_stands(tmp_path: Path, channels: int) -> None:
    png = tmp_path / "picture.png"
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    Image.new(mode, (7, 5)).save(png)
    folder = RunFolder(tmp_path)
    folder.picture("curve", png, 3)
    folder.close()
    (shown,) = events(tmp_path).Images("curve")
    assert shown.encoded_image_string == png.read_bytes()
    assert (shown.step, shown.width, shown.height) == (3, 7, 5)


def test_estimate_and_truth_share_a_chart(tmp_path: Path) -> None:
    RunFolder(tmp_path, charts=MIEstimateExperiment.charts).close()
    [event] = events(tmp_path).Tensors("custom_scalars__config__")
    layout = layout_pb2.Layout.FromString(event.tensor_proto.string_val[0])
    assert list(layout.category[0].chart[0].multiline.tag) == ["^mi/estimate$", "^mi/true$"]


def test_resuming_purges_later_points(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    log_steps(folder, range(8))
    folder.close()
    folder = RunFolder(tmp_path, resume_step=4)
    folder.log(5, {"loss": -1.0})
    folder.close()
    assert steps_of(tmp_path, "loss") == [0, 1, 2, 3, 4, 5]
    assert events(tmp_path).Scalars("loss")[-1].value == -1.0


def test_hparams_make_no_second_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.log(3, {"loss": 1.0})
    folder.hparams(
        {"bound": "mine", "lr": 2e-3, "widths": [100, 100], "n": None},
        {"result/estimate": 1.5, "result/error": None},
    )
    folder.close()
    assert [path.name for path in (tmp_path / "tb").iterdir() if path.is_dir()] == []
    assert len(list((tmp_path / "tb").iterdir())) == 1
    assert "_hparams_/experiment" in events(tmp_path).PluginTagToContent("hparams")
    assert [(e.step, e.value) for e in events(tmp_path).Scalars("result/estimate")] == [(3, 1.5)]
    assert "result/error" not in events(tmp_path).Tags()["scalars"]


def test_without_tensorboard_there_is_no_folder_for_it(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, tensorboard=False)
    folder.text("a", "b")
    folder.hparams({}, {})
    folder.picture("curve", tmp_path / "absent.png", 0)
    folder.close()
    assert not (tmp_path / "tb").exists()


# samples


def test_samples_are_read_back_as_they_were(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, tensorboard=False)
    points = numpy.random.default_rng(0).normal(size=(5, 2)).astype(numpy.float32)
    counts = numpy.arange(25)
    for name in ("data", "00000007"):
        folder.keep(name, {"x": points, "histogram": counts, "beta": 0.5})
    folder.close()
    assert sorted(os.listdir(tmp_path / "samples")) == ["00000007.npz", "data.npz"]
    with numpy.load(tmp_path / "samples" / "00000007.npz", allow_pickle=False) as found:
        assert numpy.array_equal(found["x"], points)
        assert found["x"].dtype == numpy.float32
        assert numpy.array_equal(found["histogram"], counts)
        assert float(found["beta"]) == 0.5
    contents = {file.read_bytes() for file in tmp_path.glob("samples/*.npz")}
    assert len(contents) == 1  # no time of day in it: a resumed run writes the same file


def test_samples_are_whole_or_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder(tmp_path, tensorboard=False)
    folder.keep("00000007", {"x": numpy.ones(3)})
    before = (tmp_path / "samples" / "00000007.npz").read_bytes()

    def fail(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("mine_cli.results.files.os.fsync", fail)
    for name in ("00000007", "00000014"):
        with pytest.raises(RunFailed, match=rf"^cannot write .*{name}\.npz: No space left"):
            folder.keep(name, {"x": numpy.zeros(1000)})
    folder.close()
    assert os.listdir(tmp_path / "samples") == ["00000007.npz"]
    assert (tmp_path / "samples" / "00000007.npz").read_bytes() == before


# result.json


def test_json_is_strict(tmp_path: Path) -> None:
    value = {
        "nan": math.nan,
        "infinite": [math.inf, -math.inf, 1.0],
        "numpy": numpy.float32(0.5),
        "array": numpy.array([1.0, numpy.nan]),
        "torch": torch.tensor(2.5),
        "tensor": torch.tensor([1, 2]),
        "tuple": (1, None, True),
        "path": Path("a") / "b",
        "µ": "±",
    }
    write_json(tmp_path / "result.json", value)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    found = json.loads((tmp_path / "result.json").read_text("utf-8"), parse_constant=refuse)
    assert found == {
        "nan": None,
        "infinite": [None, None, 1.0],
        "numpy": 0.5,
        "array": [1.0, None],
        "torch": 2.5,
        "tensor": [1, 2],
        "tuple": [1, None, True],
        "path": str(Path("a") / "b"),
        "µ": "±",
    }
    assert read_json(tmp_path / "result.json") == found
    assert found["tuple"][2] is True


def test_json_is_whole_or_as_before(tmp_path: Path, full_disk: None) -> None:
    path = tmp_path / "result.json"
    path.write_text('{"estimate": 1.0}')
    with pytest.raises(RunFailed, match=r"^cannot write .*result\.json: No space left"):
        write_json(path, {"estimate": 2.0})
    assert read_json(path) == {"estimate": 1.0}
    assert os.listdir(tmp_path) == ["result.json"]


# Where a result comes from

CONFIGURATION = {
    "seed": 0,
    "data_dir": "data",
    "units": "nats",
    "resume": None,
    "dry_run": False,
    "dataset": {"_target_": "mine_cli.data.arrays.Arrays", "path": "a.npz", "categorical": []},
    "network": {"_target_": "mine_cli.networks.MLP", "widths": [100, 100]},
    "trainer": {
        "steps": 10,
        "device": "cpu",
        "log_every": 5,
        "progress": True,
        "dtype": "float32",
    },
}


def changed(group: str, key: str, value: object) -> dict[str, Any]:
    if not group:
        return CONFIGURATION | {key: value}
    return CONFIGURATION | {group: CONFIGURATION[group] | {key: value}}


@pytest.mark.parametrize(
    ("group", "key", "value"),
    [
        ("", "data_dir", "elsewhere"),
        ("", "units", "bits"),
        ("", "resume", "outputs/x"),
        ("", "dry_run", True),
        ("dataset", "path", "b.npz"),
        ("trainer", "device", "cuda:1"),
        ("trainer", "progress", False),
        ("trainer", "log_every", 7),
    ],
)
def test_fingerprint_ignores_where_and_how_shown(group: str, key: str, value: object) -> None:
    assert fingerprint(changed(group, key, value)) == fingerprint(CONFIGURATION)


@pytest.mark.parametrize(
    ("group", "key", "value"),
    [
        ("", "seed", 1),
        ("dataset", "categorical", ["a"]),
        ("network", "widths", [100, 101]),
        ("trainer", "steps", 11),
        ("trainer", "dtype", "bfloat16"),
    ],
)
def test_fingerprint_tells_what_changes_the_numbers(group: str, key: str, value: object) -> None:
    assert fingerprint(changed(group, key, value)) != fingerprint(CONFIGURATION)


def test_fingerprint_is_of_contents_not_of_names(tmp_path: Path) -> None:
    for name, content in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / name).write_text(content)
    a, b, c = (fingerprint(CONFIGURATION, [tmp_path / name]) for name in "abc")
    assert a == b
    assert len({fingerprint(CONFIGURATION), a, c}) == 3


def test_fingerprint_covers_a_users_own_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "own_network_of_this_test.py"
    source.write_text("class Net:\n    width = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    cfg = CONFIGURATION | {"network": {"_target_": "own_network_of_this_test.Net"}}
    before = fingerprint(cfg)
    assert fingerprint(cfg) == before
    source.write_text("class Net:\n    width = 2\n")
    assert fingerprint(cfg) != before


def test_data_have_a_fingerprint_of_their_own(tmp_path: Path) -> None:
    """That of everything changes with the steps, which a resumed run may change."""
    (tmp_path / "a").write_text("1")
    file = [tmp_path / "a"]
    longer = changed("trainer", "steps", 11)
    assert fingerprints(longer, file)[0] != fingerprints(CONFIGURATION, file)[0]
    assert fingerprints(longer, file)[1] == fingerprints(CONFIGURATION, file)[1]
    assert fingerprints(CONFIGURATION)[1] != fingerprints(CONFIGURATION, file)[1]
    assert fingerprints(CONFIGURATION)[1] != fingerprints(CONFIGURATION | {"memory": "1"})[1]


def test_fingerprint_of_a_target_that_cannot_be_imported() -> None:
    cfg = CONFIGURATION | {"network": {"_target_": "no_such_module.Net"}}
    assert len(fingerprint(cfg)) == 64


def test_versions_name_what_a_result_depends_on() -> None:
    found = versions()
    assert set(found) == {"python", "torch", "numpy", "hydra-core", "omegaconf", "mine-run"}
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["numpy"] == numpy.__version__


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_commit_of_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "package" / "provenance.py"
    module.parent.mkdir()
    module.write_text("")
    monkeypatch.setattr(provenance, "__file__", str(module))
    assert commit() is None
    git(tmp_path, "init")
    git(tmp_path, "commit", "--allow-empty", "-m", "somebody else's")
    assert commit() is None  # in a repository that does not hold the package
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "ours")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert commit() == head
    module.write_text("changed")
    assert commit() == f"{head}+dirty"
    monkeypatch.setenv("PATH", "")
    assert commit() is None


def test_peak_memory_is_of_cuda_alone() -> None:
    assert peak_memory("cpu") is None


def test_results_are_read_without_torch() -> None:
    program = (
        "import sys, mine_cli.results.folder, mine_cli.figures; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# The summary

RESULT: dict[str, Any] = {
    "task": "mi-estimate",
    "status": "ok",
    "estimate": 1.0153,
    "standard_error": 0.0071,
    "lower_bound": 1.012,
    "true_mi": 1.0217,
    "true_mi_note": "closed form",
    "error": -0.0064,
    "fit_value": 1.02,
    "fold_sd": None,
    "effective_sample_size": 2000.0,
    "marginal_pairs": 1_000_000,
    "dataset": {"_target_": "mine_cli.data.gaussian.Gaussian", "dim": 2, "rho": 0.8, "n": None},
    "network": "mlp",
    "bound": "mine",
    "marginals": "derangement",
    "seed": 0,
    "steps": 3000,
    "seconds": 4.2,
    "steps_per_second": 912.0,
    "device": "cpu",
    "dtype": "float32",
    "references": {
        "ksg": {"estimate": 1.0188, "note": "k = 3"},
        "gaussian": {"estimate": None, "note": "skipped: categorical columns"},
    },
}


def test_summary_says_what_was_found() -> None:
    text = summary(RESULT, "nats", "outputs/run")
    for part in (
        "Gaussian dim=2 rho=0.8, mlp, mine, derangement",
        "1.0153 ± 0.0071 nats   status: ok; ± one standard error\n",
        "-0.0064",
        "skipped: categorical columns",
        "912 steps/s",
        "tensorboard --logdir outputs/run",
    ):
        assert part in text
    assert max(map(len, text.splitlines())) <= 100


def test_summary_counts_the_rows_and_those_that_were_left_out() -> None:
    assert "rows read" not in summary(RESULT)
    whole = summary(RESULT | {"rows": {"read": 3000, "used": 3000, "gaps": {}}})
    assert "rows read        3,000\n" in whole
    lacking = {"read": 3000, "used": 2940, "gaps": {"age": 40, "cell_type": 30}}
    text = summary(RESULT | {"rows": lacking})
    assert re.search(r"rows read        3,000 +60 left out, with a gap\n", text)
    assert "no value: age in 40, cell_type in 30" in text


def test_summary_aligns_decimal_points() -> None:
    lines = summary(RESULT).splitlines()
    shown = [line for line in lines if "1.0153" in line or "1.0217" in line or "-0.0064" in line]
    assert len({line.index(".") for line in shown}) == 1
    assert len(shown) == 3


def test_summary_in_bits_divides_by_log_2_and_says_so() -> None:
    text = summary(RESULT, "bits")
    assert f"{1.0153 / math.log(2):.4f} ± {0.0071 / math.log(2):.4f} bits" in text
    assert f"{1.0188 / math.log(2):.4f}" in text
    assert "Shown in bits" in text
    assert per_nat("nats") == 1.0


@pytest.mark.parametrize(
    ("estimate", "error", "ksg", "told"),
    [
        (0.07, 0.001, 0.58, True),
        (1.02, 0.007, 1.05, False),
        (0.5, 0.3, 1.1, False),  # not sure enough itself
        (6.0, 0.02, 6.5, False),  # KSG is not that exact either
        (1.2, 0.01, 0.4, False),
        (None, None, 1.0, False),
    ],
)
def test_summary_says_where_a_reference_finds_much_more(
    estimate: float | None, error: float | None, ksg: float, told: bool
) -> None:
    numbers = {"estimate": estimate, "standard_error": error}
    references = {"references": {"ksg": {"estimate": ksg, "note": "k = 3"}}}
    text = summary(RESULT | numbers | references)
    assert ("More than the estimate" in text) == told


@pytest.mark.parametrize("status", list(STATUS_ADVICE))
def test_summary_explains_every_status_but_ok(status: str) -> None:
    text = " ".join(summary(RESULT | {"status": status}).split())
    assert STATUS_ADVICE[status] in text
    assert STATUS_ADVICE[status] not in " ".join(summary(RESULT).split())


@pytest.mark.parametrize("unknown", [None, math.nan, math.inf])
def test_summary_prints_no_nan_and_no_none(unknown: float | None) -> None:
    numbers = {k: unknown for k, v in RESULT.items() if isinstance(v, float) or v is None}
    broken = {"status": "diverged", "references": {"ksg": {"estimate": unknown, "note": None}}}
    text = summary(RESULT | numbers | broken | {"marginal_pairs": unknown})
    assert "unknown" in text
    for word in ("nan", "None", "inf "):
        assert word not in text


def test_summary_names_the_folder_as_seen_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "tensorboard --logdir 'my runs/1'" in summary(RESULT, folder=tmp_path / "my runs" / "1")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert f"tensorboard --logdir {tmp_path}\n" in summary(RESULT, folder=tmp_path) + "\n"


def test_summary_shows_warnings() -> None:
    text = summary(RESULT | {"warnings": ["column 3 of x is constant"], "note": "stopped"})
    assert "! column 3 of x is constant" in text
    assert "! stopped" in text


GENERATED: dict[str, Any] = {
    "task": "gan",
    "status": "ok",
    "estimate": 3.2188,
    "true_mi": None,
    "true_mi_note": INFINITE,
    "dataset": {"_target_": "mine_cli.data.mixtures.GaussianGrid", "side": 5, "sigma": 0.05},
    "gan": {"beta": 0.5},
    "metrics": {
        "modes": 24.0, "modes_there": 25, "high_quality": 0.6132, "kl": 0.0312, "js": 0.0071,
        "kl_high_quality": 0.0544, "kl_floor": 0.0048, "confidence": None,
        "estimate_status": "at_ceiling", "samples": 2500,
    },
}  # fmt: skip


def shown(result: dict[str, Any], units: str = "nats") -> dict[str, str]:
    """The summary's rows by their labels."""
    rows = [line.split(None, 1) for line in summary(result, units).splitlines() if line.strip()]
    return {row[0]: row[-1] for row in rows}


def test_summary_of_a_generator_says_what_its_samples_are_worth() -> None:
    found = shown(GENERATED)
    assert found["gan:"] == "GaussianGrid side=5 sigma=0.05"
    assert " ".join(found["status"].split()) == "ok with the information in its code, beta 0.5"
    assert found["modes"] == "24 of 25"
    text = summary(GENERATED)
    lines = text.splitlines()
    assert any("high quality" in line and "61.3 %" in line for line in lines)
    assert found["KL"].startswith("0.0312 nats")
    assert " ".join(found["its"].split()).startswith("floor 0.0048 nats")
    assert found["JS"].startswith("0.0071 nats")
    assert "confidence" not in text
    assert max(map(len, lines)) <= 100


def test_summary_of_a_generator_reports_the_information_as_a_diagnostic() -> None:
    said = " ".join(shown(GENERATED)["information"].split())
    assert said == "3.2188 nats a diagnostic (at_ceiling); the truth is infinite"
    said = shown(GENERATED | {"true_mi_note": NOT_KNOWN})["information"]
    assert said.endswith("; the truth is not known")
    assert "estimate " not in summary(GENERATED)
    assert "true MI" not in summary(GENERATED)


def test_summary_of_the_twin_has_no_information() -> None:
    twin = GENERATED | {"gan": {"beta": 0.0}, "estimate": None}
    assert "beta 0: without it" in shown(twin)["status"]
    assert "information" not in shown(twin)


def test_summary_of_a_generator_in_bits() -> None:
    text = summary(GENERATED, "bits")
    assert f"{0.0312 / math.log(2):.4f} bits" in text
    assert f"{3.2188 / math.log(2):.4f} bits" in text
    assert "Shown in bits" in text
    assert "nats" not in text.replace("are in nats", "")


@pytest.mark.parametrize("status", ["collapsed", "diverged"])
def test_summary_of_a_generator_that_failed(status: str) -> None:
    nothing = {"metrics": {}, "estimate": None} if status == "diverged" else {}
    text = " ".join(summary(GENERATED | {"status": status} | nothing).split())
    assert f"status {status}" in text
    assert STATUS_ADVICE[status] in text
    assert "None" not in text


def test_summary_of_images_tells_the_classifier_s_confidence() -> None:
    metrics = {"modes": 997.0, "modes_there": 1000, "kl": 0.05, "confidence": 0.951}
    text = summary(GENERATED | {"metrics": metrics})
    assert "997 of 1,000" in text
    assert "95.1 %" in text
    assert "high quality" not in text


def test_summary_of_a_classifier() -> None:
    result = {
        "task": "classifier", "status": "ok", "classifier": "cache/classifier_mnist.pt",
        "metrics": {"accuracy": 0.99314, "loss": 0.02, "test_images": 10_000},
    }  # fmt: skip
    found = shown(result)
    assert " ".join(found["accuracy"].split()) == "99.31 % status: ok on 10,000 test images"
    assert " ".join(found["kept"].split()) == "as cache/classifier_mnist.pt"
    bad = result | {"status": "inaccurate"}
    text = " ".join(summary(bad).split())
    assert "99.31 % status: inaccurate on 10,000 test images" in text
    assert STATUS_ADVICE["inaccurate"] in text
    assert "kept as" not in text


def test_a_bottlenecks_ends_say_which_they_are(tmp_path: Path) -> None:
    metrics = {"i_xz_reference": 9.2057, "i_xz_reference_upper": 426.0, "kl": 30.5}
    bottleneck_run(tmp_path, "vib", steps=(600,), metrics=metrics)
    text = summary(read_json(tmp_path / "result.json"))
    law = "≥ 9.2057 nats            by the encoder's own law; cannot say more than log n"
    assert f"\n  I(X; Z)        {law}\n" in text
    assert "\n  I(X; Z)        ≤ 426.0000 nats          by the same law\n" in text
    assert "\n  I(X; Z)        ≤ 30.5000 nats           by the divergence from N(0, 1)\n" in text


def test_metrics_that_are_deleted_meanwhile_come_back_whole(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, tensorboard=False)
    folder.log(1, {"a": 1.0})
    folder.metrics_csv.unlink()
    folder.log(2, {"a": 2.0})
    folder.close()
    assert folder.metrics_csv.read_text() == "step,a\n1,1.0\n2,2.0\n"


@pytest.mark.parametrize(
    "damage", [b"\xff\xfe,1.0", b"x,1.0", b"2,\xc3", b"2,one", b"-1,1.0", b"2,1.0,9", b"\0", b","]
)
def test_damaged_metrics_cost_their_own_lines_alone(
    damage: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = RunFolder(tmp_path, tensorboard=False)
    for step in (1, 2, 3):
        folder.log(step, {"a": float(step)})
    folder.close()
    lines = folder.metrics_csv.read_bytes().splitlines(keepends=True)
    lines[2] = damage + b"\n"
    folder.metrics_csv.write_bytes(b"".join(lines))
    again = RunFolder(tmp_path, resume_step=3, tensorboard=False)
    again.log(4, {"a": 4.0})
    again.close()
    assert again.metrics_csv.read_text() == "step,a\n1,1.0\n3,3.0\n4,4.0\n"
    assert f"{again.metrics_csv}: damaged lines, left out: 1" in caplog.text
