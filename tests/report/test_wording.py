"""Numbers and names as reports say them."""

import pytest

from handful.report.wording import number, seed_list, task_title


@pytest.mark.parametrize(
    ("value", "said"), [(0, "0.00"), (1234.567, "1,234.57"), (-0.004, "-0.004"), (0.0123, "0.01")]
)
def test_numbers_keep_what_shows_them(value, said):
    assert number(value) == said


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ({3}, "seed 3"),
        ((4, 0), "seeds 0, 4"),
        ((0, 1), "seeds 0, 1"),
        (range(10), "seeds 0 to 9"),
        ((0, 1, 3), "seeds 0, 1, 3"),
    ],
)
def test_lists_of_seeds_are_short(seeds, said):
    assert seed_list(seeds) == said


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("half-cheetah", "Half cheetah"),
        ("custom", "Custom problem"),
        ("gymnasium:my_module:My-Env_2-v0", "gymnasium:my_module:My-Env_2-v0"),
        ("their_own-task", "their_own-task"),
        ("iPod", "iPod"),
    ],
)
def test_titles_of_tasks(name, title):
    assert task_title(name) == title
