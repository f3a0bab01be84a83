"""The notebook of the documentation runs, and the page that shows it has what it shows."""

import json
from pathlib import Path
from runpy import run_path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "docs" / "tutorial" / "notebook.ipynb"


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()  # raises for a cell that does
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any("nats" in str(output) for output in shown)
    assert [*tmp_path.iterdir()] == []


def test_the_page_has_every_cell_and_what_it_shows() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    page = run_path(str(ROOT / "scripts" / "site_pages.py"))["notebook"]()
    for cell in cells:
        assert "".join(cell["source"]) in page
        assert all(output["output_type"] != "error" for output in cell.get("outputs", ()))
    assert page.count('<div class="shown">') >= 2
    for topic in ("mine_cli.estimate(", "mine_cli.screen(", "given=", "mi.minimise("):
        assert topic in page
