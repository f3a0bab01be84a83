"""What Hydra refuses, in one line that names what there is."""

import re
import tomllib
from pathlib import Path

import pytest
from hydra.errors import ConfigCompositionException, MissingConfigException

from mine_cli.api import composed
from mine_cli.config.hydra_errors import EXTRAS, refusal, wanted
from mine_cli.errors import BadInput, error_lines
from tests.program import run

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_nearest_name_is_offered_where_one_is_near() -> None:
    assert wanted("lrr", ["steps", "lr"]) == "want one of steps, lr; did you mean lr?"
    assert wanted("epochs", ["steps", "lr"]) == "want one of steps, lr"


def test_of_very_many_names_the_nearest_are_listed() -> None:
    names = [f"paper/figure_{i}" for i in range(100)]
    line = wanted("paper/figure_77a", names)
    assert line.endswith(" and 88 more, which --help lists; did you mean paper/figure_77?")
    assert "paper/figure_7, " in line
    assert len(line) < 400
    few = names[:30]
    assert wanted("zzz", few) == f"want one of {', '.join(few)}"


def test_options_in_folders_of_ones_own_are_named(tmp_path: Path) -> None:
    (tmp_path / "experiment" / "mine").mkdir(parents=True)
    (tmp_path / "experiment" / "mine" / "first.yaml").write_text("# @package _global_\nseed: 1\n")
    with pytest.raises(BadInput, match=r"mine/first, .*; did you mean mine/first\?$"):
        composed([f"hydra.searchpath=['file://{tmp_path}']", "experiment=mine/frist"])


def test_who_asks_for_a_missing_option_is_named() -> None:
    said = "In 'dataset/own': Could not find 'bound/min'\n\nAvailable options in 'bound':\n\tmine"
    stop = MissingConfigException(said, "bound/min", ["mine"])
    told = "dataset/own: bound=min: no such option; want one of mine; did you mean mine?"
    assert refusal(stop) == told


@pytest.mark.parametrize("option", EXTRAS)
def test_what_an_extra_would_bring_is_told_with_it(option: str) -> None:
    group, _, name = option.partition("=")
    said = f"Could not find '{group}/{name}'\n\nAvailable options in '{group}':\n\tbasic"
    stop = MissingConfigException(said, f"{group}/{name}", ["basic", "fused"])
    extra = EXTRAS[option]
    told = f"{option}: not installed; want one of basic, fused, or pip install 'mine-run[{extra}]'"
    assert refusal(stop) == told
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    plugin = f"hydra-{name.partition('_')[0]}-{group.removeprefix('hydra/')}"
    assert any(line.startswith(plugin) for line in project["optional-dependencies"][extra])


def test_the_folder_of_a_sweep_is_among_the_root_keys_alone() -> None:
    """On the command line it is one, though Hydra does not know it."""
    for typo in ("sweepdir=a", "+sweepdir=a"):
        with pytest.raises(
            BadInput, match=r"sweepdir: no such key; .*; did you mean sweep_dir\?$"
        ):
            composed([typo])
    for typo in ("dataset.sweepdir=a", "+dataset.sweepdir=a"):
        with pytest.raises(BadInput, match=r"dataset\.sweepdir: no such key; want") as caught:
            composed([typo])
        assert "sweep_dir" not in str(caught.value)


def test_any_refusal_is_one_line_and_another_error_is_none() -> None:
    several = ConfigCompositionException("Could not append to config.\nmore")
    assert refusal(several) == "Could not append to config."
    several.__cause__ = ValueError("no float\nfull_key: a")
    assert refusal(several) == "Could not append to config.: no float"
    missing = MissingConfigException("Primary config not found", "config")
    assert refusal(missing) == "Primary config not found"
    assert refusal(ValueError("Error merging override a=b")) is None


@pytest.mark.parametrize(
    "word", ["network=[mlp,separable]", "bound=[mine]", "trainer=[smoke,ali]"]
)
@pytest.mark.parametrize("more", [[], ["-m", "seed=1,2"]])
def test_a_group_has_one_option(word: str, more: list[str], tmp_path: Path) -> None:
    done = run(tmp_path, *more, word, "dry_run=true")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"mine-run: {word}: no such option; want one of "), line


@pytest.mark.parametrize(
    "word", ["=3", "=true", "+=3", "++=x", "=mine", "=[1]", "~=", " =1", "@=3", "~", "+@"]
)
@pytest.mark.parametrize("more", [[], ["-m"]])
def test_a_value_without_a_key(word: str, more: list[str], tmp_path: Path) -> None:
    done = run(tmp_path, word, *more, "dry_run=true")
    assert done.returncode == 2
    assert done.stderr == f"mine-run: {word}: want KEY=VALUE\n"


@pytest.mark.parametrize("word", ["network@task=3", "bound@_global_=true", "seed@task=[1]"])
def test_an_option_for_another_place_that_is_no_word(word: str, tmp_path: Path) -> None:
    done = run(tmp_path, word, "dry_run=true")
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert word in line, line


def test_resume_names_a_folder(tmp_path: Path) -> None:
    done = run(tmp_path, "resume=")
    assert (done.returncode, done.stderr) == (
        2,
        "mine-run: resume=: want the folder of an earlier run, or leave it out\n",
    )


@pytest.mark.parametrize("group", ["bound", "network", "dataset", "experiment", "hydra/launcher"])
@pytest.mark.parametrize("value", ["3", "1.5", "true", "[1,2]", "[mine,3]"])
def test_an_option_that_is_no_word_is_no_option(group: str, value: str, tmp_path: Path) -> None:
    done = run(tmp_path, f"{group}={value}")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"mine-run: {group}={value}: no such option; want one of ")
    assert not list(tmp_path.iterdir())


def test_a_sweep_over_an_option_that_is_no_word(tmp_path: Path) -> None:
    done = run(tmp_path, "-m", "bound=mine,3", "seed=0,1")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "bound=3: no such option; want one of " in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("group", ["bound", "network", "trainer"])
@pytest.mark.parametrize("value", ["range(3)", "range(1,5,2)", "interval(0,1)"])
def test_options_are_no_range(group: str, value: str, tmp_path: Path) -> None:
    done = run(tmp_path, "-m", f"{group}={value}", "dry_run=true")
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"mine-run: {group}={value}: no such option; want one of ")


@pytest.mark.parametrize(
    "word",
    ["dataset.rho=interval(0.1,0.9)", "task.nothing=interval(0,1)", "seed=tag(a,interval(0,1))"],
)
def test_an_interval_without_a_search(word: str, tmp_path: Path) -> None:
    done = run(tmp_path, "-m", "trainer.steps=5", word)
    assert done.returncode == 2
    assert done.stderr == (
        f"mine-run: {word}: only a search takes an interval; want hydra/sweeper=optuna\n"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "word",
    ["dataset.seed=${nope}", "trainer.compile=${nope}", "seed=${task.nope}", "folds=${oc.env:NO}",
     "dataset.rho=${nope:1}", "hydra.run.dir=${nope}", "task.fractions=[${a},0.5,0.5]",
     "trust=${nope}", "dry_run=${nope}", "units=${seed.nope}", "+hydra/sweeper=${nope}",
     "hydra/output=${nope}", "network=${nope}", "hydra.job.name=${nope}"],
)  # fmt: skip
def test_an_interpolation_that_leads_nowhere(word: str, tmp_path: Path) -> None:
    done = run(tmp_path, word)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"mine-run: {word.partition('=')[0]}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("word", ["sweep_dir=${nope}", "+hydra/launcher=${nope}", "seed=${nope}"])
def test_an_interpolation_of_a_sweep_that_leads_nowhere(word: str, tmp_path: Path) -> None:
    done = run(tmp_path, "-m", word)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert word.partition("=")[0].lstrip("+") in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("trainer.steps=" + "9" * 400, "trainer.steps=999999999...: too large a number"),
        ("trainer.lr=" + "9" * 400, "trainer.lr=999999999...: too large a number"),
        ("seed=-" + "9" * 5000, "seed=-99999999...: too large a number"),
        ("seed=" + "9" * 300, f"seed={'9' * 57}...: must lie between 0 and 2^32 - 1"),
        ("trainer.lr=1e400", "trainer.lr=inf: must be positive and finite, or null"),
        ("trainer.threads=9999", "trainer.threads=9999: must lie between 1 and 1024, or null"),
        ("trainer.threads=0", "trainer.threads=0: must lie between 1 and 1024, or null"),
    ],
)
def test_numbers_beyond_reason(word: str, said: str, tmp_path: Path) -> None:
    done = run(tmp_path, word)
    assert (done.returncode, done.stderr) == (2, f"mine-run: {said}\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_number_beyond_reason_is_told_of_though_others_are_given(
    place: int, tmp_path: Path
) -> None:
    words = ["trainer.steps=3", "trainer.steps=4"]
    words.insert(place, "trainer.steps=" + "9" * 400)
    done = run(tmp_path, *words)
    said = "mine-run: trainer.steps=999999999...: too large a number\n"
    assert (done.returncode, done.stderr) == (2, said)


@pytest.mark.parametrize("key", ["select_rows", "report_rows"])
def test_more_rows_than_memory(key: str, tmp_path: Path) -> None:
    done = run(tmp_path, f"task.{key}=4294967296000")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert re.fullmatch(
        rf"mine-run: task\.{key}=4294967296000: 68,719 GB of rows, for a memory of \d+ GB; .*",
        line,
    )
    assert not list(tmp_path.iterdir())


def test_memory_that_is_full_is_one_line() -> None:
    said = "can't allocate memory: you tried to allocate 68719476736 bytes. Error code 12"
    for stop in (RuntimeError(f"[enforce fail at alloc_cpu.cpp:1] {said}"), MemoryError()):
        (line,) = error_lines(stop)
        assert line.startswith("not enough memory")
        assert line.endswith("want fewer rows, pairs or a smaller batch")


@pytest.mark.parametrize(
    ("key", "value"),
    [("path", "true"), ("path", "1.5"), ("path", "[a,b,c]"), ("path", "[]"),
     ("x", "true"), ("categorical", "[true]"), ("test_path", "3")],
)  # fmt: skip
def test_files_and_columns_that_are_none(key: str, value: str, tmp_path: Path) -> None:
    path = [] if key == "path" else ["dataset.path=a.npz"]
    done = run(tmp_path, "dataset=arrays", *path, f"dataset.{key}={value}")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"mine-run: dataset.{key}=")
    assert ": must be a " in line


@pytest.mark.parametrize("flags", [["-m"], ["--multirun"], ["-m", "-m"]])
def test_flags_may_stand_anywhere(flags: list[str], tmp_path: Path) -> None:
    done = run(tmp_path, "seed=0,1", *flags, "trainer.lr=0", "bound=mine")
    assert done.returncode == 2
    assert all("trainer.lr=0" in line for line in done.stderr.splitlines())


def test_control_characters_are_escaped(tmp_path: Path) -> None:
    done = run(tmp_path, "split=a\x1b[31mb\x07")
    assert (done.returncode, "\x1b" in done.stderr) == (2, False)
    assert r"a\x1b[31mb\x07" in done.stderr


@pytest.mark.parametrize(
    ("word", "line"),
    [
        (
            "my.npz",
            "my.npz: want KEY=VALUE, for data of your own dataset=arrays dataset.path=my.npz",
        ),
        ("seed", "seed: want KEY=VALUE"),
        (
            "dataset.x=[a, ",
            "dataset.x=[a, : no viable alternative at input '[a, '; what has spaces",
        ),
        ("seed=0,1", "seed=0,1: several values are a sweep, mine-run -m; a list is seed=[0,1]"),
    ],
)
def test_words_that_cannot_be_read_are_told_with_what_was_meant(word: str, line: str) -> None:
    with pytest.raises(BadInput) as stop:
        composed([word])
    assert str(stop.value).startswith(line)


def test_a_folder_that_cannot_be_made_is_one_line() -> None:
    stop = FileNotFoundError(2, "No such file or directory", "/proc/x")
    assert refusal(stop) == "/proc/x: No such file or directory"
