"""How methods look: each its own way, also without colour."""

import pytest

from handful.methods import AUTO, METHODS
from handful.report.plots.style import method_looks, method_rank

OURS = (*METHODS, AUTO)
UNKNOWN = "mine"


@pytest.mark.parametrize("method", OURS)
def test_every_method_has_a_look_of_its_own(method):
    is_known = method_rank(method)[0] < method_rank(UNKNOWN)[0]
    assert is_known, f"say how '{method}' looks, in handful/report/plots/style.py"


def test_methods_are_told_apart_without_colour():
    looks = method_looks(OURS).values()
    assert len({look.marker for look in looks}) == len(looks)
    assert len({look.colour for look in looks}) == len(looks)


def test_other_settings_are_dashed():
    looks = method_looks(["em, fast", "em"])
    assert looks["em, fast"].dashes
    assert not looks["em"].dashes


def test_methods_of_others_look_like_none_of_ours_and_not_like_each_other():
    others = ["mine", "yours", "theirs"]
    looks = method_looks([*OURS, *others])
    assert [looks[method] for method in OURS] == list(method_looks(OURS).values())
    for name in ("colour", "marker"):
        assert len({getattr(look, name) for look in looks.values()}) == len(looks)
    # The order of the labels does not matter, and settings keep to the method.
    assert method_looks(reversed(others)) == {other: looks[other] for other in others}
    assert method_looks(["mine, fast", *others])["mine"] == looks["mine"]
