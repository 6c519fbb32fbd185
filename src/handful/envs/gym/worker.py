"""What a worker process does: step its slice of the copies when it is told to.

Messages are short: ``("reset", indices)``, ``"step"`` and ``"close"`` come in, and None goes out
when it is done, or the sentence that says why it could not be. Numbers go through shared memory.
"""

import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful.envs.gym.slice import Arrays, Blueprint, Slice
from handful.errors import HandfulError

SharedArray = tuple[Any, tuple[int, ...], str]
"""Memory that processes share, with the shape and type of the array in it."""


def view(shared: SharedArray) -> NDArray[Any]:
    """The array in shared memory."""
    memory, shape, dtype = shared
    return np.frombuffer(memory, dtype=dtype).reshape(shape)


def work(
    connection: Connection,
    blueprint: Blueprint,
    seeds: Sequence[int],
    shared: Sequence[SharedArray],
    rows: tuple[int, int],
) -> None:
    """Serve until told to close, or until whoever gives the orders is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the business of who gives the orders
    arrays = Arrays(*(view(array) for array in shared)).part(slice(*rows))
    copies = None
    try:
        copies = Slice(blueprint, seeds, arrays)
        connection.send(None)
        while (order := connection.recv()) != "close":
            if order == "step":
                copies.step()
            else:
                copies.reset(np.array(order[1]))
            connection.send(None)
    except HandfulError as error:
        connection.send(str(error))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # nobody is there any more
    finally:
        if copies is not None:
            copies.close()
