"""``handful``: finds the command, runs it, and turns what went wrong into one sentence.

Modules that take long to import are imported in :func:`main`, after the program has begun to listen
to signals.
"""

import io
import os
import sys
from contextlib import nullcontext

from handful.cli.stopping import end_if_asked, stops_heard

BAD_INPUT = 2

OUT_OF_MEMORY = "RESOURCE_EXHAUSTED"
"""The beginning of XLA's message when memory is exhausted."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit.

    The exit code is 0 if all went well. It is 1 if an environment was checked and has defects, or a
    run of a sweep failed. It is 2 after bad input, or if a file cannot be read or written; one
    sentence says why. It is 128 + the signal's number if the program was asked to stop (training
    saves its state first). Any other code is a defect of the library.
    """
    with stops_heard():
        try:
            _run(sys.argv[1:] if arguments is None else arguments)
        except BaseException:
            end_if_asked()
            raise
        end_if_asked()


def _run(arguments: list[str]) -> None:
    from handful.cli.output import say, say_error, show
    from handful.errors import HandfulError

    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal without ± must not cost the result
        sys.stdout.reconfigure(errors="replace")
    try:
        try:
            if arguments[:1] == ["--version"]:
                from handful import __version__

                show(f"handful {__version__}")
            else:
                from handful.cli.channel import results_alone
                from handful.cli.commands import read_command, runs_own_code, trusts_own_code

                if runs_own_code(arguments):
                    _import_from_here()
                command = read_command(arguments)
                if trusts_own_code(command):
                    _import_from_here()
                with results_alone() if getattr(command, "json", False) else nullcontext():
                    command.run()
        finally:
            sys.stdout.flush()  # an error of writing is raised here at the latest
    except HandfulError as error:
        say_error(str(error))
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        end_if_asked()
        say("handful: stopped.")
        sys.exit(130)
    except BrokenPipeError:  # the reader of the output has closed it
        _discard_output()
    except OSError as error:
        say_error(_sentence(error))
        try:
            sys.stdout.flush()
        except OSError:  # it is the output that cannot be written
            _discard_output()
        sys.exit(BAD_INPUT)
    except Exception as error:
        if not (isinstance(error, MemoryError) or OUT_OF_MEMORY in str(error)):
            _tell_of_backend()
            raise
        say_error("What was asked for does not fit into memory: ask for less of it.")
        sys.exit(BAD_INPUT)


def _import_from_here() -> None:
    """Let Python find modules of the caller's own in the working folder."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())


def _tell_of_backend() -> None:
    """Exit if what went wrong is that JAX has no device to compute on."""
    from handful.cli.output import say_error
    from handful.errors import HandfulError

    if "jax" not in sys.modules:
        return
    from handful._support.backend import check_backend

    try:
        check_backend()
    except HandfulError as error:
        say_error(str(error))
        sys.exit(BAD_INPUT)


def _sentence(error: OSError) -> str:
    """Say what the system refused to do, and with which file if it names one."""
    reason = error.strerror or str(error) or type(error).__name__
    path = error.filename2 or error.filename  # if there are two files, the new one
    if path is None:
        return f"The output or a file cannot be written or read ({reason})."
    return f"'{os.fsdecode(path)}' cannot be written or read ({reason})."


def _discard_output() -> None:
    """Discard what is still to be written; Python would try to write it again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
