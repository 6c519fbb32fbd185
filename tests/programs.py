"""Programs that tests start as a user would, in processes of their own."""

import subprocess
import sys

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
