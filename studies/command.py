"""How the commands of this folder end: with one sentence where the input is wrong."""

import sys
from typing import Protocol, TypeVar

import tyro

from handful.errors import HandfulError

BAD_INPUT = 2
"""The exit code for input that a command cannot use."""


class Command(Protocol):
    """A dataclass of options that can be run."""

    def run(self) -> None:
        """Do what the command is for."""
        ...


C = TypeVar("C", bound=Command)


def run(command: type[C], arguments: list[str] | None = None) -> None:
    """Read a command's options, run it, and exit with code 2 and one sentence on bad input.

    Args:
        command: the class of the command; its fields are the options.
        arguments: the words of the command line; by default those of this process.
    """
    try:
        tyro.cli(command, args=arguments).run()
    except HandfulError as error:
        print(f"{error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except OSError as error:
        print(f"'{error.filename}' cannot be written or read ({error.strerror}).", file=sys.stderr)
        sys.exit(BAD_INPUT)
