"""Columns of an .h5ad file, as single-cell analysis has them: cells in rows, genes in columns."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np

from mine_cli.data.tables import Columns, plain
from mine_cli.errors import BadInput, refuse

__all__ = ["open_cells"]


def open_cells(
    file: Path,
) -> tuple[list[str], Callable[[Sequence[str], Collection[str]], Columns]]:
    """Returns the names in a file, and what reads those of some names.

    They are the columns of ``obs``, [n]; the arrays of ``obsm``, [n, d], such as X_pca; ``X``,
    the whole matrix, [n, genes]; and each gene, [n].
    """
    try:
        from anndata import read_h5ad
    except ImportError as fault:
        raise BadInput(
            f"{file}: reading .h5ad needs anndata: want pip install 'mine-run[cells]'"
        ) from fault
    data = read_h5ad(file, backed="r")
    observed, arrays, genes = list(data.obs.columns), list(data.obsm.keys()), list(data.var_names)
    names = [*observed, *arrays, "X", *genes]

    def load(wanted: Sequence[str], text: Collection[str]) -> Columns:
        twice = sorted({name for name in wanted if names.count(name) > 1})
        refuse(f"{file}: {name} more than once: want each name once" for name in twice)
        found: Columns = {}
        for name in wanted:
            if name in observed:
                found[name] = plain(data.obs[name].astype(object))
            elif name in arrays:
                found[name] = np.asarray(data.obsm[name])
            else:
                chosen = data.X[:] if name == "X" else data.X[:, genes.index(name)]
                dense = chosen.toarray() if hasattr(chosen, "toarray") else np.asarray(chosen)
                found[name] = dense if name == "X" else dense.reshape(-1)
        return found

    return names, load
