"""The ledger: each job's status from its folder, the two tables, many writers at once."""

import csv
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, stdev

import pytest

from mine_cli.results.files import read_json, write_json
from mine_cli.results.ledger import Ledger
from tests.sweep_folders import (
    estimated,
    finish,
    gaussian_sweep,
    jobs_of,
    record,
    sweep_folder,
    truth_of,
)

GRID = {"bound": ["mine", "mine_f"], "dataset.rho": [0.5, 0.9], "seed": [0, 1, 2]}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_job_is_what_its_folder_says(tmp_path: Path) -> None:
    ended = {1: "failed", 2: "running", 3: "pending", 4: "diverged", 5: "high_variance"}
    ledger = Ledger(gaussian_sweep(tmp_path / "sweep", GRID, ended))
    words = ["ok", "failed", "interrupted", "pending", "diverged", "high_variance", *["ok"] * 6]
    assert [row.status for row in ledger.rows] == words
    assert [row.job for row in ledger.of("failed", "pending")] == [1, 3]
    assert ledger.rows[1].complaint == "RuntimeError: OWN_FLAG is not set"
    assert ledger.rows[4].complaint == "the loss is not finite at step 40"
    assert ledger.rows[1].log == tmp_path / "sweep" / "1" / "mine-run.log"
    assert (ledger.rows[0].seconds, ledger.rows[2].seconds) == (12.5, None)


def test_a_result_beats_what_the_job_said_of_itself(tmp_path: Path) -> None:
    sweep = sweep_folder(tmp_path / "sweep", jobs_of({"seed": [0, 1, 2]}))
    finish(sweep / "0", "collapsed", task="gan")
    record(sweep / "0", "failed", "the disk was full")
    write_json(sweep / "1" / "result.json", {"status": "running"})
    record(sweep / "1", "interrupted")
    (sweep / "2" / ".hydra").mkdir(parents=True)
    assert [row.status for row in Ledger(sweep).rows] == ["collapsed", "interrupted", "pending"]


def test_results_have_a_line_for_each_job(tmp_path: Path) -> None:
    sweep = gaussian_sweep(tmp_path / "sweep", GRID, {4: "failed"})
    Ledger(sweep).write()
    rows = rows_of(sweep / "results.csv")
    assert list(rows[0]) == [
        "job", "bound", "dataset.rho", "seed", "status", "estimate", "standard_error", "p_value",
        "true_mi",
        "error", "seconds", "metrics.report_rows", "metrics.negatives", "task", "folder",
    ]  # fmt: skip
    assert [row["job"] for row in rows] == [str(number) for number in range(12)]
    found = read_json(sweep / "7" / "result.json")
    assert (rows[7]["bound"], rows[7]["dataset.rho"]) == ("mine_f", "0.5")
    assert float(rows[7]["estimate"]) == found["estimate"]
    assert float(rows[7]["true_mi"]) == truth_of(0.5)
    assert (rows[7]["seconds"], rows[7]["metrics.negatives"]) == ("12.5", "100")
    failed = [rows[4][key] for key in ("bound", "dataset.rho", "seed", "status", "estimate")]
    assert failed == ["mine", "0.9", "1", "failed", ""]


def test_the_summary_averages_over_seeds(tmp_path: Path) -> None:
    ended = {3: "failed", 4: "diverged", 7: "high_variance"}
    sweep = gaussian_sweep(tmp_path / "sweep", GRID, ended)
    Ledger(sweep).write()
    rows = rows_of(sweep / "summary.csv")
    assert [(row["bound"], row["dataset.rho"]) for row in rows] == [
        ("mine", "0.5"), ("mine", "0.9"), ("mine_f", "0.5"), ("mine_f", "0.9"),
    ]  # fmt: skip
    assert [row["n"] for row in rows] == ["3"] * 4
    assert [row["n_ok"] for row in rows] == ["3", "1", "2", "3"]
    assert [row["n_averaged"] for row in rows] == ["3", "1", "3", "3"]
    assert rows[1]["statuses"] == "1 failed, 1 diverged, 1 ok"
    estimates = [estimated(job)["estimate"] for job in jobs_of(GRID)]
    assert float(rows[2]["estimate_mean"]) == pytest.approx(mean(estimates[6:9]))
    assert float(rows[2]["estimate_sd"]) == pytest.approx(stdev(estimates[6:9]))
    assert float(rows[1]["estimate_mean"]) == estimates[5]
    assert rows[1]["estimate_sd"] == ""
    own = [estimated(job)["standard_error"] for job in jobs_of(GRID)]
    assert float(rows[1]["estimate_se"]) == own[5]
    over = max(stdev(estimates[6:9]), own[6]) / 3**0.5
    assert float(rows[2]["estimate_se"]) == pytest.approx(over)
    assert rows[0]["metrics.negatives_mean"] == "100.0"


def test_trials_that_a_search_repeats_are_no_seeds(tmp_path: Path) -> None:
    jobs = jobs_of({"bound": ["dv", "mine"], "seed": [0, 1]})
    sweep = sweep_folder(tmp_path / "sweep", [*jobs, jobs[0], jobs[0]])
    for number, estimate in enumerate((0.1, 0.3, 0.5, 0.7, 0.1, 0.1)):
        finish(sweep / str(number), seed=(number % 2) * (number < 4), estimate=estimate)
    Ledger(sweep).write()
    dv, _ = rows_of(sweep / "summary.csv")
    assert (dv["n"], dv["n_averaged"], dv["statuses"]) == ("4", "2", "4 ok")
    assert float(dv["estimate_mean"]) == pytest.approx(0.2)
    assert float(dv["estimate_sd"]) == pytest.approx(stdev([0.1, 0.3]))


def test_a_seed_that_refers_to_something_is_what_the_result_says(tmp_path: Path) -> None:
    sweep = sweep_folder(tmp_path / "sweep", [{"seed": "${hydra:job.num}"}] * 2)
    for number in range(2):
        finish(sweep / str(number), seed=number, estimate=0.5)
    assert [row.seed for row in Ledger(sweep).rows] == ["0", "1"]


def test_what_diverged_has_a_truth_all_the_same(tmp_path: Path) -> None:
    sweep = sweep_folder(tmp_path / "sweep", jobs_of({"bound": ["mine", "dv"], "seed": [0, 1]}))
    for number, status in enumerate(["ok", "ok", "diverged", "diverged"]):
        finish(sweep / str(number), status=status, estimate=0.5, true_mi=0.6)
    for setting in Ledger(sweep).settings:
        assert setting.mean("true_mi") == 0.6
        assert (setting.mean("estimate") is None) == (setting.values["bound"] == "dv")


def test_what_all_jobs_share_is_not_swept(tmp_path: Path) -> None:
    jobs = [
        {"trainer": "smoke", "+note": "'a b'", "bound": "mine", "seed": 0},
        {"trainer": "smoke", "+note": "c", "bound": "mine", "seed": 1},
        {"trainer": "smoke", "bound": "mine", "seed": 2},
    ]
    ledger = Ledger(sweep_folder(tmp_path / "sweep", jobs))
    assert ledger.keys == ["note"]
    assert [setting.values for setting in ledger.settings] == [
        {"note": "a b"}, {"note": "c"}, {"note": None},
    ]  # fmt: skip


def test_without_a_list_the_jobs_are_the_folders(tmp_path: Path) -> None:
    jobs = [{"bound": "mine", "trainer.lr": 0.001 * k} for k in range(1, 13)]
    sweep = sweep_folder(tmp_path / "sweep", jobs, listed=False)
    for number in range(12):
        hydra = sweep / str(number) / ".hydra"
        hydra.mkdir(parents=True)
        lines = [f"- {key}={value}\n" for key, value in jobs[number].items()]
        (hydra / "overrides.yaml").write_text("".join(lines))
        record(sweep / str(number), "running")
    (sweep / "figures").mkdir()
    ledger = Ledger(sweep)
    assert [row.name for row in ledger.rows] == [str(number) for number in range(12)]
    assert ledger.keys == ["trainer.lr"]
    (sweep / "sweep.json").unlink()
    assert len(Ledger(sweep).rows) == 12


def test_a_sweep_that_has_not_begun(tmp_path: Path) -> None:
    sweep = sweep_folder(tmp_path / "sweep", [], listed=False)
    Ledger(sweep).write()
    assert rows_of(sweep / "results.csv") == []
    assert Ledger(tmp_path / "nowhere").rows == []


def test_tables_are_the_same_again(tmp_path: Path) -> None:
    sweep = gaussian_sweep(tmp_path / "sweep", GRID, {2: "failed"})
    tables = (sweep / "results.csv", sweep / "summary.csv")
    Ledger(sweep).write()
    first = [path.read_bytes() for path in tables]
    Ledger(sweep).write()
    assert [path.read_bytes() for path in tables] == first


def test_many_write_at_once(tmp_path: Path) -> None:
    sweep = gaussian_sweep(tmp_path / "sweep", GRID)
    Ledger(sweep).write()
    whole = (sweep / "results.csv").read_bytes()
    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(Ledger(sweep).write) for _ in range(80)]:
            done.result()
    assert (sweep / "results.csv").read_bytes() == whole
    assert list(sweep.glob(".*.tmp")) == []


def test_hundreds_of_jobs_take_no_time(tmp_path: Path) -> None:
    grid = {"bound": ["mine", "mine_f"], "dataset.rho": [k / 14 for k in range(1, 14)]}
    sweep = gaussian_sweep(tmp_path / "sweep", grid | {"seed": list(range(10))})
    start = time.process_time()
    Ledger(sweep).write()
    assert time.process_time() - start < 0.5


def test_neither_torch_nor_matplotlib(tmp_path: Path) -> None:
    sweep = gaussian_sweep(tmp_path / "sweep", {"seed": [0, 1]})
    code = (
        "import sys; from pathlib import Path; from mine_cli.results.ledger import Ledger; "
        "from mine_cli.results.sweep_table import table; "
        f"ledger = Ledger(Path({str(sweep)!r})); ledger.write(); table(ledger); "
        "assert not {'torch', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
