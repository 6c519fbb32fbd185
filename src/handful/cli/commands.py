"""The commands of ``handful``, and how one is read from the arguments."""

from typing import Annotated, Any

import tyro

from handful._support.controls import escaped, has_controls
from handful.cli.check_env import CheckEnv
from handful.cli.evaluate import Evaluate
from handful.cli.optimum import OptimumCommand
from handful.cli.render import Render
from handful.cli.report import Report
from handful.cli.resume import Resume
from handful.cli.sweep import Sweep
from handful.cli.tasks import Tasks
from handful.cli.train import Train
from handful.errors import HandfulError

Command = (
    Annotated[Tasks, tyro.conf.subcommand("tasks")]
    | Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Resume, tyro.conf.subcommand("resume")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[OptimumCommand, tyro.conf.subcommand("optimum")]
    | Annotated[Report, tyro.conf.subcommand("report")]
    | Annotated[Render, tyro.conf.subcommand("render")]
    | Annotated[Sweep, tyro.conf.subcommand("sweep")]
    | Annotated[CheckEnv, tyro.conf.subcommand("check-env")]
)


OWN_CODE = (Train, Sweep, CheckEnv, OptimumCommand, Tasks)
"""Commands whose arguments are the caller's own word for what they make."""


def runs_own_code(command: Any) -> bool:
    """Whether a command may import modules of the working folder.

    Commands that open run folders or only read may not, unless the caller trusts what they open:
    somebody may stand in a stranger's folder when they look at the run in it.
    """
    return isinstance(command, OWN_CODE) or getattr(command, "trust", False)


def read_command(arguments: list[str]) -> Any:
    """The command that the arguments ask for, ready to run.

    Raises:
        SystemExit: 0 after help was printed, 2 after what is wrong with the arguments was.
        HandfulError: if they are wrong in a way that cannot be shown as it stands.
    """
    if not any(map(has_controls, arguments)):
        return _parsed(arguments)
    try:
        return _parsed(arguments, console_outputs=False)
    except SystemExit:  # what is wrong is told of arguments that a terminal can show
        _parsed([escaped(argument) for argument in arguments])
    raise HandfulError("An argument holds control characters and is not understood: leave it out.")


def _parsed(arguments: list[str], console_outputs: bool = True) -> Any:
    return tyro.cli(
        Command,  # type: ignore[arg-type]
        prog="handful",
        description="A handful of policies for everyone: train k policies for n users. "
        "'handful --version' prints the version.",
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes,),
        console_outputs=console_outputs,
    )
