"""How far a long piece of work is, told to whoever watches."""

from collections.abc import Callable

Watch = Callable[[float], None]
"""Is told the share of the work that is done, from 0 to 1, and may raise to end it."""


def unwatched(share: float) -> None:
    """Nobody watches."""


def part(watch: Watch, index: int, count: int) -> Watch:
    """Who watches one of ``count`` equal parts, where ``watch`` watches all of them."""
    return lambda share: watch((index + share) / count)
