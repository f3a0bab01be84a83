"""The command line before Hydra reads it."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from mine_cli.cli.arguments import every_letter


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("dataset.x=größe", ["größe"]),
        ("dataset.x=身長,β", ["身長", "β"]),
        ("dataset.x=[größe,b]", [["größe", "b"]]),
        ("dataset.path=~/my data/t.csv", ["~/my data/t.csv"]),
        ("""dataset.x="ö, ä",'ü'""", ["ö, ä", "ü"]),
        ("dataset.x=plain,[a,b]", ["plain", ["a", "b"]]),
    ],
)
def test_letters_of_every_alphabet_are_values(typed: str, meant: list[object]) -> None:
    """As they are typed, also in lists and sweeps; what is quoted stays so."""
    override = OverridesParser.create().parse_override(every_letter(typed))
    swept = override.is_sweep_override()
    values = list(override.sweep_iterator()) if swept else [override.value()]
    assert [getattr(value, "text", value) for value in values] == meant


@pytest.mark.parametrize("argument", ["-cd=~/conf", "~trainer.lr", "seed=0,1", "--multirun"])
def test_other_words_stay_as_they_are(argument: str) -> None:
    assert every_letter(argument) == argument
