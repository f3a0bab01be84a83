"""README and docs/ do what they say: commands compose, Python runs, tables are complete."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ValueType
from omegaconf import DictConfig

from mine_cli.cli.look import looked_at
from mine_cli.config.compose import conf_dir
from mine_cli.config.hydra_errors import BESIDE_KEYS
from mine_cli.config.keys import keys_of
from mine_cli.config.schemas import SECTIONS, Run
from mine_cli.config.validation import schema_of, validate
from mine_cli.errors import BadInput
from mine_cli.estimator.status import NOT_OK
from mine_cli.results.summary import heading
from mine_cli.sweep.planning import but_for_seed
from mine_cli.tasks.build import dataset_of
from mine_cli.tasks.registry import checked, dry_run
from tests import composition
from tests.options import chosen

ROOT = Path(__file__).resolve().parent.parent
WRITTEN = {
    file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8")
    for file in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}
"""What people wrote: path -> text."""
README, TOLD = WRITTEN["README.md"], "\n".join(WRITTEN.values())
SITE = run_path(str(ROOT / "scripts" / "site_pages.py"))
FENCES = [
    (path, language, block)
    for path, text in WRITTEN.items()
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
]
COMMANDS = list(
    dict.fromkeys(
        [
            line
            for _, language, block in FENCES
            if language == "bash"
            for line in block.splitlines()
            if line.startswith("mine-run")
        ]
        + re.findall(r"^\| .* \| `(mine-run [^`]*)` \|", README, flags=re.MULTILINE)
    )
)
RESUMED = [c for c in COMMANDS if "resume=" in c]
LOOKING = [c for c in COMMANDS if re.search(r"\b(show|compare)=", c)]
OPTIONS = [
    (file.parent.name, file.stem)
    for file in sorted(Path(conf_dir()).glob("*/*.yaml"))
    if file.parent.name != "hydra"
]


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    """The pages that are made when the site is built: path below docs/ -> text."""
    pages: dict[str, str] = SITE["pages"]()
    return pages


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working directory with the files that the documentation speaks of."""
    folder = tmp_path_factory.mktemp("desk")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 2))
    z = x + rng.normal(size=(1000, 2))
    np.savez(folder / "my.npz", x=x, z=z)
    images = rng.normal(size=(300, 3, 16, 16)).astype(np.float32)
    np.savez(folder / "images.npz", x=images, z=rng.integers(0, 3, 300))
    np.save(folder / "x.npy", x)
    np.save(folder / "z.npy", z)
    lines = [
        f"{a!r},{b!r},{c!r},{'cat' if c > 0 else 'dog'},{i // 10},{i % 4}"
        for i, (a, b, c) in enumerate(np.column_stack([x, z[:, 0]]).tolist())
    ]
    text = "\n".join(["height,width,weight,species,subject,stage", *lines]) + "\n"
    (folder / "my.csv").write_text(text)
    parquet = pytest.importorskip(
        "pyarrow.parquet", reason="a command of the documentation reads parquet"
    )
    table = pytest.importorskip("pyarrow.csv").read_csv(folder / "my.csv")
    table = table.append_column("embedding", [x.tolist()])
    parquet.write_table(table, folder / "my.parquet")
    cells = text.replace("height,", "age,", 1).replace("species", "cell_type", 1)
    (folder / "cells.csv").write_text(cells + ",,,,,\n")
    for _, _, block in FENCES:
        if found := re.match(r"# (\w+\.py|my_conf/\S+\.yaml)\n", block):
            file = folder / found[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block)
    subprocess.run([sys.executable, "people.py"], cwd=folder, check=True)  # it writes people.csv
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
    if module == "folder":
        return Path(cfg.dataset.path).is_dir()
    if cfg.task.name == "ali" and module == "images":
        kept = Path(f"{cfg.cache_dir}/classifier_{cfg.dataset.name}.pt").expanduser()
        return has_images(cfg) and kept.exists()
    if module == "digits":
        classifier = Path(cfg.dataset.classifier).expanduser()
        return has_images(cfg) and classifier.exists()
    return module not in ("images", "labelled_images") or has_images(cfg)


def places(text: str) -> set[str]:
    """What links to the sections of a page are called."""
    return {SITE["anchor"](title) for title in re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)}


@pytest.mark.parametrize("path", WRITTEN)
def test_links_lead_to_pages_and_sections_that_are_there(
    path: str, reference: dict[str, str]
) -> None:
    made = {f"docs/{name}": text for name, text in reference.items()}
    for link, place in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", WRITTEN[path]):
        target = os.path.normpath(Path(path).parent / link) if link else path
        if target.endswith("/figure.png"):  # of the record, which the site shows
            target = target.replace("docs/results", "outputs/paper")
            assert (ROOT / target).is_file() or not (ROOT / "outputs" / "paper").is_dir(), link
        elif target.startswith(("outputs/paper", "docs/results/record")):
            record = ROOT / "outputs" / "paper" / "README.md"
            assert not record.exists() or not place or place in places(record.read_text())
        else:
            text = (made | WRITTEN).get(target)
            assert text is not None or (ROOT / target).is_file(), link
            assert not place or place in places(text or ""), (link, place)


def test_every_page_is_in_the_navigation_and_every_section_of_it_in_the_readme(
    reference: dict[str, str],
) -> None:
    def leaves(node: Any) -> Iterator[str]:
        if isinstance(node, str):
            yield node
        else:
            for below in node.values() if isinstance(node, dict) else node:
                yield from leaves(below)

    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    written = {path.removeprefix("docs/") for path in WRITTEN} - {"README.md"}
    assert set(leaves(site["nav"])) == written | reference.keys() | {"results/record.md"}
    for path in written:
        if not path.startswith("api/"):
            assert f"(docs/{path}" in README, path


def test_the_readme_is_short_and_there_is_much_to_try() -> None:
    assert len(README.splitlines()) <= 200
    assert len(COMMANDS) > 60
    assert sum(language == "python" for _, language, _ in FENCES) >= 5
    assert README.count("| `") >= 10


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="the extra docs is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path)]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    front = (tmp_path / "index.html").read_text()
    assert "images/curve.png" in front
    fetched = re.findall(r"<(?:script|link|img)[^>]* (?:src|href)=\"?(https?://[^\s\">]+)", front)
    assert fetched == []  # nothing comes from elsewhere
    assert "<math" in (tmp_path / "explanation" / "gan" / "index.html").read_text()
    bounds = (tmp_path / "api" / "bounds" / "index.html").read_text()
    assert "<math" in bounds
    assert not re.search(r":(func|class|math):|\.\. (math|code-block)::|<p>\|", bounds)


def composed(overrides: Sequence[str]) -> DictConfig:
    cfg = composition.composed(*overrides)
    assert validate(cfg) == []
    return cfg


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in (*RESUMED, *LOOKING)])
def test_every_command_composes_and_builds(command: str) -> None:
    configurations = [composed(overrides) for overrides in jobs(command)]
    for cfg in {but_for_seed(cfg): cfg for cfg in configurations}.values():
        if can_be_built(cfg):
            assert "one forward pass ran" in dry_run(checked(cfg))


@pytest.mark.parametrize("command", [c for c in RESUMED if "resume=FOLDER" not in c])
def test_every_resume_is_of_a_folder_that_it_names(command: str) -> None:
    folder = re.search(r"resume=(\S+)", command)
    assert folder is not None
    assert f"hydra.run.dir={folder[1]}\n" in TOLD
    # Beside it stands nothing that may not change.
    from mine_cli.cli.arguments import for_hydra

    with pytest.raises(BadInput, match="no such folder"):
        for_hydra(shlex.split(command)[1:])


@pytest.mark.parametrize("command", LOOKING)
def test_what_is_looked_at_is_a_folder(command: str) -> None:
    with pytest.raises(BadInput, match="no such folder"):
        looked_at(shlex.split(command)[1:])


def test_first_screen_holds_the_two_commands_and_a_run_of_today() -> None:
    top = README.splitlines()[:40]
    assert "    pip install -e . && mine-run" in top
    assert "    pip install -e '.[dev]' && pytest" in README.splitlines()
    shown = next(block for path, language, block in FENCES if language == "text")
    assert shown in README
    (picture,) = re.findall(r"!\[.*\]\((\S+)\)", "\n".join(top))
    assert (ROOT / picture).read_bytes().startswith(b"\x89PNG")
    cfg = composed([])
    described = {key: dict(cfg[key]) for key in ("dataset", "network", "bound", "marginals")} | {
        "task": cfg.task.name
    }
    assert shown.splitlines()[0] == heading(described)
    assert f"{checked(cfg).cfg.trainer.steps:,} steps" in shown
    numbers = dict(re.findall(r"^  (estimate|true MI) +(-?[\d.]+)", shown, flags=re.MULTILINE))
    assert float(numbers["true MI"]) == pytest.approx(dataset_of(cfg).true_mi, abs=1e-4)
    assert float(numbers["estimate"]) == pytest.approx(float(numbers["true MI"]), abs=0.05)


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_is_told_by_hand_and_in_the_reference_with_its_keys(
    group: str, option: str, reference: dict[str, str]
) -> None:
    (row,) = re.findall(rf"^\| `{group}` \|(.*)$", reference["reference/index.md"], re.MULTILINE)
    assert f"[`{option}`]" in row
    if group not in ("task", "trainer"):  # a table or list says what it is
        named = f"{group}={option}" if group == "encoder" else option  # some are data sets as well
        assert len(re.findall(rf"^\| `{named}` \|", TOLD, flags=re.MULTILINE)) == 1
    if group == "experiment":
        return
    page = reference[f"reference/{group}.md"]
    (section,) = re.findall(rf"^## {option}\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
    cfg = composed(chosen(group, option))
    for key in keys_of(cfg[group], schema_of(group, cfg[group]), f"{group}."):
        told = re.findall(rf"^\| `{key.name}` \| (.*) \| `(.*?)` \|", section, re.MULTILINE)
        if not told and "It has the keys of [`" in section:  # as the other option has it
            told = re.findall(rf"^\| `{key.name}` \| (.*) \| `(.*?)` \|", page, re.MULTILINE)
        if key.value != "my.npz":
            assert (key.says.replace("|", "\\|"), key.value) in told, key.name


def test_every_option_and_every_root_key_of_the_reference_is_there(
    reference: dict[str, str],
) -> None:
    told = {
        (group, option)
        for group, row in re.findall(
            r"^\| `(\w+)` \|([^|]*)\|", reference["reference/index.md"], flags=re.MULTILINE
        )
        for option in re.findall(r"\[`([\w/-]+)`\]", row)
    }
    assert {(group, option) for group, option in told if "/" not in option} == set(OPTIONS)
    keys = re.findall(r"^\| `(\w+)` \|", reference["reference/keys.md"], flags=re.MULTILINE)
    assert set(keys) == {*Run.__dataclass_fields__, *BESIDE_KEYS} - SECTIONS.keys()


def test_every_experiment_has_its_words_in_the_reference(reference: dict[str, str]) -> None:
    page = reference["reference/experiment.md"]
    files = sorted((Path(conf_dir()) / "experiment").rglob("*.yaml"))
    assert page.count("\n## ") == page.count("\n*Expected:* ") == len(files)
    assert not re.findall(r"\*Expected:\* *$", page, flags=re.MULTILINE)
    assert page.count("```bash\nmine-run ") == len(files)


def test_keys_of_parts_and_status_words_are_told() -> None:
    for group, option in OPTIONS:
        if group in ("dataset", "network", "marginals"):  # those of models share a row
            line = next(r for r in TOLD.splitlines() if r.startswith(f"| `{option}` |"))
            (node,) = (composed([*chosen(group, option)])[group],)
            for key in set(map(str, node)) - {"_target_"}:
                assert f"`{key}`" in line, (option, key)
    for word in (*NOT_OK, "ok"):
        assert TOLD.count(f"| `{word}` |") == 1


@pytest.fixture(scope="module")
def spaces(desk: Path) -> dict[str, dict[str, Any]]:
    """Page -> the names after every Python block of it has run, one after another."""
    here, threads = Path.cwd(), torch.get_num_threads()
    names: dict[str, dict[str, Any]] = {}
    os.chdir(desk)
    try:
        for path, language, block in FENCES:
            if language == "python":
                exec(compile(block, path, "exec"), names.setdefault(path, {}))
    finally:
        os.chdir(here)
        torch.set_num_threads(threads)
    return names


@pytest.mark.slow
def test_python_blocks_estimate_and_score(spaces: dict[str, Any], desk: Path) -> None:
    space = spaces["docs/how-to/python.md"]
    assert space["found"].mi == pytest.approx(np.log(2), abs=0.1)
    assert space["log_ratios"].shape == (3,)
    assert (desk / "my_run" / "result.json").is_file()


@pytest.mark.slow
def test_training_loop_measures_its_encoder(spaces: dict[str, Any]) -> None:
    space = spaces["docs/tutorial/training-loop.md"]
    weight = space["encoder"].weight.detach()
    truth = 0.5 * torch.logdet(torch.eye(2) + weight @ weight.T).item()
    assert space["found"].value == pytest.approx(truth, abs=0.1)
    assert space["error"].item() < 0.5  # the decoder has its column of x, which has variance 1
    page = "docs/tutorial/training-loop.md"
    loop = next(b for p, n, b in FENCES if (p, n) == (page, "python") and "mi.minimise" in b)
    body = loop.split("MLP\n\n")[1].splitlines()
    assert len([line for line in body if line]) <= 20


@pytest.mark.slow
def test_a_model_that_holds_the_term_lists_its_own_parameters(
    spaces: dict[str, Any], desk: Path
) -> None:
    model = spaces["docs/how-to/term.md"]["model"]
    assert [name for name, _ in model.named_parameters()] == ["encoder.weight", "encoder.bias"]
    assert "mi.network.first_x.weight" in torch.load(desk / "model.pt")


@pytest.mark.slow  # two processes import torch anew
def test_the_term_trains_in_two_processes(desk: Path) -> None:
    (command,) = (
        b for _, n, b in FENCES if n == "bash" and b.startswith("torchrun") and "train.py" in b
    )
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", *command.split()[1:]]
    done = subprocess.run(words, cwd=desk, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"-?[\d.]+ nats on a batch of all ranks\n", done.stdout)


def test_the_truth_of_the_data_that_are_made_to_be_tried(desk: Path) -> None:
    height, weight = np.loadtxt(desk / "people.csv", delimiter=",", skiprows=1).T
    assert len(height) == 2000
    told = re.search(r"The truth.* is ([\d.]+) nats", WRITTEN["docs/tutorial/own-data.md"])
    assert told is not None
    truth = -0.5 * np.log(1 - np.corrcoef(height, weight)[0, 1] ** 2)
    assert float(told[1]) == pytest.approx(truth, abs=0.02)


@pytest.mark.slow
def test_every_key_of_a_result_is_explained(spaces: dict[str, Any], desk: Path) -> None:
    result = json.loads((desk / "my_run" / "result.json").read_text())
    page = WRITTEN["docs/reference/files.md"]
    table = page.split("`result.json` is strict JSON")[1].split("| exit code |")[0]
    told = set(re.findall(r"`(\w+)`", table))
    for key in {*result, *result["metrics"], *result["references"]}:
        assert key in told, key
    first_column = re.findall(r"^\| (`[^|]*`) \|", table, flags=re.MULTILINE)
    listed = {key for cell in first_column for key in re.findall(r"`(\w+)`", cell)}
    # `note` stands in a diverged run's alone, the others in those of another task.
    others = {"note", "gan", "generator", "discriminator", "trainer", "classifier"}
    others |= {"infobottleneck", "method", "encoder", "ali"}
    others |= {"outcomes", "given", "columns", "top", "left_out", "counted"}
    assert listed - others == set(result)


@pytest.mark.slow
def test_every_file_of_a_run_is_told(spaces: dict[str, Any], desk: Path) -> None:
    page = WRITTEN["docs/reference/files.md"]
    table = page.split("## Where files go")[1].split("`result.json` is strict JSON")[0]
    for path in (desk / "my_run").iterdir():
        assert f"`{path.name}" in table, path.name
