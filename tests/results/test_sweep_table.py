"""The table of a sweep: readable for few jobs and for many, failures named, what to type next."""

import shutil
from pathlib import Path

import pytest

from mine_cli import figures
from mine_cli.results import sweep_table
from mine_cli.results.files import write_json
from mine_cli.results.ledger import Ledger
from mine_cli.results.metrics import METRICS
from mine_cli.tasks.registry import EXPERIMENTS
from tests.bottleneck_folders import bottleneck_run
from tests.gan_folders import points_run
from tests.sweep_folders import finish, gaussian_sweep, jobs_of, record, sweep_folder

RHOS = [round(k / 14, 2) for k in range(1, 14)]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are shown relative to the sweep's parent."""
    monkeypatch.chdir(tmp_path)


def test_a_line_for_each_job(tmp_path: Path) -> None:
    sweep = gaussian_sweep(tmp_path / "sweep", {"bound": ["mine", "dv"]}, {1: "at_ceiling"})
    head, empty, titles, mine, dv, note, *rest = sweep_table.table(Ledger(sweep)).splitlines()
    assert head == "sweep of 2 jobs: 1 ok, 1 at_ceiling"
    assert empty == ""
    names = "job bound estimate (nats) true MI (nats) error (nats) seconds status"
    assert " ".join(titles.split()) == names
    assert mine.split()[:2] == ["0", "mine"]
    assert " ± 0.0151 " in mine
    assert dv.split()[-2:] == ["12.5", "at_ceiling"]
    assert note == "  ± one standard error"
    assert rest == []  # no files as yet


def test_p_values_stand_where_jobs_have_them_and_no_seeds_are_averaged(tmp_path: Path) -> None:
    sweep = sweep_folder(tmp_path / "sweep", jobs_of({"dataset.x": ["a", "b", "c"]}))
    for number, p in enumerate((0.001, 0.25, None)):
        finish(sweep / str(number), estimate=0.1, p_value=p, least_p_value=0.001)
    titles, *lines = sweep_table.table(Ledger(sweep)).splitlines()[2:6]
    assert titles.split()[-3:] == ["p-value", "seconds", "status"]
    end = titles.index("p-value") + len("p-value")
    assert [line[:end].split()[-1] for line in lines[:2]] == ["0.001", "0.250"]
    assert "≤ 0.001" in lines[0]
    assert "≤" not in lines[1]
    assert lines[2].split()[-2:] == ["12.5", "ok"]
    page = figures.report_of_sweep(sweep)
    assert page is not None
    assert "≤ 0.001" in page.read_text(encoding="utf-8")
    seeds = sweep_folder(tmp_path / "seeds", jobs_of({"seed": [0, 1]}))
    for number in range(2):
        finish(seeds / str(number), seed=number, estimate=0.1, p_value=0.2)
    assert "p-value" not in sweep_table.table(Ledger(seeds))


def test_numbers_stand_in_columns(tmp_path: Path) -> None:
    grid = {"bound": ["mine", "infonce"], "dataset.dim": [1, 20]}
    lines = sweep_table.table(
        Ledger(gaussian_sweep(tmp_path / "sweep", grid, {0: "failed"}))
    ).splitlines()
    points = [line.index("±") for line in lines[4:7]]
    assert len(set(points)) == 1
    assert lines[2].index("status") == lines[3].index("failed")


def test_errors_have_their_sign(tmp_path: Path) -> None:
    sweep = sweep_folder(tmp_path / "sweep", jobs_of({"bound": ["mine", "dv", "smile"]}))
    for number, error in enumerate((0.01234, -0.2, 3e7)):
        finish(sweep / str(number), estimate=0.5 + error, true_mi=0.5, error=error)
    lines = sweep_table.table(Ledger(sweep)).splitlines()[3:6]
    assert [line.split()[4] for line in lines] == ["+0.0123", "-0.2000", "+3e+07"]
    assert [line.split()[2] for line in lines] == ["0.5123", "0.3000", "3e+07"]


def test_a_line_for_each_setting_where_seeds_differ(tmp_path: Path) -> None:
    grid = {"bound": ["mine", "mine_f"], "seed": [0, 1, 2]}
    table = sweep_table.table(Ledger(gaussian_sweep(tmp_path / "sweep", grid, {4: "running"})))
    lines = table.splitlines()
    assert "seconds" not in lines[2]
    assert lines[3].split()[:2] == ["mine", "3"]
    assert lines[3].endswith("3 ok")
    assert lines[4].split()[:4] == ["mine_f", "2", "of", "3"]
    assert lines[4].endswith("2 ok, 1 interrupted")
    assert lines[5] == "  ± one standard error over seeds, or by the jobs' own where that is more"
    assert "go on with it    mine-run resume=sweep" in table


def test_trials_that_a_search_repeats_are_lines_and_no_seeds(tmp_path: Path) -> None:
    twice = [{"bound": bound} for bound in ("mine", "dv", "mine")]
    sweep = sweep_folder(tmp_path / "sweep", twice)
    for number in range(3):
        finish(sweep / str(number), seed=0, estimate=0.5, standard_error=0.01)
    table = sweep_table.table(Ledger(sweep))
    assert [line.split()[:2] for line in table.splitlines()[3:6]] == [
        ["0", "mine"], ["1", "dv"], ["2", "mine"],
    ]  # fmt: skip
    assert "seeds" not in table
    other = sweep_folder(tmp_path / "other", [{"seed": seed} for seed in (0, 1, 0)])
    for number in range(3):
        finish(other / str(number), seed=number % 2, estimate=0.5 + number % 2)
    lines = sweep_table.table(Ledger(other)).splitlines()
    assert lines[3].split()[:6] == ["2", "of", "3", "1.0000", "±", "0.5000"]
    assert lines[4:6] == [
        "  ± one standard error over seeds",
        "  of jobs that share their seed as well one is averaged",
    ]


def test_many_jobs_are_cut(tmp_path: Path) -> None:
    grid = {"bound": ["mine", "mine_f"], "dataset.rho": RHOS}
    seeds = gaussian_sweep(tmp_path / "seeds", grid | {"seed": list(range(10))})
    assert len(sweep_table.table(Ledger(seeds)).splitlines()) < 33
    jobs = gaussian_sweep(tmp_path / "jobs", grid | {"dataset.dim": [2, 20]})
    lines = sweep_table.table(Ledger(jobs)).splitlines()
    assert lines[43] == "  ... and 12 more in results.csv"
    assert len(lines) < 50
    assert max(map(len, lines)) < 120


def test_failures_are_named_with_their_logs(tmp_path: Path) -> None:
    ended = {1: "failed", 3: "diverged", 4: "pending"}
    grid = {"bound": ["mine", "dv"], "seed": [0, 1, 2]}
    table = sweep_table.table(Ledger(gaussian_sweep(tmp_path / "sweep", grid, ended)))
    assert "job 1 (bound=mine seed=1) failed: RuntimeError: OWN_FLAG is not set\n" in table
    assert "\n    sweep/1/mine-run.log\n" in table
    assert "job 3 (bound=dv seed=0) diverged: the loss is not finite at step 40\n" in table
    assert "\n    sweep/3/mine-run.log\n" in table
    assert "job 4" not in table
    assert "mine-run resume=sweep" in table
    every = gaussian_sweep(
        tmp_path / "every", {"seed": range(30)}, dict.fromkeys(range(30), "failed")
    )
    assert "... and 10 more: see the column status in results.csv" in sweep_table.table(
        Ledger(every)
    )


def test_what_has_ended_is_not_gone_on_with(tmp_path: Path) -> None:
    sweep = gaussian_sweep(tmp_path / "sweep", {"seed": [0, 1]}, {1: "diverged"})
    assert "resume=" not in sweep_table.table(Ledger(sweep))
    (sweep / "sweep.png").touch()
    assert "\n  pictures         sweep/sweep.png" in sweep_table.table(Ledger(sweep))
    shutil.rmtree(sweep / "0")
    assert "resume=" in sweep_table.table(Ledger(sweep))
    (sweep / "sweep.json").unlink()  # of another sweeper, whose jobs nobody knows
    assert "resume=" not in sweep_table.table(Ledger(sweep))


def test_bits(tmp_path: Path) -> None:
    sweep = gaussian_sweep(tmp_path / "sweep", {"bound": ["mine", "dv"]})
    table = sweep_table.table(Ledger(sweep), "bits")
    assert "true MI (bits)" in table
    assert " 0.7370 " in table  # of rho = 0.8
    assert "shown in bits; results.csv and summary.csv are in nats" in table


def test_a_sweep_of_generators_shows_their_scores(tmp_path: Path) -> None:
    sweep = sweep_folder(tmp_path / "sweep", jobs_of({"task.beta": [0, 1], "seed": [0, 1]}))
    for number, (beta, modes) in enumerate([(0, 17), (0, 18), (1, 25), (1, 25)]):
        points_run(sweep / str(number), beta, number % 2, modes, steps=(1000,))
    lines = sweep_table.table(Ledger(sweep)).splitlines()
    assert lines[2].split() == [
        "task.beta",
        "n",
        "KL",
        "(nats)",
        "modes",
        "high",
        "quality",
        "(%)",
        "status",
    ]
    assert "17.5 ± 0.5" in lines[3]
    assert "25.0 ± 0 " in lines[4]
    alone = sweep_folder(tmp_path / "alone", jobs_of({"task.beta": [0, 1]}))
    for number, modes in enumerate((12, 25)):
        points_run(alone / str(number), number, 0, modes, steps=(1000,))
    lines = sweep_table.table(Ledger(alone)).splitlines()
    assert [line.split()[3] for line in lines[3:5]] == ["12", "25"]


def test_a_sweep_of_bottlenecks_shows_errors_and_information(tmp_path: Path) -> None:
    sweep = sweep_folder(tmp_path / "sweep", jobs_of({"method.beta": [0.001, 0.1]}))
    for number, beta in enumerate((0.001, 0.1)):
        bottleneck_run(sweep / str(number), "mine_gaussian", beta, steps=(0, 600))
    lines = sweep_table.table(Ledger(sweep), "bits").splitlines()
    names = ("by the term (bits)", "by the law (bits)")
    titles = ["error, samples averaged (%)", *(f"I(X;Z) {n}" for n in names), "I(Z;Y) (bits)"]
    assert "  ".join(titles) in lines[2]


def test_what_is_only_known_to_be_exceeded_says_so(tmp_path: Path) -> None:
    sweep = sweep_folder(tmp_path / "sweep", jobs_of({"method.beta": [0.01, 0.1], "seed": [0, 1]}))
    for number, (beta, upper) in enumerate([(0.01, 117), (0.01, 103), (0.1, 6.1), (0.1, 6.2)]):
        metrics = {"i_xz_reference": 9.2057 if beta < 0.1 else 5.82, "i_xz_reference_upper": upper}
        bottleneck_run(
            sweep / str(number), "mine_gaussian", beta, number % 2, steps=(600,), metrics=metrics
        )
    loose, tight = sweep_table.table(Ledger(sweep)).splitlines()[3:5]
    assert "  ≥ 9.2057 ± 0  " in loose
    assert "  5.8200 ± 0  " in tight
    assert "≥" not in tight
    assert loose.index(".2057") == tight.index(".8200")


def test_no_spread_is_rounded_to_nothing(tmp_path: Path) -> None:
    """Few test rows give seeds the same error; what differs at all is shown to differ."""
    sweep = sweep_folder(tmp_path / "sweep", jobs_of({"method.beta": [0, 0.1], "seed": [0, 1]}))
    for number, error in enumerate((0.1, 0.1, 0.1, 0.10002)):
        metrics = {"error_averaged": error}
        beta = (0, 0.1)[number // 2]
        folder = sweep / str(number)
        bottleneck_run(folder, "vib", beta, number % 2, steps=(600,), metrics=metrics)
    same, other, note = sweep_table.table(Ledger(sweep)).splitlines()[3:6]
    assert " 10.00 ± 0 " in same
    assert " 10.00 ± 0.01 " in other
    assert note == "  ± one standard error over seeds; 0: every seed gave the same"


def test_seeds_that_agree_by_chance_are_no_surer_than_their_runs(tmp_path: Path) -> None:
    sweep = sweep_folder(tmp_path / "sweep", jobs_of({"bound": ["mine"], "seed": [0, 1]}))
    for seed in range(2):
        estimate = 0.0981 + 0.00003 * seed
        finish(sweep / str(seed), seed=seed, estimate=estimate, standard_error=0.004)
    assert " 0.0981 ± 0.0028 " in sweep_table.table(Ledger(sweep))
    shutil.rmtree(sweep / "1")  # what is left has its own alone
    assert " 0.0981 ± 0.0040 " in sweep_table.table(Ledger(sweep))


def test_every_file_of_the_sweep_is_named(tmp_path: Path) -> None:
    sweep = gaussian_sweep(tmp_path / "sweep", {"bound": ["mine", "dv"]})
    for name in ("plane.csv", "results.csv", "table.png", "sweep.png"):
        (sweep / name).touch()
    assert sweep_table.table(Ledger(sweep)).splitlines()[-4:] == [
        "  results          sweep/results.csv",
        "                   sweep/plane.csv",
        "  pictures         sweep/sweep.png",
        "                   sweep/table.png",
    ]


def test_why_there_is_no_picture(tmp_path: Path) -> None:
    said = "  no sweep.png     fewer than two settings have numbers to compare"
    for number, (grid, ended, missing) in enumerate(
        [
            ({"seed": [0]}, {}, True),
            ({"bound": ["mine"], "seed": [0, 1]}, {}, False),
            ({"bound": ["mine", "dv"], "seed": [0, 1]}, {2: "failed", 3: "diverged"}, True),
        ]
    ):
        sweep = gaussian_sweep(tmp_path / f"sweep{number}", grid, ended)
        Ledger(sweep).write()
        assert (said in sweep_table.table(Ledger(sweep)).splitlines()) is missing
        assert (figures.compare_jobs(sweep) is None) is missing


def test_every_task_has_its_numbers() -> None:
    assert set(METRICS) == set(EXPERIMENTS)


def test_the_best_trial_is_named(tmp_path: Path) -> None:
    jobs = [{"bound": bound, "trainer.lr": 0.001} for bound in ("mine", "dv", "infonce")]
    sweep = sweep_folder(tmp_path / "sweep", jobs, listed=False)
    for number in range(3):
        finish(sweep / str(number), estimate=0.5)
        record(sweep / str(number), objective=[0.3, 0.2, 0.4][number])
    best = "best_params:\n  bound: dv\n  trainer.lr: 0.001\nbest_value: 0.2\n"
    (sweep / "optimization_results.yaml").write_text(f"name: optuna\n{best}")
    line = "  best trial       job 1, objective 0.2: bound=dv trainer.lr=0.001"
    assert line in sweep_table.table(Ledger(sweep)).splitlines()
    (sweep / "optimization_results.yaml").write_text("name: optuna\nsolutions: []\n")
    assert "  best trials      sweep/optimization_results.yaml" in sweep_table.table(Ledger(sweep))


def test_no_trial_is_the_best_where_none_has_an_objective(tmp_path: Path) -> None:
    sweep = sweep_folder(tmp_path / "sweep", [{"bound": "dv"}], listed=False)
    record(sweep / "0", status="failed")
    (sweep / "optimization_results.yaml").write_text(
        "best_params: {bound: dv}\nbest_value: .inf\n"
    )
    assert "  best trial       none: no trial has an objective" in sweep_table.table(Ledger(sweep))


def test_nothing_has_begun(tmp_path: Path) -> None:
    sweep = sweep_folder(tmp_path / "sweep", [], listed=False)
    assert sweep_table.table(Ledger(sweep)).startswith("sweep: no job has started\n")
    write_json(sweep / "0" / "job.json", {"status": "running"})
    assert sweep_table.table(Ledger(sweep)).startswith("sweep of 1 job: 1 interrupted\n")
