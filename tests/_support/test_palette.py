"""Colours that can be told apart and written on."""

import pytest

from handful._support.palette import NOBODY, ink_on, mix, policy_colour, policy_colours, rgb


def test_the_first_colours_are_the_hues_themselves():
    assert policy_colour(0) == "#0072b2"
    assert policy_colour(4) == "#d55e00"


def test_56_policies_have_colours_of_their_own():
    assert len({policy_colour(policy) for policy in range(56)}) == 56
    assert policy_colour(56) == policy_colour(0)


def test_no_policy_has_a_colour_of_its_own_by_its_number():
    colours = policy_colours(3)
    assert colours[:3] == [policy_colour(policy) for policy in range(3)]
    assert colours[-1] == NOBODY


@pytest.mark.parametrize(("share", "mixed"), [(0.0, "#204060"), (1.0, "#ffffff")])
def test_a_mix_ends_at_its_parts(share, mixed):
    assert mix("#204060", "#FFFFFF", share) == mixed


def test_a_mix_in_the_middle():
    assert mix("#000000", "#FF0080", 0.5) == "#800040"


def test_writing_stands_out():
    assert ink_on("#000000") == "#FFFFFF"
    assert ink_on("#F0E0B0") == "#000000"
    assert rgb("#0102ff") == (1, 2, 255)
