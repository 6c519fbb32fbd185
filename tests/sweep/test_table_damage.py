import pytest

from handful.errors import HandfulError
from handful.run_folder import RunFolder
from handful.sweep.table import telling_damage


@pytest.mark.parametrize("spoil", [lambda: {}["users"], lambda: len(None), lambda: float("x")])
def test_what_is_missing_or_of_another_kind_is_one_sentence(spoil):
    with pytest.raises(HandfulError) as error, telling_damage(RunFolder("runs/a")):
        spoil()
    sentence = str(error.value)
    assert sentence.startswith("The results in 'runs/a' are damaged (")
    assert sentence.endswith("): remove its evaluation.json, and the run is evaluated again.")


def test_other_sentences_stay():
    with pytest.raises(HandfulError, match="mine"), telling_damage(RunFolder("runs/a")):
        raise HandfulError("mine")
