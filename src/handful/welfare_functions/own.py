"""A welfare function of the caller's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from handful.errors import HandfulError
from handful.welfare_functions.base import Welfare


@dataclass(frozen=True)
class OwnWelfare(Welfare):
    """A welfare function of the caller's own: a function of ``jax.numpy`` from utilities [N].

    Args:
        function: the function. Bounds hold if it is concave.
        given_name: its name.
    """

    function: Callable[[Any], Any]
    given_name: str = "own"

    @property
    def name(self) -> str:
        """The name that was given."""
        return self.given_name

    def value(self, utilities: Any, weights: Any = None) -> Any:
        """Give the function's value; the weights of users are the function's own matter."""
        made = self.function(utilities)
        return float(made) if isinstance(utilities, np.ndarray) else made

    def gradient(self, utilities: np.ndarray, weights: Any = None) -> np.ndarray:
        """Give the gradient by JAX, in single precision."""
        import jax
        import jax.numpy as jnp

        made = np.asarray(jax.grad(self.function)(jnp.asarray(utilities, jnp.float32)), np.float64)
        if not np.isfinite(made).all():
            raise HandfulError(
                f"The welfare function '{self.name}' has no finite gradient where users earn from "
                f"{np.min(utilities):g} to {np.max(utilities):g}: let it keep away from places "
                f"like log(0)."
            )
        return made
