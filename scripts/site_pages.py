"""The pages of the documentation that are made when `mkdocs build` runs, as a hook of mkdocs.

The front page is the README, the reference comes from the schemas and the headers of conf/, the
record from `outputs/paper`: nothing of them is written twice.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from mine_cli.config.compose import conf_dir
from mine_cli.config.keys import Key, keys_of, root_keys
from mine_cli.config.schemas import SECTIONS, Run
from mine_cli.config.validation import schema_of

ROOT = Path(__file__).resolve().parent.parent
CONF = Path(conf_dir())
RECORD = ROOT / "outputs" / "paper"
GROUPS = (*SECTIONS, "experiment")
SAYS = {name: field.metadata["says"] for name, field in Run.__dataclass_fields__.items()}
SAYS["experiment"] = "Ready-made combinations, each with what it shows and what to expect."


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages, and the figures of the record."""
    from mkdocs.structure.files import File

    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    for figure in sorted(RECORD.glob("*/figure.png")):
        target = f"results/{figure.parent.name}/figure.png"
        files.append(File.generated(config, target, content=figure.read_bytes()))
    return files


def on_page_markdown(markdown: str, **others: Any) -> str:
    """Formulas become MathML, which browsers show by themselves."""
    from latex2mathml.converter import convert

    def formula(found: re.Match[str]) -> str:
        return f'<div class="formula">{convert(found[1], display="block")}</div>'

    return re.sub(r"^```math\n(.*?)^```$", formula, markdown, flags=re.DOTALL | re.MULTILINE)


def pages() -> dict[str, str]:
    """Path -> Markdown."""
    found = {
        "index.md": front_page(),
        "tutorial/notebook.md": notebook(),
        "reference/index.md": overview(),
        "reference/keys.md": root_page(),
        "reference/experiment.md": experiments(),
    } | {f"reference/{group}.md": group_page(group) for group in SECTIONS}
    record = RECORD / "README.md"
    if record.exists():  # it is no part of a source distribution
        found["results/record.md"] = record.read_text(encoding="utf-8")
    return found


def front_page() -> str:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.replace("](docs/", "](").replace(
        "](outputs/paper/README.md", "](results/record.md"
    )


def notebook() -> str:
    """The notebook as a page: its text, its code, and what each cell shows."""
    path = ROOT / "docs" / "tutorial" / "notebook.ipynb"
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
        parts += [shown for output in cell.get("outputs", ()) if (shown := output_of(output))]
    parts.append("This page is [a notebook](notebook.ipynb).")
    return "\n\n".join([*parts, ""])


def output_of(output: Any) -> str:
    """What a cell has shown: HTML where there is some, else text."""
    data = output.get("data", {})
    if html := "".join(data.get("text/html", "")):
        # Blank lines would end it, and headings are the page's.
        kept = [line for line in html.replace("h2>", "h4>").splitlines() if line.strip()]
        return "\n".join(['<div class="shown">', *kept, "</div>"])
    text = "".join(output.get("text") or data.get("text/plain", ""))
    return f"```text\n{text.rstrip()}\n```" if text else ""


def overview() -> str:
    """Every group with its options."""
    lines = ["# Groups and keys", ""]
    lines += ["Options are chosen with `GROUP=OPTION`, keys set with `GROUP.KEY=VALUE`.", ""]
    lines += ["| group | options | |", "| --- | --- | --- |"]
    for group in GROUPS:
        names = ", ".join(f"[`{name}`]({group}.md#{anchor(name)})" for name in options(group))
        lines.append(f"| `{group}` | {names} | {SAYS[group]} |")
    lines += [
        "",
        "Keys that belong to no group are [root keys](keys.md): `seed`, `folds`, `split`",
    ]
    lines += [
        "and others. `mine-run --help task=TASK` shows all of this for one task, as composed."
    ]
    return "\n".join([*lines, ""])


def root_page() -> str:
    lines = ["# Root keys", "", "They belong to no group: `mine-run KEY=VALUE`.", ""]
    return "\n".join([*lines, *table(root_keys(OmegaConf.structured(Run))), ""])


def group_page(group: str) -> str:
    """The options of a group, each with its sentence and its keys."""
    lines = [f"# {group}", "", f"{SAYS[group]} Chosen with `{group}=OPTION`.", ""]
    names = options(group)
    lines += ["| option | |", "| --- | --- |"]
    lines += [f"| [`{name}`](#{anchor(name)}) | {header(group, name)} |" for name in names]
    first: dict[Any, tuple[str, dict[str, Key]]] = {}
    for name in names:
        node = composed(group, name)
        schema = schema_of(group, node)
        keys = {key.name: key for key in keys_of(node, schema, f"{group}.")}
        lines += ["", f"## {name}", "", f"{header(group, name)}{brings(group, name)}", ""]
        if not keys:
            lines.append("It has no keys.")
        elif schema not in first:
            first[schema] = name, keys
            lines += table(keys.values())
        else:
            other, its = first[schema]
            changed = [key for key in keys.values() if key != its[key.name]]
            lines += [f"It has the keys of [`{other}`](#{anchor(other)})" + "," * bool(changed)]
            lines += ["with these defaults:", "", *table(changed)] if changed else ["as they are."]
    return "\n".join([*lines, ""])


def experiments() -> str:
    """Every experiment with the words at the top of its file."""
    lines = ["# experiment", "", f"{SAYS['experiment']} Chosen with `experiment=OPTION`.", ""]
    lines += ["A key beside it changes it: `mine-run experiment=gaussian_20d bound=smile`.", ""]
    for name in options("experiment"):
        text = (CONF / "experiment" / f"{name}.yaml").read_text(encoding="utf-8")
        told = [line[1:].strip() for line in text.splitlines() if line.startswith("#")][1:]
        commands = [line for line in told if line.startswith("mine-run ")]
        words = " ".join(line for line in told if line and line not in commands)
        words = re.sub(r"\bdocs/(\S+)\.md", r"[\1](../\1.md)", words)
        shows, _, expected = words.removeprefix("Shows: ").partition(" Expected: ")
        lines += [f"## {name}", "", "```bash", *commands, "```", ""]
        lines += [shows[:1].upper() + shows[1:], "", f"*Expected:* {expected}", ""]
    return "\n".join(lines)


def table(keys: Any) -> list[str]:
    lines = ["| key | what it is | default | values |", "| --- | --- | --- | --- |"]
    for key in keys:
        cells = (f"`{key.name}`", key.says, f"`{key.value}`", key.range)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return lines


def options(group: str) -> list[str]:
    folder = CONF / group
    return sorted(str(f.relative_to(folder).with_suffix("")) for f in folder.rglob("*.yaml"))


def header(group: str, name: str) -> str:
    """The sentence at the top of an option's file."""
    first = (CONF / group / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
    return first.removeprefix("# ")


def brings(group: str, name: str) -> str:
    """The options of other groups that an option chooses, unless others are given."""
    chosen = dict(overrides((CONF / group / f"{name}.yaml").read_text(encoding="utf-8")))
    told = [f"`{other}={choice}`" for other, choice in chosen.items() if choice is not None]
    return f" It brings {', '.join(told)}, unless others are chosen." if told else ""


def overrides(text: str) -> Iterator[tuple[str, str | None]]:
    for entry in yaml.safe_load(text)["defaults"]:
        if isinstance(entry, dict):
            for key, choice in entry.items():
                if found := re.match(r"override /(\w+)@", key):
                    yield found[1], choice


def composed(group: str, name: str) -> DictConfig:
    """An option by itself: its schema, or the option that it extends, and its own values."""
    own = yaml.safe_load((CONF / group / f"{name}.yaml").read_text(encoding="utf-8"))
    (base,) = (entry for entry in own.pop("defaults") if isinstance(entry, str))
    if found := re.match(r"/schema/(\w+)/([\w-]+)@_here_", base):
        return OmegaConf.merge(OmegaConf.structured(SECTIONS[found[1]][found[2]]), own)
    return OmegaConf.merge(composed(group, base), own)


def anchor(heading: str) -> str:
    """What mkdocs calls a heading's place."""
    return re.sub(r"[^\w\s-]", "", heading).strip().lower().replace(" ", "-")
