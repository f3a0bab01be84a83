"""An interval for the information itself: what a sample's chance and its critics leave open."""

from mine_cli.estimator.evaluation import Evaluation

__all__ = ["interval"]

ERRORS = 1.96  # standard errors to either side: 95 % of a Gaussian
SHORTFALLS = 2.0  # times what the critics say more of the rows that trained them


def interval(report: Evaluation, fit: Evaluation) -> list[float]:
    r"""Returns the ends ``[2]`` of a 95 % interval for the mutual information, in nats.

    .. math:: \left[ \hat I - 1.96\, SE, \;\;
        \hat I + 1.96\, SE + 2 \max(0, \hat I_{\text{fit}} - \hat I) \right]

    A bound on held-out rows falls short of the information, by the more the more its critics have
    learned by heart. Were they the likeliest members of a model that holds the truth, the truth
    would lie half-way between the two values (Akaike); critics that stop early, and laws that none
    of them can express, fall short by more. The factor of 2 is empirical: see the coverage in the
    record's row `scoreboard`.

    Arguments:
        report: of the combined critics, on rows that none of them has seen.
        fit: of the same critics, on as many of the rows that trained them.

    References:
        | Information theory and an extension of the maximum likelihood principle (Akaike, 1973)
    """
    margin = ERRORS * report.standard_error
    shortfall = SHORTFALLS * max(0.0, fit.value - report.value)
    return [report.value - margin, report.value + margin + shortfall]
