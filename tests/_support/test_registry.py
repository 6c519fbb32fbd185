"""Classes by name, with shapes for what is registered: nothing here knows methods or learners."""

import sys
from dataclasses import dataclass, field

import pytest

from handful._support.registry import NEEDED, Registry, field_names
from handful.errors import HandfulError


class Shape:
    """The base of all shapes."""


@dataclass(frozen=True)
class Square(Shape):
    """A shape whose one setting has a default."""

    side: float = 1.0


@dataclass(frozen=True)
class Box(Shape):
    """A shape with a setting that has no default."""

    height: float
    width: float = 2.0


@dataclass(frozen=True)
class Star(Shape):
    """A shape with a setting that is a tuple."""

    arms: tuple[float, ...] = (1.0, 2.0)


@dataclass(frozen=True)
class Frame(Shape):
    """A shape that says what its setting is needed for."""

    picture: str = field(metadata={NEEDED: "a picture that it goes round"})


class Drawer:
    """A place for a shape that is defined inside a class."""

    @dataclass(frozen=True)
    class Ring(Shape):
        """A shape whose name has two parts."""

        width: float = 1.0


class Blob(Shape):
    """A shape without fields, so that nothing makes it again."""


@dataclass(frozen=True)
class Cut(Square):
    """A shape that keeps another side than it is given."""

    def __post_init__(self):
        object.__setattr__(self, "side", self.side / 2)


@dataclass(frozen=True)
class Tagged(Square):
    """A shape with a field that is not among the arguments of its class."""

    tag: str = field(init=False, default="none")


@pytest.fixture
def shapes():
    return Registry(
        "shape", Shape, {"square": Square}, "register_shape", {"any": "takes whatever is there"}
    )


MODULE = """
from tests._support.test_registry import Square
class Round(Square):
    class Inner(Square):
        pass
number = 3
open({mark!r}, "a").close()
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module with a shape, which leaves a mark when it is imported: the mark."""
    mark = tmp_path / "MARK"
    (tmp_path / "more_shapes.py").write_text(MODULE.format(mark=str(mark)))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "more_shapes", raising=False)
    yield mark
    sys.modules.pop("more_shapes", None)


def test_a_registry_lists_what_it_was_given_and_what_was_added(shapes):
    shapes.register("box", Box)
    assert list(shapes) == ["square", "box"]
    assert shapes.find("box") is shapes["box"] is Box
    assert ("box" in shapes, "any" in shapes, len(shapes)) == (True, False, 2)


def test_a_class_is_registered_again_under_its_name_and_under_others(shapes):
    for name in ("box", "box", "crate"):
        shapes.register(name, Box)
    assert shapes["box"] is shapes["crate"] is Box


@pytest.mark.parametrize("name", ["square", "any", ""])
def test_a_name_that_is_taken_or_means_something_else_is_refused(shapes, name):
    sentence = f"^The name '{name}' cannot be given to the shape Box: choose another name, which no"
    with pytest.raises(HandfulError, match=sentence):
        shapes.register(name, Box)
    assert dict(shapes) == {"square": Square}


def test_a_class_that_left_is_known_by_what_became_of_it():
    gone = {"circle": "left the library after version 1.0: 'square' takes its place"}
    shapes = Registry("shape", Shape, {"square": Square}, "register_shape", gone=gone)
    assert (shapes.is_gone("circle"), shapes.is_gone("square")) == (True, False)
    for ask in (shapes.find, lambda name: shapes.make(name, {"side": 1.0})):
        with pytest.raises(HandfulError) as error:
            ask("circle")
        assert str(error.value) == f"The shape 'circle' {gone['circle']}."
    with pytest.raises(HandfulError, match=r"named 'oval': choose from square\."):
        shapes.find("oval")
    with pytest.raises(HandfulError, match="cannot be given to the shape Box: it belonged to"):
        shapes.register("circle", Box)


@pytest.mark.parametrize("found", [int, Square(), "Square", None])
def test_what_is_no_class_of_the_kind_is_refused(shapes, found):
    with pytest.raises(HandfulError, match=r"^A shape must be a class derived from handful\.Shape"):
        shapes.register("mine", found)
    assert "mine" not in shapes


def test_the_article_suits_the_kind():
    with pytest.raises(HandfulError, match=r"^An oval must be a class"):
        Registry("oval", Shape, {}, "register_oval").register("mine", int)


def test_a_class_is_imported_from_the_place_that_its_name_says(shapes, module):
    shapes.load("more_shapes:Round")
    assert shapes.find("more_shapes:Round") is sys.modules["more_shapes"].Round
    assert module.exists()
    module.unlink()
    del sys.modules["more_shapes"]
    shapes.load("more_shapes:Round")  # it is known: nothing is imported again
    assert not module.exists()


def test_the_name_of_a_class_inside_a_class_finds_it_again(shapes):
    name, settings = shapes.describe(Drawer.Ring(2.0))
    assert (name, settings) == (f"{__name__}:Drawer.Ring", {"width": 2.0})
    elsewhere = Registry("shape", Shape, {}, "register_shape")
    elsewhere.load(name)
    assert elsewhere.make(name, settings) == Drawer.Ring(2.0)


@pytest.mark.parametrize("name", ["square", "nothing", "any"])
def test_a_name_without_a_place_loads_nothing(shapes, name):
    shapes.load(name)
    assert dict(shapes) == {"square": Square}


@pytest.mark.parametrize("name", ["more_shapes:Oval", "no_such_module:Round"])
def test_a_place_without_a_class_is_one_sentence(shapes, module, name):
    with pytest.raises(HandfulError, match=f"^The shape '{name}' cannot be imported .*: check the"):
        shapes.load(name)


def test_a_place_with_something_else_is_one_sentence(shapes, module):
    with pytest.raises(HandfulError, match=r"a class derived from handful\.Shape, not 3"):
        shapes.load("more_shapes:number")


def test_what_a_file_names_is_imported_only_with_trust(shapes, module):
    name = "more_shapes:Round"
    with pytest.raises(
        HandfulError, match=rf"^The run 'a' uses a shape of its own, '{name}'.*--tr"
    ):
        shapes.load_stored(name, "The run 'a'", trust=False)
    assert not module.exists()
    shapes.load_stored(name, "The run 'a'", trust=True)
    assert shapes[name].__name__ == "Round"


def test_what_a_file_names_needs_no_trust_where_it_is_known(shapes):
    shapes.register("elsewhere:Box", Box)
    for name in ("elsewhere:Box", "square", "unknown"):
        shapes.load_stored(name, "The run 'a'", trust=False)
    assert "unknown" not in shapes


@pytest.mark.parametrize("trust", [False, True])
def test_what_a_file_names_in_another_program_cannot_be_imported(shapes, trust):
    sentence = (
        r"'__main__:Box', and that was made in a Python program .*handful\.register_shape\('_"
    )
    with pytest.raises(HandfulError, match=sentence):
        shapes.load_stored("__main__:Box", "The run 'a'", trust)


def test_another_program_can_import_what_is_the_librarys_or_in_a_module(shapes):
    shapes.register("box", Box)
    names = ["square", "box", "more_shapes:Round", "__main__:Box"]
    assert [shapes.is_importable(name) for name in names] == [True, False, True, False]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "sqare",
            r"^There is no shape named 'sqare' \(did you mean 'square'.*choose from square; ",
        ),
        ("any", "^There is no shape named 'any'.*; 'any' takes whatever is there"),
        ("elsewhere:Box", r"not known to this program: import its module.*register_shape\('else"),
    ],
)
def test_a_name_that_nothing_has_is_one_sentence(shapes, name, sentence):
    with pytest.raises(HandfulError, match=sentence):
        shapes.find(name)


def test_an_object_is_made_of_the_settings_that_differ(shapes):
    assert shapes.make("square", {}) == Square(1.0)
    assert shapes.make("square", {"side": 3.0}) == Square(3.0)


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("square", {"sid": 1.0}, r"'square' has no setting 'sid' \(did you mean 'side'.*it has si"),
        ("box", {"width": 1.0}, "^The shape 'box' needs a value for its setting 'height'"),
        ("frame", {}, "^The shape 'frame' needs a picture that it goes round"),
        ("tagged", {"tag": "mine"}, r"'tagged' has no setting 'tag'.*it has side\.$"),
    ],
)
def test_settings_that_do_not_make_an_object_are_refused(shapes, name, settings, sentence):
    for known, found in {"box": Box, "frame": Frame, "tagged": Tagged}.items():
        shapes.register(known, found)
    with pytest.raises(HandfulError, match=sentence):
        shapes.make(name, settings)


def test_a_setting_without_a_default_is_taken_when_it_is_given(shapes):
    shapes.register("box", Box)
    assert shapes.make("box", {"height": 5.0}) == Box(5.0, 2.0)


def test_a_list_of_json_or_yaml_is_taken_for_a_tuple(shapes):
    shapes.register("star", Star)
    made = shapes.make("star", {"arms": [3.0, 4.0]})
    assert made == Star((3.0, 4.0))
    assert hash(made) == hash(Star((3.0, 4.0)))


def test_an_object_is_described_by_its_name_and_all_its_settings(shapes):
    assert shapes.describe(Square(3.0)) == ("square", {"side": 3.0})
    name, settings = shapes.describe(Box(5.0))
    assert (name, settings) == (f"{__name__}:Box", {"height": 5.0, "width": 2.0})
    assert shapes.make(name, settings) == Box(5.0)


def test_a_given_name_is_preferred_to_the_place_of_a_class(shapes):
    shapes.register(f"{__name__}:Box", Box)
    assert shapes.describe(Box(5.0))[0] == f"{__name__}:Box"
    shapes.register("box", Box)
    assert shapes.describe(Box(5.0))[0] == "box"


@pytest.mark.parametrize("instance", [Blob(), Cut(4.0), Tagged()], ids=["blob", "cut", "tagged"])
def test_an_object_that_its_fields_do_not_make_again_is_refused(shapes, instance):
    kind = type(instance).__name__
    with pytest.raises(HandfulError, match=f"^The shape {kind} cannot be made again from its fie"):
        shapes.describe(instance)
    assert dict(shapes) == {"square": Square}


def test_settings_are_the_fields_of_a_dataclass():
    assert field_names(Box) == ["height", "width"]
    with pytest.raises(TypeError):
        field_names(Blob)


def test_a_class_that_was_described_by_its_place_is_not_offered(shapes):
    name, _ = shapes.describe(Box(height=2.0))
    assert shapes.find(name) is Box
    with pytest.raises(HandfulError, match="choose from square; 'any' takes"):
        shapes.find("cube")
