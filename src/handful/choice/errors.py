"""The errors of measured returns: independent ones by their standard errors, or a covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from handful._support.checks import brief
from handful.errors import HandfulError

_NEGATIVE = 1e-8
"""How negative an eigenvalue of a covariance may be, as a share of the largest: rounding."""


@dataclass(frozen=True, eq=False)
class ReturnErrors:
    """Normal errors of a table of returns. Errors of different policies are independent.

    Attributes:
        stderrs: the standard error of each return, [M, N].
        roots: for each policy a matrix whose product with its transpose is the covariance of the
            users' errors, [M, N, N]; None if these are independent, too.
    """

    stderrs: np.ndarray
    roots: np.ndarray | None

    @classmethod
    def of(cls, standard_errors: Any, covariance: Any, shape: tuple[int, int]) -> ReturnErrors:
        """Check what a caller gave.

        Args:
            standard_errors: one for all returns, or one for each, [M, N].
            covariance: the covariance of the users' returns under each policy, [M, N, N], in place
                of standard errors: users who were measured on the same episodes err together.
            shape: ``(M, N)``.

        Raises:
            HandfulError: if neither or both are given, or one does not fit.
        """
        if (standard_errors is None) == (covariance is None):
            raise HandfulError("Give either the standard errors of the returns or a covariance.")
        if covariance is None:
            stderrs = _numbers(standard_errors, "The standard errors")
            if stderrs.shape not in ((), shape):
                raise HandfulError(
                    f"The standard errors must be one number, or a table of {shape[0]} policies × "
                    f"{shape[1]} users as the returns are, not an array of shape "
                    f"{list(stderrs.shape)}."
                )
            if stderrs.min() < 0.0:
                raise HandfulError("Standard errors must not be negative.")
            return cls(np.broadcast_to(stderrs, shape).copy(), None)
        matrices = _numbers(covariance, "The covariance")
        if matrices.shape != (shape[0], shape[1], shape[1]):
            raise HandfulError(
                f"The covariance must have the shape [{shape[0]}, {shape[1]}, {shape[1]}], a "
                f"matrix of the users' returns for each policy, not {list(matrices.shape)}."
            )
        sizes, vectors = np.linalg.eigh((matrices + matrices.transpose(0, 2, 1)) / 2.0)
        largest = float(np.abs(matrices).max())
        is_symmetric = np.allclose(matrices, matrices.transpose(0, 2, 1), atol=1e-9 * largest)
        if not is_symmetric or sizes.min() < -_NEGATIVE * max(float(sizes.max()), 0.0):
            raise HandfulError(
                "The covariance is none: the matrix of each policy must be symmetric and must not "
                "give any sum of users a negative variance."
            )
        roots = vectors * np.sqrt(np.maximum(sizes, 0.0))[:, None, :]
        stderrs = np.sqrt(np.maximum(np.diagonal(matrices, axis1=1, axis2=2), 0.0))
        return cls(stderrs, roots)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Draw errors of all returns, [M, N]."""
        normal = rng.standard_normal(self.stderrs.shape)
        if self.roots is None:
            return self.stderrs * normal
        return np.einsum("mij,mj->mi", self.roots, normal)

    def at(self, assignment: np.ndarray) -> np.ndarray:
        """Give the standard error of what each user gets, [N]; 0 where no policy is assigned.

        Args:
            assignment: the row of each user's policy, or -1, [N].
        """
        return at(self.stderrs, assignment)


def at(table: np.ndarray, assignment: np.ndarray) -> np.ndarray:
    """Give the entry [N] of a table [M, N] for each user's policy; 0 where none is assigned."""
    users = np.arange(len(assignment))
    return np.where(assignment >= 0, table[np.maximum(assignment, 0), users], 0.0)


def _numbers(values: Any, name: str) -> np.ndarray:
    try:
        made = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise HandfulError(f"{name} must be numbers, not {brief(values)}.") from None
    if made.size == 0 or not np.isfinite(made).all():
        raise HandfulError(f"{name} must be finite numbers, without gaps.")
    return made
