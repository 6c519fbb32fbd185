"""The sources of an environment's copies: a name, a function, or an object to copy."""

import copy
import importlib
import importlib.util
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from handful._support.foreign import failure as foreign_failure
from handful._support.foreign import pass_on_stop, told
from handful._support.installing import install_command
from handful.envs.gym.loading import drawing_hint
from handful.errors import HandfulError

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # else it prints to standard output


class NotFoundError(HandfulError):
    """The error for an environment's name that is not known here."""


@runtime_checkable
class Source(Protocol):
    """A function that makes copies of one environment.

    It is sent to worker processes, so it must be picklable.
    """

    def __call__(self) -> Any:
        """Make a ``gymnasium.Env`` that is independent of all others."""
        ...

    @property
    def label(self) -> str:
        """The words for the environment in error messages."""
        ...


@dataclass(frozen=True)
class Registered:
    """An environment that Gymnasium knows by name.

    Attributes:
        env_id: ``ENV-ID``, ``module:ENV-ID`` if a module registers it when it is imported; or
            ``module:name`` of a class or function that makes the environment.
        options: the keyword arguments of the environment.
        registry: a module that registers environments and is imported first.
    """

    env_id: str
    options: Mapping[str, Any] = field(default_factory=dict)
    registry: str = ""

    @property
    def label(self) -> str:
        """The name of the environment."""
        return self.env_id

    def __call__(self) -> Any:
        """Make the environment, without Gymnasium's own checker, which rejects vector rewards."""
        gymnasium = import_gymnasium()
        for module in filter(None, (self.registry, self.env_id.rpartition(":")[0])):
            _import(module)
        module, _, name = self.env_id.rpartition(":")
        if name in gymnasium.registry or not module:
            return gymnasium.make(name, disable_env_checker=True, **self.options)
        factory = getattr(sys.modules[module], name, None)
        if factory is None:
            raise NotFoundError(
                f"The module '{module}' neither registers an environment '{name}' with Gymnasium "
                f"nor has a class or function of that name."
            )
        return factory(**self.options)


@dataclass(frozen=True)
class Factory:
    """A function of the caller that makes the environment."""

    function: Callable[[], Any]

    @property
    def label(self) -> str:
        """The name of the function."""
        return getattr(self.function, "__name__", "the environment")

    def __call__(self) -> Any:
        """Make the environment with the function."""
        return self.function()


@dataclass(frozen=True)
class CopyOf:
    """Copies of an object, with all its wrappers."""

    environment: Any

    @property
    def label(self) -> str:
        """The name of the object's class."""
        return type(self.environment.unwrapped).__name__

    def __call__(self) -> Any:
        """Return a deep copy of the object."""
        try:
            return copy.deepcopy(self.environment)
        except BaseException as error:
            pass_on_stop(error)
            raise HandfulError(
                f"The environment cannot be copied ({told(error)}): give a function that makes "
                f"one instead of an object."
            ) from None


def find_source(env: Any, options: Mapping[str, Any] | None = None, registry: str = "") -> Source:
    """Return the source of copies of ``env``: a name, an environment, or a function.

    Raises:
        HandfulError: if it is none of these.
    """
    if isinstance(env, str):
        return Registered(env, dict(options or {}), registry)
    if options:
        raise HandfulError(
            "Options belong to an environment that is given by name: put them into the object."
        )
    if isinstance(env, import_gymnasium().Env):
        return CopyOf(env)
    if callable(env):
        return Factory(env)
    raise HandfulError(
        f"An environment is given as a name, a gymnasium.Env, or a function that makes one, not "
        f"as {type(env).__name__}."
    )


def build(source: Source) -> Any:
    """Make one environment from a source.

    Raises:
        HandfulError: if making it fails, or if it is not an environment; the message is one
            sentence.
    """
    gymnasium = import_gymnasium()
    try:
        with warnings.catch_warnings():  # warnings on how spaces are written do not help here
            warnings.simplefilter("ignore")
            env = source()
    except HandfulError:
        raise
    except gymnasium.error.UnregisteredEnv as error:
        hint = _registry_hint(source.label)
        raise NotFoundError(f"Gymnasium: {_one_line(error)}{hint}") from None
    except gymnasium.error.Error as error:
        raise HandfulError(f"Gymnasium cannot make '{source.label}': {_one_line(error)}") from None
    except BaseException as error:
        sentence = foreign_failure(f"Making the environment '{source.label}' failed", error)
        if _comes_from_drawing(error):
            sentence = HandfulError(f"{str(sentence).rstrip('.')}{drawing_hint()}.")
        raise sentence from None
    if not isinstance(env, gymnasium.Env):
        raise HandfulError(
            f"'{source.label}' made a {type(env).__name__}, which is no gymnasium.Env."
        )
    return env


def _comes_from_drawing(error: BaseException) -> bool:
    """Return whether an error was raised while MuJoCo or OpenGL looked for a way to draw."""
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    return any(os.sep + part in file for file in files for part in ("mujoco", "OpenGL"))


def _registry_hint(env_id: str) -> str:
    """Return advice for a name that is unknown because its module was not imported."""
    namespace, slash, _ = env_id.rpartition("/")
    if ":" in env_id:
        return ""
    if slash and importlib.util.find_spec(namespace.partition(".")[0]) is not None:
        return f" If the module '{namespace}' registers it, write '{namespace}:{env_id}'."
    module = namespace or "MODULE"
    return f" If a module registers it, write the module first, as '{module}:{env_id}'."


def import_gymnasium() -> Any:
    """Return the package ``gymnasium``.

    Raises:
        HandfulError: if Gymnasium is not installed.
    """
    try:
        import gymnasium
    except ImportError:
        raise HandfulError(
            f"Environments of Gymnasium need it: {install_command('gymnasium')}."
        ) from None
    return gymnasium


def import_mo_gymnasium() -> None:
    """Import MO-Gymnasium, which registers its environments.

    Raises:
        HandfulError: if it is not installed.
    """
    try:
        import mo_gymnasium  # noqa: F401
    except ImportError:
        raise HandfulError(
            f"The task 'mo-gymnasium' needs MO-Gymnasium: {install_command('mo-gymnasium')}."
        ) from None


def _import(module: str) -> None:
    try:
        importlib.import_module(module)
    except ImportError as error:
        missing = (error.name or module).partition(".")[0]
        what = f"'{missing}'" if missing == module else f"'{missing}', which '{module}' needs,"
        raise NotFoundError(
            f"The module {what} cannot be imported ({_one_line(error)}): install it, or run where "
            f"it can be found."
        ) from None


def failure(doing: str, error: BaseException) -> HandfulError:
    """Return the one-sentence error for an exception from within an environment.

    The sentence says where the exception came from.

    Raises:
        KeyboardInterrupt: the error itself, if Ctrl-C raised it and not the environment.
    """
    return foreign_failure(f"The environment failed in {doing}", error)


def close(env: Any) -> None:
    """Close an environment.

    An error in it is ignored: all steps are done by then, and no result depends on it.
    """
    try:
        env.close()
    except BaseException as error:
        pass_on_stop(error)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
