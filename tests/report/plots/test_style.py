"""Titles of panels stay on the page."""

from matplotlib.figure import Figure

from handful.report.plots.style import TITLE_LETTERS, set_title


def test_a_long_title_takes_more_lines_and_loses_nothing():
    axis = Figure().add_subplot()
    name = "gymnasium:a_package.with_a_module:Their-Own_Environment-v0 with k = 25"
    set_title(axis, name, loc="left")
    lines = axis.get_title("left").split("\n")
    assert len(lines) > 1
    assert max(map(len, lines)) <= TITLE_LETTERS
    assert "".join(lines).replace(" ", "") == name.replace(" ", "")
    set_title(axis, "Half cheetah", loc="left")
    assert axis.get_title("left") == "Half cheetah"
