"""The welfare of groups' means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from handful.errors import HandfulError
from handful.welfare_functions.base import Welfare, numpy_of, shares_of
from handful.welfare_functions.power import EGALITARIAN


@dataclass(frozen=True)
class GroupWelfare(Welfare):
    """A welfare of the groups' means, whatever the groups' sizes.

    ``groups:egalitarian`` is the mean of the worst served group.

    Args:
        of: the welfare function that is taken over groups.
        labels: the group [N] of each user by its number; :func:`handful.choose` gives them.
    """

    of: Welfare = EGALITARIAN
    labels: tuple[int, ...] = ()
    formula: ClassVar[str] = "W(m_1, ..., m_G) of the groups' means"

    @property
    def name(self) -> str:
        """The name: ``groups:`` and the name of the welfare over groups."""
        return f"groups:{self.of.name}"

    def bind(self, labels: Sequence[int] | np.ndarray) -> GroupWelfare:
        """Give the same welfare for users with these groups [N], numbered from 0."""
        return replace(self, labels=tuple(int(label) for label in labels))

    def averages(self, weights: Any = None) -> np.ndarray:
        """Give the matrix [G, N] that makes groups' means of utilities.

        Raises:
            HandfulError: if the users have no groups.
        """
        if not self.labels:
            raise HandfulError(
                f"The welfare '{self.name}' needs the users' groups: name their column, or give "
                f"groups=."
            )
        labels = np.asarray(self.labels)
        shares = shares_of(weights, len(labels))
        members = (labels == np.arange(labels.max() + 1)[:, None]) * shares
        return members / members.sum(axis=1, keepdims=True)

    def value(self, utilities: Any, weights: Any = None) -> Any:
        """Give the welfare of the groups' means; see :class:`Welfare`."""
        return self.of.value(self.averages(weights) @ numpy_of(utilities).asarray(utilities))

    def gradient(self, utilities: np.ndarray, weights: Any = None) -> np.ndarray:
        """Give a supergradient; see :class:`Welfare`."""
        averages = self.averages(weights)
        return self.of.gradient(averages @ utilities) @ averages

    def check(self, utilities: np.ndarray) -> None:
        """Check the groups' means; see :class:`Welfare`."""
        self.of.check(self.averages() @ utilities)
