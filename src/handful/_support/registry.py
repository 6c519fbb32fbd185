"""Classes by name, to which the caller may add more; the settings of each are its fields."""

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any, Generic, TypeVar, cast

from handful._support.checks import did_you_mean
from handful.errors import HandfulError

T = TypeVar("T")

NEEDED = "needed"
"""The entry in a field's metadata that says in error messages what the setting is needed for."""


class Registry(dict[str, type[T]], Generic[T]):
    """The classes of one kind by name. Each is a frozen dataclass, whose fields are its settings.

    A class from outside is registered under a name of its own, or under ``module:Class``, the place
    where it can be imported from.

    Args:
        kind: the words for an instance in error messages, such as "assignment method".
        base: the class from which all of them are derived.
        classes: the classes that come with the library, by name.
        register_name: the public function that registers another class, for error messages.
        others: the names that stand for no class, each with what it does, for error messages.
        gone: the names of classes that left the library, each with what became of it, for error
            messages, such as "left the library after version 1.0: 'circle' takes its place".
    """

    def __init__(
        self,
        kind: str,
        base: type[T],
        classes: Mapping[str, type[T]],
        register_name: str,
        others: Mapping[str, str] | None = None,
        gone: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(classes)
        self._kind, self._base, self._library = kind, base, frozenset(classes)
        self._register_name, self._others, self._gone = register_name, others or {}, gone or {}

    def register(self, name: str, found: Any) -> None:
        """Give a class a name. The same class may get the same name again.

        Raises:
            HandfulError: if the name belongs to another class, or the class is of another kind.
        """
        if not (isinstance(found, type) and issubclass(found, self._base)):
            raise HandfulError(
                f"{self._a_kind} must be a class derived from handful.{self._base.__name__}, not "
                f"{found!r}."
            )
        if not name or self.get(name, found) is not found or name in self._others:
            raise HandfulError(
                f"The name '{name}' cannot be given to the {self._kind} {found.__name__}: choose "
                f"another name, which no other {self._kind} has."
            )
        if self.is_gone(name):
            raise HandfulError(
                f"The name '{name}' cannot be given to the {self._kind} {found.__name__}: it "
                f"belonged to another {self._kind}, and old files name that one by it. Choose "
                f"another name."
            )
        self[name] = found

    def load(self, name: str) -> None:
        """Import and register the class that ``module:Class`` names; leave other names alone.

        Only names from the caller may come here, since importing a module runs its code.

        Raises:
            HandfulError: if the module cannot be imported, or has no such class.
        """
        if ":" in name and name not in self:
            self.register(name, import_named(name, self._kind, "class"))

    def load_stored(self, name: str, source: str, trust: bool) -> None:
        """Make sure that this program knows the class that a file names.

        The file may come from a stranger, so nothing that it names is imported unless the caller
        trusts it.

        Args:
            name: the name in the file.
            source: the words for the file in error messages, such as ``The run in 'runs/one'``.
            trust: whether the caller trusts the file.

        Raises:
            HandfulError: if the class is not known, cannot be imported, or importing it needs the
                caller's consent.
        """
        if name in self or ":" not in name:
            return
        own = f"{source} uses {self._a_kind[0].lower()}{self._a_kind[1:]} of its own, '{name}', and"
        if not self.is_importable(name):
            raise HandfulError(
                f"{own} that was made in a Python program and cannot be imported: open it in that "
                f"program, after handful.{self._register_name}('{name}', ...)."
            )
        if not trust:
            raise HandfulError(
                f"{own} that names a module to import: that would run code which the file chooses. "
                f"If you trust the file and that code, say so with --trust (in Python: "
                f"trust=True), or import the module and call "
                f"handful.{self._register_name}('{name}', ...) before."
            )
        self.load(name)

    def is_importable(self, name: str) -> bool:
        """Return whether another program can know the class of that name by importing a module.

        That is so for the library's own classes, and for names like ``module:Class``, unless the
        module is the program itself.
        """
        if ":" in name:
            return name.partition(":")[0] != "__main__"
        return name in self._library or name not in self

    def is_gone(self, name: str) -> bool:
        """Return whether a class of that name was in the library once and is not any more."""
        return name in self._gone and name not in self

    def fate(self, name: str) -> str:
        """Return what became of a class that left the library.

        It is the part of a sentence that follows "the", as in "assignment method 'x' left the
        library".
        """
        return f"{self._kind} '{name}' {self._gone[name]}"

    @property
    def _a_kind(self) -> str:
        """The kind with its article, to begin a sentence with."""
        return f"{'An' if self._kind[0] in 'aeiou' else 'A'} {self._kind}"

    @property
    def _also(self) -> str:
        return "".join(f"; '{name}' {what}" for name, what in self._others.items())

    def find(self, name: str) -> type[T]:
        """Return the class of that name.

        Raises:
            HandfulError: if there is none.
        """
        if name in self:
            return self[name]
        if self.is_gone(name):
            raise HandfulError(f"The {self.fate(name)}.")
        if ":" in name:
            raise HandfulError(
                f"The {self._kind} '{name}' is not known to this program: import its module and "
                f"call handful.{self._register_name}('{name}', ...) before, in Python."
            )
        # A class that a run has used by its place in a module is known by that place, too.
        named = [known for known in self if ":" not in known]
        raise HandfulError(
            f"There is no {self._kind} named '{name}'{did_you_mean(name, named)}: choose from "
            f"{', '.join(named)}{self._also}."
        )

    def make(self, name: str, settings: Mapping[str, Any]) -> T:
        """Return an instance of the class of that name.

        Raises:
            HandfulError: if there is no such class, it has no such setting, or a setting that it
                must have is missing.
        """
        found = self.find(name)
        fields = {field.name: field for field in dataclasses.fields(cast(Any, found)) if field.init}
        unknown = sorted(set(settings) - set(fields))
        if unknown:
            raise HandfulError(
                f"The {self._kind} '{name}' has no setting '{unknown[0]}'"
                f"{did_you_mean(unknown[0], fields)}: it has "
                f"{', '.join(sorted(fields)) or 'none'}."
            )
        for field in fields.values():
            has_default = not (field.default is field.default_factory is dataclasses.MISSING)
            if not has_default and field.name not in settings:
                needed = field.metadata.get(NEEDED, f"a value for its setting '{field.name}'")
                raise HandfulError(f"The {self._kind} '{name}' needs {needed}.")
        # JSON and YAML have lists alone, also for settings that are tuples.
        meant = {
            name: tuple(value)
            if isinstance(value, list) and isinstance(fields[name].default, tuple)
            else value
            for name, value in settings.items()
        }
        return found(**meant)

    def describe(self, instance: T) -> tuple[str, dict[str, Any]]:
        """Return the name and all settings of an instance, from which an equal one can be made.

        A class without a name is registered as ``module:Class``.

        Raises:
            HandfulError: if the fields do not make an equal instance.
        """
        found = type(instance)
        try:
            settings = {name: getattr(instance, name) for name in field_names(found)}
            is_whole = found(**settings) == instance
        except TypeError:
            is_whole, settings = False, {}
        if not is_whole:
            raise HandfulError(
                f"The {self._kind} {found.__name__} cannot be made again from its fields: write it "
                f"as a dataclass with frozen=True, whose fields are all its settings."
            )
        # A registered name comes before the place from which the class can be imported.
        names = sorted((n for n, known in self.items() if known is found), key=lambda n: ":" in n)
        name = names[0] if names else f"{found.__module__}:{found.__qualname__}"
        self.register(name, found)
        return name, settings


def field_names(found: type) -> list[str]:
    """Return the names of a class's settings: the fields of a dataclass.

    Raises:
        TypeError: if the class is not a dataclass.
    """
    return [field.name for field in dataclasses.fields(found)]


def import_named(name: str, kind: str, thing: str) -> Any:
    """Import what ``module:attribute`` names; the attribute may be inside a class.

    Only names from the caller, or from a file that the caller trusts, may come here, since
    importing a module runs its code.

    Args:
        name: the name.
        kind: the words for it in the error message, such as "assignment method".
        thing: its kind in Python, such as "class", for the error message.

    Raises:
        HandfulError: if the module cannot be imported, or has no such attribute.
    """
    module, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise HandfulError(
            f"The {kind} '{name}' cannot be imported ({error}): check the names of the module and "
            f"of the {thing} in it."
        ) from None
    return found
