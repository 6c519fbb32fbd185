"""How methods look: each its own way, also without colour."""

import pytest

from handful.methods import METHODS
from handful.report.plots.style import method_look, method_rank
from handful.training.config import AUTO

UNKNOWN = "mine"


@pytest.mark.parametrize("method", [*METHODS, AUTO])
def test_every_method_has_a_look_of_its_own(method):
    is_known = method_rank(method)[0] < method_rank(UNKNOWN)[0]
    assert is_known, f"say how '{method}' looks, in handful/report/plots/style.py"


def test_methods_are_told_apart_without_colour():
    looks = [method_look(method) for method in (*METHODS, AUTO)]
    assert len({look.marker for look in looks}) == len(looks)
    assert len({look.colour for look in looks}) == len(looks)


def test_other_settings_are_dashed():
    assert method_look("em, fast").dashes
    assert not method_look("em").dashes


def test_a_method_without_a_look_is_not_taken_for_one_with():
    look = method_look(UNKNOWN)
    assert look.marker not in {method_look(method).marker for method in (*METHODS, AUTO)}
