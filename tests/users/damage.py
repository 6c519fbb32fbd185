"""Damaged copies of a file, the same ones every time."""

import random
from collections.abc import Callable, Iterable, Iterator

from handful.errors import HandfulError


def damaged_copies(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Copies that are cut, have some other bytes, or have some bits the other way round."""
    draw = random.Random(seed)
    for number in range(count):
        copy = bytearray(data)
        if number % 4 == 0:
            del copy[draw.randrange(len(copy)) :]
        elif number % 4 == 1:
            for _ in range(draw.randrange(1, 4)):
                copy[draw.randrange(len(copy))] = draw.randrange(256)
        elif number % 4 == 2:  # where files describe themselves
            copy[-draw.randrange(1, min(1000, len(copy)))] = draw.randrange(256)
        else:
            for _ in range(draw.randrange(1, 30)):
                copy[draw.randrange(4, len(copy))] ^= 1 << draw.randrange(8)
        yield bytes(copy)


def sentences(read: Callable[[bytes], object], copies: Iterable[bytes]) -> list[str]:
    """What is said of those copies that are refused. Any error but HandfulError goes on."""
    said = []
    for copy in copies:
        try:
            read(copy)
        except HandfulError as error:
            said.append(str(error))
    return said
