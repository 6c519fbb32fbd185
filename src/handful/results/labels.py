"""What methods are called in tables and figures: ``em``, ``em (warm-up-0)``, ``em (slow), fast``.

First the method's name; in brackets a study's variant, if the run belongs to one; then, each behind
a comma, words for the settings that a study has for all of its runs or that tell runs apart.
"""

import re

_VARIANT = re.compile(r" \(([\w-]+)\)$")
"""Behind the method's name; variants have letters, digits, - and _ only."""


def with_variant(method: str, variant: str) -> str:
    """``em (warm-up-0)``; the method alone where there is no variant."""
    return f"{method} ({variant})" if variant else method


def with_words(label: str, *words: str) -> str:
    """``em, fast``; words that are nothing are left out."""
    return ", ".join([label, *(word for word in words if word)])


def method_of(label: str) -> str:
    """What stands before the words: the method, and its variant if there is one."""
    return label.partition(", ")[0]


def split_variant(label: str) -> tuple[str, str]:
    """``em (slow), fast`` as ``em, fast`` and ``slow``; "" where there is no variant."""
    method = method_of(label)
    found = _VARIANT.search(method)
    if found is None:
        return label, ""
    return method[: found.start()] + label[len(method) :], found.group(1)
