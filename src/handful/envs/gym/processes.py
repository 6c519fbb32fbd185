"""Processes that step slices of the copies side by side.

A process steps many copies, one after the other, and all processes work at once. Processes are
forked from a server that has only Gymnasium loaded (forking this process would deadlock JAX). They
end by themselves when this process ends for any reason.
"""

import contextlib
import itertools
import multiprocessing
import sys
import types
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful.envs.gym.worker import Arrays, Blueprint, SharedArray, view, work
from handful.errors import HandfulError

_PATIENCE = 2.0
"""Seconds that a process has to close its environments before it is killed."""


def why_not_sent(blueprint: Blueprint) -> str | None:
    """Return why copies cannot be made in another process; None if they can."""
    try:
        ForkingPickler.dumps(blueprint)
    except Exception as error:
        return " ".join(str(error).split())
    return None


def comes_from_script(blueprint: Blueprint) -> bool:
    """Return whether another process would have to run the caller's script to make copies."""
    return b"__main__" in bytes(ForkingPickler.dumps(blueprint))


class Processes:
    """Worker processes and the memory that they share.

    Args:
        blueprint: the blueprint of the copies.
        seeds: the seed of each copy [M].
        shapes: the shapes and types of the arrays of all copies.
        num_processes: the number of processes, which is never larger than the number of copies.

    Raises:
        HandfulError: if the environment cannot be sent to a process or made there; and from its
            methods, if an environment fails or a process dies.
    """

    def __init__(
        self, blueprint: Blueprint, seeds: Sequence[int], shapes: Arrays, num_processes: int
    ) -> None:
        reason = why_not_sent(blueprint)
        if reason:
            raise HandfulError(
                f"The environment or its features cannot be sent to another process ({reason}): "
                f"define them at the top level of a module, or step them in this process with "
                f"processes=1."
            )
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([work.__module__, "gymnasium"])
        shared = [_share(context, array) for array in shapes]
        self.arrays = Arrays(*(view(array) for array in shared))
        bounds = np.linspace(0, len(seeds), min(num_processes, len(seeds)) + 1).astype(int)
        self._rows = [(int(a), int(b)) for a, b in itertools.pairwise(bounds)]
        self._processes: list[Any] = []
        self._connections: list[Connection] = []
        try:
            with _script_if(comes_from_script(blueprint)):
                for rows in self._rows:
                    self._start(context, (blueprint, seeds[slice(*rows)], shared, rows))
            self._await(range(len(self._rows)))
        except BaseException:
            self.close()
            raise

    def _start(self, context: Any, work_on: tuple[Any, ...]) -> None:
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(theirs, *work_on), daemon=True)
        process.start()
        theirs.close()  # so that reading fails when the process dies
        self._processes.append(process)
        self._connections.append(ours)

    def reset(self, which: NDArray[Any]) -> None:
        """Start new episodes in the copies ``which``."""
        asked = []
        for index, (start, end) in enumerate(self._rows):
            mine = which[(which >= start) & (which < end)] - start
            if len(mine):
                self._send(index, ("reset", mine.tolist()))
                asked.append(index)
        self._await(asked)

    def step(self) -> None:
        """Take one action in every copy."""
        for index in range(len(self._connections)):
            self._send(index, "step")
        self._await(range(len(self._connections)))

    def close(self) -> None:
        """End the processes."""
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.send("close")
            connection.close()
        for process in self._processes:
            process.join(_PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()
        self._connections, self._processes = [], []

    def _send(self, index: int, order: Any) -> None:
        try:
            self._connections[index].send(order)
        except OSError:
            raise self._death(index) from None

    def _await(self, asked: Sequence[int] | range) -> None:
        """Wait for the answers of all processes that were asked, then raise the first failure."""
        failures = []
        for index in asked:
            try:
                failures.append(self._connections[index].recv())
            except (EOFError, OSError):
                raise self._death(index) from None
        sentence = next(filter(None, failures), None)
        if sentence:
            raise HandfulError(sentence)

    def _death(self, index: int) -> HandfulError:
        process = self._processes[index]
        process.join(_PATIENCE)
        code = process.exitcode
        if code is not None and code < 0:
            return HandfulError(
                f"A process that stepped the environment was killed by signal {-code}: look at its "
                f"memory, or at native code in the environment."
            )
        return HandfulError(
            f"A process that stepped the environment ended by itself (exit code {code}): see what "
            f"it printed above; a script that defines its own environment must train under "
            f"`if __name__ == '__main__':`, or step it in this process with processes=1."
        )


def _share(context: Any, array: NDArray[Any]) -> SharedArray:
    memory = context.RawArray("b", max(array.nbytes, 1))
    return memory, array.shape, array.dtype.str


@contextlib.contextmanager
def _script_if(needed: bool) -> Iterator[None]:
    """Let new processes run the caller's script first only if they need what it defines.

    A script that trains at its top level would train again in every process.
    """
    if needed:
        yield
        return
    script = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script
