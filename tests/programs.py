"""Programs that tests start as a user would, in processes of their own or in this one."""

import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO

START_OF_A_PROGRAM = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
"""
"""Signals as a program in a terminal has them, also where tests run in the background."""


def handful(*arguments, cwd, check=True):
    """Run the command line in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "handful", *map(str, arguments)],
        cwd=cwd,
        check=check,
        capture_output=True,
        text=True,
    )


def handful_here(*arguments, cwd, check=True):
    """Run the command line in a folder, in this process, where importing JAX costs nothing more."""
    from handful.cli.main import main

    code, output, errors = 0, StringIO(), StringIO()
    with chdir(cwd), redirect_stdout(output), redirect_stderr(errors):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
    done = subprocess.CompletedProcess(arguments, code, output.getvalue(), errors.getvalue())
    if check:
        assert code == 0, done.stderr
    return done


def error_without(missing, module):
    """What importing a module of handful says where a package is not installed."""
    program = f"""
import importlib, sys
sys.modules[{missing!r}] = None
from handful.errors import HandfulError
try:
    importlib.import_module({module!r})
except HandfulError as error:
    print(error)
"""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
