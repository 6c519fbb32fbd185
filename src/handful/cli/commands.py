"""The commands of ``handful``, and how one is read from the arguments."""

import difflib
import io
import re
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stderr
from typing import Annotated, Any, Union

import tyro

from handful._support.checks import did_you_mean
from handful.cli.assign import Assign
from handful.cli.channel import results_alone
from handful.cli.check_env import CheckEnv
from handful.cli.choose import Choose
from handful.cli.compare import Compare
from handful.cli.evaluate import Evaluate
from handful.cli.export import Export, Verify
from handful.cli.optimum import OptimumCommand
from handful.cli.pool_frontier import FrontierCommand
from handful.cli.render import Render
from handful.cli.report import Report
from handful.cli.resume import Resume
from handful.cli.serve import Serve
from handful.cli.settings import Section, check_old_flags, take_untyped, with_sections
from handful.cli.sweep import Sweep
from handful.cli.tasks import Tasks
from handful.cli.train import Train
from handful.errors import HandfulError

COMMANDS: dict[str, type] = {
    "tasks": Tasks,
    "train": Train,
    "resume": Resume,
    "evaluate": Evaluate,
    "compare": Compare,
    "assign": Assign,
    "export": Export,
    "verify": Verify,
    "serve": Serve,
    "optimum": OptimumCommand,
    "choose": Choose,
    "frontier": FrontierCommand,
    "report": Report,
    "render": Render,
    "sweep": Sweep,
    "check-env": CheckEnv,
}

OWN_CODE = ("train", "sweep", "check-env", "optimum", "choose", "frontier", "tasks")
"""The commands whose arguments are the caller's own word for the code that they import."""


def runs_own_code(arguments: Sequence[str]) -> bool:
    """Return whether the command of these arguments may import modules of the working folder.

    Commands that open run folders or only read may not: somebody may stand in a stranger's folder
    when they look at the run in it. :func:`trusts_own_code` has the exceptions.
    """
    return bool(arguments) and arguments[0] in OWN_CODE


def trusts_own_code(command: Any) -> bool:
    """Return whether a command may import modules of the working folder from a run folder.

    It may if the caller trusts the folder, or names a module of their own for a logger.
    """
    names = getattr(command, "log", ())
    return getattr(command, "trust", False) or any(":" in name for name in names)


def read_command(arguments: list[str]) -> Any:
    """Return the command that the arguments ask for, ready to run.

    Raises:
        SystemExit: 0 after help was printed.
        HandfulError: if the arguments are wrong.
    """
    commands = dict(COMMANDS)
    arguments = task_first(arguments)
    name = arguments[0] if arguments else ""
    sections_of = getattr(commands.get(name), "sections", None)
    if sections_of is not None:
        # Modules of the caller's that print while they are imported do not mix with a result.
        with results_alone() if "--json" in arguments else nullcontext():
            sections: list[Section] = sections_of(arguments[1:])
        check_old_flags(arguments, sections)
        for section in sections:
            if section.untyped:
                known = [setting.name for setting in section.settings]
                arguments, _ = take_untyped(arguments, section.name, known)
        commands[name] = with_sections(commands[name], sections)
    kinds = [
        Annotated[kind, tyro.conf.subcommand(name, prefix_name=False)]
        for name, kind in commands.items()
    ]
    complaint = io.StringIO()
    try:
        with redirect_stderr(complaint):
            return tyro.cli(
                Union[tuple(kinds)],  # type: ignore[arg-type]  # noqa: UP007
                prog="handful",
                description="A handful of policies for everyone: train k policies for n users. "
                "'handful --version' prints the version.",
                args=arguments,
            )
    except SystemExit as stop:
        if not stop.code:
            raise
    raise HandfulError(one_sentence(complaint.getvalue()))


def task_first(arguments: list[str]) -> list[str]:
    """Move a task that stands right after the budgets to the front, or it would be one of them.

    Args:
        arguments: the command and its arguments.

    Returns:
        the arguments, in another order if the command takes budgets and is not given the task
        first.
    """
    starts_with_flag = len(arguments) > 1 and arguments[1].startswith("-")
    if not (starts_with_flag and "--policies" in arguments):
        return arguments
    first = arguments.index("--policies") + 1
    rest = arguments[first:]
    behind = next((i for i, one in enumerate(rest) if not one.isdecimal()), len(rest))
    if behind == 0 or behind == len(rest) or rest[behind].startswith("-"):
        return arguments
    task = arguments[first + behind]
    others = [*arguments[1 : first + behind], *arguments[first + behind + 1 :]]
    return [arguments[0], task, *others]


_RULE = re.compile("[─-]{10,}")
"""The line between the sections of a message of tyro's; a plain terminal has it in ASCII."""


def one_sentence(box: str) -> str:
    """Return a message of tyro's, which is a box with sections, as one sentence.

    Args:
        box: the message that tyro printed. Its first section says what is wrong; another may name
            the flags that were perhaps meant, or the commands that exist.

    Returns:
        what is wrong, and what was perhaps meant.
    """
    sections: list[list[str]] = [[]]
    for line in box.rstrip("\n ╰─╯").splitlines():
        if _RULE.fullmatch(line.strip(" │")):
            sections.append([])
        else:
            sections[-1].append(line[2:].rstrip(" │"))
    if box.lstrip().startswith("╭"):  # the title is in the frame
        del sections[0][0]
    elif len(sections) > 1:
        del sections[0]
    first = " ".join(line.strip() for line in sections[0]).rstrip(".")
    if first.startswith("Missing from"):
        flags = [line.strip() for line in sections[0] if re.match(r" {4}\S", line)]
        first = f"{sections[0][0].removeprefix('Missing from ').rstrip(':')} needs {_listed(flags)}"
    for title, *rest in sections[1:]:
        if title == "Perhaps you meant:":
            flags = re.findall(r"--[\w.-]+", " ".join(rest))
            asked = first.partition(": ")[2].partition(",")[0]
            close = difflib.get_close_matches(asked, flags, n=1, cutoff=0)
            first += f" (did you mean '{close[0]}'?)"
        elif title == "Argument helptext:":
            first += f"; it is {rest[0].strip()}"
        elif title.startswith("Available subcommands: "):
            known = " ".join([title, *rest]).partition(": ")[2].split(", ")
            first += did_you_mean(first.partition(": ")[2].partition(",")[0], known)
            first += f": the commands are {', '.join(known)}"
    return f"{first or 'The arguments are not understood'}."


def _listed(things: Sequence[str]) -> str:
    return ", ".join(things[:-1]) + (" and " if things[1:] else "") + things[-1]
