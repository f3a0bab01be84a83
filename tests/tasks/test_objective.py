"""What a search is given for a job."""

import math

from mine_cli.tasks.objective import names, objective, worst

RESULT = {"estimate": 1.0, "error": -0.25, "lower_bound": 0.9, "metrics": {"error": 0.02}}
PAIRS = {"result/estimate": 1.0, "result/error": -0.25}
BOTTLENECK = {"result/error_averaged": 0.01, "result/error": 0.02}


def test_the_default_is_the_distance_from_the_truth_else_what_is_compared_first() -> None:
    assert objective(RESULT, PAIRS) == 0.25
    assert objective(RESULT | {"error": None}, PAIRS) == 1.0
    assert objective(RESULT | {"error": None}, BOTTLENECK) == 0.01
    assert objective({"error": None}, {}) is None


def test_a_name_is_of_what_is_compared_or_of_the_result() -> None:
    assert objective(RESULT, PAIRS, "estimate") == 1.0
    assert objective(RESULT, PAIRS, "error") == 0.25
    assert objective(RESULT, PAIRS, "lower_bound") == 0.9
    assert objective(RESULT | {"error": None}, BOTTLENECK, "error") == 0.02
    assert objective(RESULT, PAIRS, "fold_sd") is None


def test_names_are_known_before_there_are_numbers() -> None:
    head = {"estimate": None, "error": None, "true_mi": None, "folds": 1, "split": "random"}
    assert names(head, BOTTLENECK) == ["estimate", "error", "error_averaged"]


def test_the_worst_is_no_nan() -> None:
    assert worst({}) == worst({"direction": "minimize"}) == math.inf
    assert worst({"direction": "maximize"}) == -math.inf
