"""Classes by name, of which the caller may add their own: the settings of each are its fields."""

import dataclasses
import importlib
from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

from handful._support.checks import did_you_mean
from handful.errors import HandfulError

T = TypeVar("T")


class Registry(Mapping[str, type[T]], Generic[T]):
    """The classes of one kind by name. Each is a frozen dataclass, whose fields are its settings.

    A class from outside is registered under a name of its own, or under ``module:Class``, the place
    where it can be imported from.

    Args:
        kind: what an instance is called in sentences, as "assignment method".
        base: the class that all of them are derived from.
        classes: those that come with the library, by name.
        register_name: the public function that registers another one, for sentences.
        reserved: names that no class may have.
    """

    def __init__(
        self,
        kind: str,
        base: type[T],
        classes: Mapping[str, type[T]],
        register_name: str,
        reserved: tuple[str, ...] = (),
    ) -> None:
        self._kind, self._base, self._classes = kind, base, dict(classes)
        self._register_name, self._reserved = register_name, reserved

    def __getitem__(self, name: str) -> type[T]:
        return self._classes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)

    def register(self, name: str, found: Any) -> None:
        """Give a class a name. The same class may be registered again under the name that it has.

        Raises:
            HandfulError: if the name belongs to another class, or the class is of another kind.
        """
        if not (isinstance(found, type) and issubclass(found, self._base)):
            raise HandfulError(
                f"The {self._kind} '{name}' must be a class derived from "
                f"handful.{self._base.__name__}, not {found!r}."
            )
        if not name or self._classes.get(name, found) is not found or name in self._reserved:
            raise HandfulError(
                f"The name '{name}' cannot be given to the {self._kind} {found.__name__}: choose "
                f"another name, which no other {self._kind} has."
            )
        self._classes[name] = found

    def load(self, name: str) -> None:
        """Import and register the class that ``module:Class`` names; leave other names alone.

        Only the caller's own words may come here, as importing a module runs its code.

        Raises:
            HandfulError: if the module cannot be imported, or has no such class.
        """
        module, _, attribute = name.partition(":")
        if not attribute or name in self._classes:
            return
        try:
            found = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise HandfulError(
                f"The {self._kind} '{name}' cannot be imported ({error}): check the names of the "
                f"module and of the class in it."
            ) from None
        self.register(name, found)

    def find(self, name: str) -> type[T]:
        """The class of that name.

        Raises:
            HandfulError: if there is none.
        """
        if name in self._classes:
            return self._classes[name]
        if ":" in name:
            raise HandfulError(
                f"The {self._kind} '{name}' is not known to this program: import its module and "
                f"call handful.{self._register_name}('{name}', ...) before, in Python."
            )
        raise HandfulError(
            f"There is no {self._kind} named '{name}'{did_you_mean(name, self._classes)}: choose "
            f"from {', '.join(self._classes)}."
        )

    def make(self, name: str, settings: Mapping[str, Any]) -> T:
        """An instance of the class of that name.

        Raises:
            HandfulError: if there is no such class, or it has no such setting.
        """
        found = self.find(name)
        fields = field_names(found)
        unknown = sorted(set(settings) - set(fields))
        if unknown:
            raise HandfulError(
                f"The {self._kind} '{name}' has no setting '{unknown[0]}'"
                f"{did_you_mean(unknown[0], fields)}: it has "
                f"{', '.join(sorted(fields)) or 'none'}."
            )
        return found(**settings)

    def describe(self, instance: T) -> tuple[str, dict[str, Any]]:
        """What makes an equal instance again: its name, and all its settings.

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
        names = [name for name, known in self._classes.items() if known is found]
        name = names[0] if names else f"{found.__module__}:{found.__qualname__}"
        self.register(name, found)
        return name, settings


def field_names(found: type) -> list[str]:
    """The names of a class's settings: the fields of a dataclass.

    Raises:
        TypeError: if the class is no dataclass.
    """
    return [field.name for field in dataclasses.fields(found)]
