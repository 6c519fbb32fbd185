"""Labels put together and taken apart."""

import pytest

from handful.results.labels import method_of, split_variant, with_variant, with_words


@pytest.mark.parametrize(
    ("label", "before_the_words", "without_variant", "variant"),
    [
        ("em", "em", "em", ""),
        ("em (warm-up_0)", "em (warm-up_0)", "em", "warm-up_0"),
        ("em, fast", "em", "em, fast", ""),
        ("em (slow), fast, a=1", "em (slow)", "em, fast, a=1", "slow"),
        ("em, fast (v2)", "em", "em, fast (v2)", ""),  # a study's words, no variant
    ],
)
def test_parts_of_a_label(label, before_the_words, without_variant, variant):
    assert method_of(label) == before_the_words
    assert split_variant(label) == (without_variant, variant)


def test_labels_are_put_together_from_what_there_is():
    assert with_variant("em", "") == "em"
    assert with_words(with_variant("em", "slow"), "", "fast", "a=1") == "em (slow), fast, a=1"
