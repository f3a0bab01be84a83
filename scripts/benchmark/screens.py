"""One screen, alone in its process: prints its time, its memory and what it found as JSON.

python scripts/benchmark/screens.py TABLE [COLUMNS ROWS]

TABLE is wine, breast_cancer or diabetes of scikit-learn, or made (all pairs), or outcome (20
columns about one).
"""

import json
import resource
import sys
import time
from typing import Any

import numpy as np

import mine_cli

__all__: list[str] = []

KINDS = 6  # of planted pairs


def main(name: str, columns: int, rows: int) -> None:
    outcome: str | None = None
    if name == "made":
        table = planted(columns, rows)
    elif name == "outcome":
        table, outcome = about_one(rows), "y"
    else:
        table, outcome = bundled(name), "outcome"
    start, busy = time.perf_counter(), time.process_time()
    found = mine_cli.screen(table, z=outcome, **{"trainer.progress": False})
    report = {
        "pairs": found.result["metrics"]["pairs"],
        "found": found.result["metrics"]["found"],
        "seconds": time.perf_counter() - start,
        "busy": time.process_time() - busy,
        "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        * (1 if sys.platform == "darwin" else 1024),
    }
    report |= of_sklearn(table, found) if outcome == "outcome" else of_truth(found)
    print(json.dumps(report))


def planted(columns: int, rows: int) -> dict[str, Any]:
    """As many columns, a few pairs of which are dependent: those whose names begin alike."""
    rng = np.random.default_rng(0)
    table: dict[str, Any] = {}
    for i in range(min(KINDS, columns // 4)):
        y = rng.normal(size=rows)
        table |= {f"p{i}_y": y, f"p{i}_x": partner(i, y, rng)}
    for i in range(columns - len(table)):
        table[f"n{i}"] = rng.normal(size=rows) if i % 8 else rng.integers(0, 4, rows).astype(float)
    return table


def about_one(rows: int) -> dict[str, Any]:
    """An outcome y and twenty columns, six of which tell of it."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=rows)
    table: dict[str, Any] = {"y": y}
    table |= {f"p{i}_x": partner(i, y, rng) for i in range(KINDS)}
    return table | {f"n{i}": rng.normal(size=rows) for i in range(20 - KINDS)}


def partner(kind: int, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Linear, monotone, a ring, a class, a square, a spread: not more than half a nat."""
    noise, side = rng.normal(size=len(y)), rng.choice([-1, 1], len(y))
    return [
        lambda: y + 2 * noise,
        lambda: np.exp(2 * y + 3 * noise),
        lambda: side * np.sqrt((4 - y**2).clip(0)) + 0.5 * noise,
        lambda: np.array(["a", "b", "c"])[np.digitize(y + 2 * noise, [-0.5, 0.5])],
        lambda: y**2 + 2 * noise,
        lambda: np.abs(y) * noise,
    ][kind]()


def of_truth(found: Any) -> dict[str, float]:
    """How well planted pairs are told from the others, and what the others' p-values are."""
    from sklearn.metrics import roc_auc_score

    x, z, p = (found[key] for key in ("x", "z", "p_value"))
    truth = [a[0] == "p" and (b == "y" or a[:3] == b[:3]) for a, b in zip(x, z, strict=True)]
    chance = [value for value, planted in zip(p, truth, strict=True) if not planted]
    return {
        "auroc": float(roc_auc_score(truth, found["estimate"])),
        "chance": float(np.mean(np.array(chance) <= 0.05)),
        "independent": len(chance),
        "planted": sum(truth),
    }


def bundled(name: str) -> dict[str, Any]:
    """A table of scikit-learn's, with its outcome: classes as text."""
    from sklearn import datasets

    data = getattr(datasets, f"load_{name}")()
    table = dict(zip(map(str, data.feature_names), data.data.T, strict=True))
    classes = name != "diabetes"
    table["outcome"] = data.target.astype(str) if classes else data.target.astype(float)
    return table


def of_sklearn(table: dict[str, Any], found: Any) -> dict[str, float]:
    """scikit-learn's nearest-neighbour estimates of the same columns: time, and agreement."""
    from scipy.stats import spearmanr
    from sklearn import feature_selection

    outcome = table["outcome"]
    kind = "classif" if outcome.dtype.kind == "U" else "regression"
    names = [name for name in table if name != "outcome"]
    estimate = getattr(feature_selection, f"mutual_info_{kind}")
    start = time.perf_counter()
    theirs = estimate(np.stack([table[n] for n in names], 1), outcome, random_state=0)
    seconds = time.perf_counter() - start
    known = [(n, v) for n, v in zip(found["x"], found["estimate"], strict=True) if v is not None]
    ours = np.array([v for _, v in known])
    other = np.array([theirs[names.index(n)] for n, _ in known])
    return {
        "sklearn_seconds": seconds,
        "rank_correlation": float(spearmanr(ours, other).statistic),
        "largest_gap": float(np.abs(ours - other).max()),
    }


if __name__ == "__main__":
    sizes = [int(word) for word in sys.argv[2:]] or [50, 10_000]
    main(sys.argv[1], *sizes)
