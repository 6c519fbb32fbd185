"""``handful``: finds the command, runs it, and turns what went wrong into one sentence."""

import io
import os
import sys
from typing import Annotated

import tyro

from handful.cli.check_env import CheckEnv
from handful.cli.evaluate import Evaluate
from handful.cli.figures import Figures
from handful.cli.leaderboard import LeaderboardCommand
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
    | Annotated[Figures, tyro.conf.subcommand("figures")]
    | Annotated[LeaderboardCommand, tyro.conf.subcommand("leaderboard")]
    | Annotated[CheckEnv, tyro.conf.subcommand("check-env")]
)

BAD_INPUT = 2


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit.

    Exit codes: 0 done; 1 where an environment was checked and has defects, or a run of a sweep
    failed; 2 bad input, or what cannot be read or written, told in one sentence; 128 + the signal's
    number where training was asked to stop and saved its state; anything else is a defect of ours.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal without ± must not cost the result
        sys.stdout.reconfigure(errors="replace")
    command = tyro.cli(
        Command,  # type: ignore[arg-type]
        prog="handful",
        description="A handful of policies for everyone: train k policies for n users.",
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes,),
    )
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # for environments of the caller's own, given as module:NAME
    try:
        try:
            command.run()
        finally:
            sys.stdout.flush()  # here what cannot be written is told too
    except HandfulError as error:
        print(f"handful: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        print("handful: stopped.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # whoever read our output has seen enough
        _discard_output()
    except OSError as error:
        print(f"handful: {_sentence(error)}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:  # it is the output that cannot be written
            _discard_output()
        sys.exit(BAD_INPUT)


def _sentence(error: OSError) -> str:
    """What the system would not do, and where if it says so."""
    reason = error.strerror or str(error) or type(error).__name__
    path = error.filename2 or error.filename  # of two, the one that was to be made
    if path is None:
        return f"The output or a file cannot be written or read ({reason})."
    return f"'{os.fsdecode(path)}' cannot be written or read ({reason})."


def _discard_output() -> None:
    """What is still to be written is let go, or Python would try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
