"""The README does what it says: its commands compose, its Python runs, its tables are complete."""

import json
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ValueType
from omegaconf import DictConfig

from mine_cli.api import composed
from mine_cli.config.compose import conf_dir
from mine_cli.config.hydra_errors import BESIDE_KEYS
from mine_cli.config.schemas import SECTIONS, Run
from mine_cli.errors import BadInput
from mine_cli.estimator.status import NOT_OK
from mine_cli.results.summary import heading
from mine_cli.sweep.planning import but_for_seed
from mine_cli.tasks.build import dataset_of
from mine_cli.tasks.registry import checked, dry_run
from tests.options import chosen

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCES = re.findall(r"^```(\w+)\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
COMMANDS = [
    line
    for language, block in FENCES
    if language == "bash"
    for line in block.splitlines()
    if line.startswith("mine-run")
]
OPTIONS = [
    (file.parent.name, file.stem)
    for file in sorted(Path(conf_dir()).glob("*/*.yaml"))
    if file.parent.name != "hydra"
]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working directory with the files that the README speaks of."""
    folder = tmp_path_factory.mktemp("desk")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 2))
    z = x + rng.normal(size=(1000, 2))
    np.savez(folder / "my.npz", x=x, z=z)
    np.save(folder / "x.npy", x)
    np.save(folder / "z.npy", z)
    lines = [
        f"{a!r},{b!r},{c!r},{'cat' if c > 0 else 'dog'},{i // 10}"
        for i, (a, b, c) in enumerate(np.column_stack([x, z[:, 0]]).tolist())
    ]
    text = "\n".join(["height,width,weight,species,subject", *lines]) + "\n"
    (folder / "my.csv").write_text(text)
    parquet = pytest.importorskip(
        "pyarrow.parquet", reason="a command of the README reads parquet"
    )
    parquet.write_table(
        pytest.importorskip("pyarrow.csv").read_csv(folder / "my.csv"), folder / "my.parquet"
    )
    for _, block in FENCES:
        if found := re.match(r"# (own\.py|my_conf/\S+\.yaml)\n", block):
            file = folder / found[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block)
    return folder


@pytest.fixture(autouse=True)
def at_the_desk(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk)
    monkeypatch.syspath_prepend(str(desk))


def jobs(command: str) -> list[list[str]]:
    """The overrides of a command's run, or of the first and the last job of its sweep."""
    words = iter(shlex.split(command)[1:])
    given: list[str] = []
    for word in words:
        if word == "-cd":
            given.append(f"hydra.searchpath=['file://{next(words)}']")
        elif word in ("--cfg", "--info"):
            next(words)
        elif not word.startswith(
            ("-", "hydra/sweeper=", "hydra.sweeper.", "sweep_dir=")
        ):  # of an extra
            given.append(word)
    sweep = [[], []] if "-m" in command.split() else [[]]
    for override in OverridesParser.create().parse_overrides(given):
        values = [override.input_line] * 2
        if override.value_type is ValueType.GLOB_CHOICE_SWEEP:
            names = sorted(name for group, name in OPTIONS if group == override.key_or_group)
            values = [f"{override.key_or_group}={name}" for name in (names[0], names[-1])]
        elif override.is_interval_sweep():
            interval: Any = override.value()
            ends = (interval.start, interval.end)
            values = [f"{override.key_or_group}={end}" for end in ends]
        elif override.is_sweep_override():
            every = list(override.sweep_string_iterator())
            values = [f"{override.key_or_group}={value}" for value in (every[0], every[-1])]
        for job, value in zip(sweep, values, strict=False):
            job.append(value)
    return sweep


def has_images(cfg: DictConfig) -> bool:
    name = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}[cfg.dataset.name]
    return (Path(cfg.data_dir) / name / "raw").is_dir()


def can_be_built(cfg: DictConfig) -> bool:
    """Whether the images and the classifier that a data set wants are here."""
    module = cfg.dataset._target_.split(".")[-2]
    if module == "digits":
        classifier = Path(cfg.dataset.classifier).expanduser()
        return has_images(cfg) and classifier.exists()
    return module not in ("images", "labelled_images") or has_images(cfg)


def anchor(heading: str) -> str:
    """What a link to a section is called."""
    return re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")


def test_its_links_lead_to_its_sections_and_none_is_missing_at_the_top() -> None:
    links = set(re.findall(r"\]\(#([^)]*)\)", README))
    assert links <= set(map(anchor, re.findall(r"^##+ (.*)$", README, flags=re.MULTILINE)))
    top, *sections = README.split("\n## ")
    for section in sections:
        assert f"(#{anchor(section.splitlines()[0])})" in top


def test_it_has_commands() -> None:
    assert len(COMMANDS) > 25
    assert sum(language == "python" for language, _ in FENCES) >= 4


@pytest.mark.parametrize("command", [c for c in COMMANDS if "resume=" not in c])
def test_every_command_composes_and_builds(command: str) -> None:
    configurations = [composed(overrides) for overrides in jobs(command)]
    for cfg in {but_for_seed(cfg): cfg for cfg in configurations}.values():
        if can_be_built(cfg):
            assert "one forward pass ran" in dry_run(checked(cfg))


@pytest.mark.parametrize("command", [c for c in COMMANDS if "resume=" in c])
def test_every_resume_is_of_a_folder_that_it_names(command: str) -> None:
    folder = re.search(r"resume=(\S+)", command)
    assert folder is not None
    assert f"hydra.run.dir={folder[1]}\n" in README
    # Beside it stands nothing that may not change.
    from mine_cli.cli.arguments import for_hydra

    with pytest.raises(BadInput, match="no such folder"):
        for_hydra(shlex.split(command)[1:])


def test_first_screen_holds_the_two_commands_and_a_run_of_today() -> None:
    top = README.splitlines()[:40]
    assert "    pip install -e . && mine-run" in top
    assert "    pip install -e '.[dev]' && pytest" in top
    shown = next(block for language, block in FENCES if language == "text")
    cfg = composed([])
    described = {key: dict(cfg[key]) for key in ("dataset", "network", "bound", "marginals")} | {
        "task": cfg.task.name
    }
    assert shown.splitlines()[0] == heading(described)
    assert f"{cfg.trainer.steps:,} steps" in shown
    numbers = dict(re.findall(r"^  (estimate|true MI) +(-?[\d.]+)", shown, flags=re.MULTILINE))
    assert float(numbers["true MI"]) == pytest.approx(dataset_of(cfg).true_mi, abs=1e-4)
    assert float(numbers["estimate"]) == pytest.approx(float(numbers["true MI"]), abs=0.05)


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_is_in_the_table_of_groups(group: str, option: str) -> None:
    (row,) = re.findall(rf"^\| `{group}` \|([^|]*)\|", README, flags=re.MULTILINE)
    assert f"`{option}`" in row
    if group not in ("task", "trainer"):  # and in a table or list that says what it is
        named = f"{group}={option}" if group == "encoder" else option  # some are data sets as well
        assert len(re.findall(rf"^\| `{named}` \|", README, flags=re.MULTILINE)) == 1


def test_every_option_in_the_table_of_groups_is_there() -> None:
    table = README.split("## Groups")[1].split("##")[0]
    told = {
        (group, option)
        for group, row in re.findall(r"^\| `(\w+)` \|([^|]*)\|", table, flags=re.MULTILINE)
        for option in re.findall(r"`([\w-]+)`", row)
    }
    assert told == set(OPTIONS)


def test_root_keys_keys_of_parts_and_status_words_are_told() -> None:
    (told,) = re.findall(r"^Root keys: .*?\. An option", README, flags=re.DOTALL | re.MULTILINE)
    for key in {*Run.__dataclass_fields__, *BESIDE_KEYS} - SECTIONS.keys():
        assert f"`{key}`" in told, key
    for group, option in OPTIONS:
        if group in ("dataset", "network", "marginals"):  # those of models share a row
            line = next(r for r in README.splitlines() if r.startswith(f"| `{option}` |"))
            (node,) = (composed([*chosen(group, option)])[group],)
            for key in set(map(str, node)) - {"_target_"}:
                assert f"`{key}`" in line, (option, key)
    for word in (*NOT_OK, "ok"):
        assert README.count(f"| `{word}` |") == 1


@pytest.fixture(scope="module")
def space(desk: Path) -> dict[str, Any]:
    """The names after every Python block of the README has run, one after another."""
    here, threads = Path.cwd(), torch.get_num_threads()
    names: dict[str, Any] = {"kept": []}
    os.chdir(desk)
    try:
        for language, block in FENCES:
            if language == "python":
                exec(compile(block, "README.md", "exec"), names)
                names["kept"].append(names.get("found"))
    finally:
        os.chdir(here)
        torch.set_num_threads(threads)
    return names


def test_python_blocks_estimate_and_score(space: dict[str, Any], desk: Path) -> None:
    estimate = space["kept"][1]
    assert estimate.mi == pytest.approx(np.log(2), abs=0.1)
    assert space["log_ratios"].shape == (3,)
    assert (desk / "my_run" / "result.json").is_file()


def test_training_loop_measures_its_encoder(space: dict[str, Any]) -> None:
    weight = space["encoder"].weight.detach()
    truth = 0.5 * torch.logdet(torch.eye(2) + weight @ weight.T).item()
    assert space["found"].value == pytest.approx(truth, abs=0.1)
    assert space["error"].item() < 0.5  # the decoder has its column of x, which has variance 1
    loop = next(b for n, b in FENCES if n == "python" and "mi.minimise" in b)
    body = loop.split("MLP\n\n")[1].splitlines()
    assert len([line for line in body if line]) <= 20


def test_every_key_of_a_result_is_explained(space: dict[str, Any], desk: Path) -> None:
    result = json.loads((desk / "my_run" / "result.json").read_text())
    table = README.split("`result.json` is strict JSON")[1].split("| exit code |")[0]
    told = set(re.findall(r"`(\w+)`", table))
    for key in {*result, *result["metrics"], *result["references"]}:
        assert key in told, key
    first_column = re.findall(r"^\| (`[^|]*`) \|", table, flags=re.MULTILINE)
    listed = {key for cell in first_column for key in re.findall(r"`(\w+)`", cell)}
    # `note` stands in a diverged run's alone, the others in those of another task.
    others = {"note", "gan", "generator", "discriminator", "trainer", "classifier"}
    others |= {"infobottleneck", "method", "encoder"}
    assert listed - others == set(result)


def test_every_file_of_a_run_is_told(space: dict[str, Any], desk: Path) -> None:
    table = README.split("## Where files go")[1].split("`result.json` is strict JSON")[0]
    for path in (desk / "my_run").iterdir():
        assert f"`{path.name}" in table, path.name
