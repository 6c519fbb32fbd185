"""Turns the roles of reStructuredText in our docstrings into links and formulas of the site."""

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(attr|class|data|func|meth|mod):`(~?)([^`<>]+)`")
_MATH = re.compile(r":math:`([^`]+)`")
_CODE = re.compile(r"``([^`]+)``")


class Roles(griffe.Extension):
    """Rewrites every docstring before the site shows it."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite one object's docstring, if it has one."""
        if obj.docstring is not None:
            obj.docstring.value = _as_markdown(obj.docstring.value, obj)


def _as_markdown(text: str, obj: griffe.Object) -> str:
    def link(found: re.Match[str]) -> str:
        _, is_short, target = found.groups()
        name = target.rpartition(".")[2] if is_short else target
        place = obj if obj.is_class else obj.parent
        path = target if target.startswith("handful") or place is None else f"{place.path}.{target}"
        # A name that is not in the reference stays plain code, without a warning.
        return f'<autoref optional identifier="{path}">`{name}`</autoref>'

    text = _ROLE.sub(link, text)
    text = _MATH.sub(lambda found: f"\\({found.group(1)}\\)", text)
    return _CODE.sub(r"`\1`", text)
