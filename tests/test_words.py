"""Docstrings are whole sentences that name their object (docs/development.md, "Words")."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import handful

SOURCES = Path(handful.__file__).parent
FILES = sorted(SOURCES.rglob("*.py"))
PHRASES = (
    r"whoever",
    r"(?:is|are|be) told(?! apart)",
    r"does no harm",
    r"handed out",
    r"where there (?:is|are) none",
    r"one a (?:user|policy|step|run|dimension)",
)
"""Words that a reader has to guess the object of, or that hide who does something."""

PREPOSITIONS = "as|at|between|by|for|from|in|naming|of|on|over|that|to|under|with|without"
"""Words with which neither a first sentence nor an entry of a list can begin."""

NOUN = "a|an|all|any|each|every|how|nothing|the|these|what|where|whether|which|who|why|zeros"
"""Words with which the sentence of a function cannot begin that returns something."""

SECTIONS = ("Args:", "Attributes:", "Raises:")


def docstrings(
    node: ast.AST, name: str = ""
) -> Iterator[tuple[str, ast.Module | ast.ClassDef | ast.FunctionDef, str]]:
    """Yield the place, the node and the docstring of all that has one."""
    has_one = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    if has_one and (text := ast.get_docstring(node)):
        yield name or "module", node, text
    for child in ast.iter_child_nodes(node):
        inner = getattr(child, "name", None)
        yield from docstrings(child, ".".join(filter(None, (name, inner))) if inner else name)


def entries(text: str) -> Iterator[tuple[str, str]]:
    """Yield each entry of the lists in a docstring: its names and its text."""
    section = ""
    for line in text.splitlines():
        if line and not line.startswith(" "):
            section = line
        elif section in SECTIONS and re.match(r"    \S[^:]*: ", line):
            names, _, entry = line.strip().partition(": ")
            yield names, entry


def is_property(node: ast.AST) -> bool:
    return any("property" in ast.unparse(one) for one in getattr(node, "decorator_list", ()))


def returns_something(node: ast.AST) -> bool:
    returns = getattr(node, "returns", None)
    return returns is not None and ast.unparse(returns) not in ("None", "NoReturn")


def faults(text: str, node: ast.AST) -> Iterator[str]:
    """Yield the faults of a docstring, each with the words that it is in."""
    for phrase in PHRASES:
        if found := re.search(rf".*\b{phrase}\b.*", text, re.IGNORECASE):
            yield f"has a phrase to avoid: {found[0].strip()}"
    first = text.splitlines()[0]
    if re.match(rf"(?:{PREPOSITIONS})\b", first, re.IGNORECASE) and not first.startswith(
        ("Within the block", "After the")
    ):
        yield f"begins without a subject or a verb: {first}"
    is_noun = re.match(rf"(?:{NOUN})\b|[`\[]", first, re.IGNORECASE)
    if is_noun and returns_something(node) and not is_property(node):
        yield f"does not say what the function does: {first}"
    for names, entry in entries(text):
        words = re.sub(r"^(?:[a-z]+\d* )?\[[^]]*\],? ?", "", entry)
        if not words.strip(".") or re.match(rf"(?:{PREPOSITIONS})\b(?! each)", words):
            yield f"has an entry that is no phrase: {names}: {entry}"


def attributes(tree: ast.AST) -> Iterator[str]:
    """Yield the text below each constant or field that has one."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for before, after in pairwise(body if isinstance(body, list) else []):
            if isinstance(before, ast.Assign | ast.AnnAssign) and isinstance(after, ast.Expr):
                text = getattr(after.value, "value", None)
                if isinstance(text, str):
                    yield text


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCES)))
def test_docstrings_are_sentences(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [
        f"{path.relative_to(SOURCES)}, {name}: {fault}"
        for name, node, text in docstrings(tree)
        for fault in faults(text, node)
    ]
    found += [
        f"{path.relative_to(SOURCES)}: begins without a noun: {text}"
        for text in attributes(tree)
        if re.match(rf"(?:{PREPOSITIONS})\b", text, re.IGNORECASE)
    ]
    assert not found, "\n".join(found)


def test_public_functions_say_what_they_return():
    lacking = []
    for name in handful.__all__:
        public = getattr(handful, name)
        if not inspect.isfunction(public):
            continue
        source = ast.parse(inspect.getsource(importlib.import_module(public.__module__)))
        node = next(
            one
            for one in ast.walk(source)
            if isinstance(one, ast.FunctionDef) and one.name == public.__name__
        )
        text = ast.get_docstring(node) or ""
        if returns_something(node) and "Returns:\n" not in text:
            lacking.append(name)
    assert not lacking


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Return the sum.\n\nArgs:\n    one: of the run.", "entry that is no phrase"),
        ("Return the sum.\n\nRaises:\n    HandfulError: for no users.", "entry that is no phrase"),
        ("Of raw actions.", "without a subject"),
        ("The sum of all.", "does not say what the function does"),
        ("Return the sum. The caller is told.", "phrase to avoid"),
    ],
)
def test_faults_are_found(text, fault):
    node = ast.parse("def total() -> int: ...").body[0]
    assert any(fault in one for one in faults(text, node))
