"""Single-cell data in .h5ad."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch

from mine_cli.data.arrays import Arrays
from mine_cli.errors import BadInput

N = 120
SHAPE = (("cell", N), ("g", 5))
RNG = np.random.default_rng(6)


@pytest.mark.parametrize("sparse", [False, True])
def test_genes_observations_and_embeddings(sparse: bool, tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata", reason="an extra")
    counts = RNG.poisson(2.0, (N, 5)).astype(np.float32)
    kinds = pd.Categorical(np.array([*(["T", "B"] * (N // 2 - 1)), "T", None], dtype=object))
    index, genes = (pd.Index([f"{c}{i}" for i in range(n)], dtype=object) for c, n in SHAPE)
    data = anndata.AnnData(
        scipy.sparse.csr_matrix(counts) if sparse else counts,
        obs=pd.DataFrame({"kind": kinds, "age": RNG.normal(size=N)}, index),
        var=pd.DataFrame(index=genes),
        obsm={"X_pca": counts[:, :2] + 0.5},
    )
    data.write_h5ad(tmp_path / "t.h5ad")
    rows = Arrays(tmp_path / "t.h5ad", ["g3", "X_pca", "age"], "kind").rows()
    assert rows.x_names == ["g3", "X_pca[0]", "X_pca[1]", "age"]
    assert torch.equal(rows.x[:, 0], torch.from_numpy(counts[:-1, 3]))
    assert rows.z_names == ["kind=B", "kind=T"]
    assert rows.gaps == {"kind": 1}
    whole = Arrays(tmp_path / "t.h5ad", "X", "age").rows()
    assert torch.equal(whole.x, torch.from_numpy(counts))


def test_without_anndata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.h5ad").touch()
    monkeypatch.setitem(sys.modules, "anndata", None)
    with pytest.raises(BadInput, match=r"pip install 'mine-run\[cells\]'"):
        Arrays(tmp_path / "t.h5ad", "a", "b").rows()
