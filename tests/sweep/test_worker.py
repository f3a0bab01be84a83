"""A process of a sweep; what it trains is tested by `test_launch` and `test_fused`."""

from multiprocessing import Pipe

from mine_cli.sweep.worker import Group


def test_a_sweep_that_is_gone_is_no_reason_to_fail() -> None:
    sweep, news = Pipe()
    sweep.close()
    Group([], news).tell("ended", 3, 0.5)
