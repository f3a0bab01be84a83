"""Mutated command lines: whatever is typed is answered as promised, and nothing is written."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mine_cli.config.schemas import SECTIONS, USES, Run
from mine_cli.errors import printable
from tests.image_folders import write_images
from tests.inside import answer

TASKS = [*USES]
SUITS = {
    "infobottleneck": ["method=vib", "trainer.batch_size=50", "data_dir={images}"],
    "classifier": ["trainer.batch_size=50", "data_dir={images}"],
    "screen": ["dataset.path={images}/table.csv"],
}
GROUPS = [*SECTIONS, "experiment", "hydra/launcher", "hydra/sweeper"]
KEYS = sorted(
    {*Run.__dataclass_fields__}
    | {
        f"{section}.{key}"
        for section, options in SECTIONS.items()
        for schema in options.values()
        for key in schema.__dataclass_fields__
        if key != "_target_"
    }
    | {"hydra.sweep.subdir", "hydra.job.name", "sweep_dir", "nothing", "trainer.nothing"}
    | {"", "network@task"}
)
NUMBERS = st.one_of(
    st.integers(-3, 10**6).map(str),
    st.floats().map(str),
    st.sampled_from(["1e400", "-0", "9" * 400, "4294967296", "1000000", "0x10", "1_000", "nan"]),
)
WORDS = st.one_of(
    st.sampled_from(
        [
            "null", "true", "false", "", "[]", "[1,2]", "[a,b]", "{}", "{a:1}", "mlp", "mine",
            "cpu", "${nope}", "${seed}", "${task.nope}", "${oc.env:NOPE}", "???", "a,b", "1,2",
            "range(3)", "interval(0,1)", "glob(*)", "'a b'", '"', "'", "[", "..", "../x", "/",
            "a=b", "groups:", "groups:a", "blocks", "cuda:99", "mps", "nats", "groups:a,b",
        ]
    ),
    st.text(max_size=12).filter(lambda text: "\x00" not in text),
)  # fmt: skip
VALUES = st.one_of(NUMBERS, WORDS)


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """A command of some task with a few words changed, added or broken."""
    task = draw(st.sampled_from(TASKS))
    words = [f"task={task}", "trainer=smoke", *SUITS.get(task, [])]
    for _ in range(draw(st.integers(1, 2))):
        key = draw(st.one_of(st.sampled_from(KEYS), st.sampled_from(GROUPS)))
        kind = draw(st.sampled_from(["", "", "", "", "+", "++", "~", "word", "flag"]))
        if kind == "word":
            words.append(draw(st.text(max_size=12).filter(lambda t: t.strip() and t[0] != "-")))
        elif kind == "flag":
            words.insert(draw(st.integers(0, len(words))), "--multirun")
        elif kind == "~":
            words.append(f"~{key}")
        else:
            words.append(f"{kind}{key}={draw(VALUES)}")
    return [*words, "dry_run=true"]


def check(arguments: list[str], images: Path) -> None:
    arguments = [word.replace("{images}", str(images)) for word in arguments]
    code, out, err = answer(arguments)
    said = f"{arguments}: exit {code}\n{out}\n{err}"
    assert code in (0, 2), said
    assert "Traceback" not in err, said
    assert '  File "' not in err, said
    if code == 2:
        lines = err.splitlines()
        assert lines, said
        assert all(line.startswith("mine-run: ") for line in lines), said
        assert max(map(len, lines)) < 1000, said
        assert any(named(word) in err for word in arguments), said
    else:
        assert "othing was written" in out, said
    assert not list(Path.cwd().iterdir()), said


def named(word: str) -> str:
    """What a message says of a word: the last part of its key, or the word itself."""
    key = word.partition("=")[0].lstrip("+~")
    return printable(key.rpartition(".")[2].rpartition("/")[2])[:40]


ANY = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    write_images(folder)
    (folder / "table.csv").write_text("age,dose,site\n" + "41,0.5,a\n37,0.1,b\n52,0.9,a\n" * 40)
    return folder


@given(arguments=command_lines())
@settings(ANY, max_examples=50)
def test_a_few_mutated_command_lines(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    images: Path,
    arguments: list[str],
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("desk"))
    check(arguments, images)


@pytest.mark.slow
@given(arguments=command_lines())
@settings(ANY, max_examples=200)
def test_mutated_command_lines(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    images: Path,
    arguments: list[str],
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("desk"))
    check(arguments, images)


@pytest.mark.long
@pytest.mark.parametrize("quarter", range(4))
@given(arguments=command_lines())
@settings(ANY, max_examples=2_500, derandomize=False, database=None)
def test_ten_thousand_mutated_command_lines(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    images: Path,
    quarter: int,
    arguments: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    check(arguments, images)
