"""An interval for the information itself: what a sample's chance and its critics leave open."""

from mine_cli.estimator.evaluation import Evaluation

__all__ = ["interval"]

ERRORS = 1.96  # standard errors to either side: 95 % of a Gaussian
MISSED = 0.1  # of the estimate: what critics that learn nothing by heart miss of a bent law


def interval(report: Evaluation, fit: Evaluation) -> list[float]:
    r"""Returns the ends ``[2]`` of a 95 % interval for the mutual information, in nats.

    .. math:: \left[ \hat I - 1.96\, SE, \;\;
        \hat I + 1.96\, SE + (\hat I_{\text{fit}} - \hat I)_+ + 0.1\, \hat I_+ \right]

    A bound on held-out rows falls short of the information, by the more the more its critics have
    learned by heart: were they the likeliest members of a model that holds the truth, the truth
    would lie half-way between the values on fitted and on held-out rows (Akaike). Critics that
    stop early and laws that none of them can express fall short by more. That the whole gap and a
    tenth of the estimate are enough is an observation, made on the choosing half of the row
    `scoreboard` of the record, whose other half counts how often it is so.

    Arguments:
        report: of the combined critics, on rows that none of them has seen.
        fit: of the same critics, on as many of the rows that trained them.

    References:
        | Information theory and an extension of the maximum likelihood principle (Akaike, 1973)
    """
    margin = ERRORS * report.standard_error
    shortfall = max(0.0, fit.value - report.value) + MISSED * max(0.0, report.value)
    return [report.value - margin, report.value + margin + shortfall]
