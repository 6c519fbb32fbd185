"""Counts of transitions between observations, for problems that show few different ones.

An observation gets a number when it is first seen. So nothing has to be known of a problem before;
where more observations are seen than can be counted, :attr:`Tally.is_full` says so.
"""

import numpy as np
from scipy.sparse import coo_array, csr_array

from handful.exact.counted import CountedModel
from handful.types import NumpyArray

MOST_OBSERVATIONS = 4096
"""The most observations that are told apart."""

MOST_CELLS = 2**24
"""The most numbers in a table of observations, actions and features: 128 MiB."""


class Tally:
    """The transitions so far, counted.

    Args:
        num_actions: the number ``A`` of actions.
        num_features: the number ``D`` of reward features.

    Attributes:
        visits: the number of times that each action was taken at each observation, [S, A].
    """

    def __init__(self, num_actions: int, num_features: int) -> None:
        self._numbers: dict[bytes, int] = {}
        self._rows: list[NumpyArray] = []
        self._most = min(MOST_OBSERVATIONS, MOST_CELLS // max(num_actions * num_features, 1))
        self.visits = np.zeros((self._most, num_actions), np.int64)
        self._starts = np.zeros(self._most, np.int64)
        self._features = np.zeros((0, num_actions, num_features))
        self._squares = np.zeros_like(self._features)
        self._followed = csr_array((0, 0))

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def is_full(self) -> bool:
        """Whether more observations were seen than can be counted."""
        return len(self._rows) >= self._most

    @property
    def observations(self) -> NumpyArray:
        """The observations, in the order of their numbers, float32 [S, O]."""
        return np.array(self._rows, np.float32)

    def number(self, observations: NumpyArray) -> NumpyArray:
        """Return the numbers of observations, int64 [M]; new ones get the next numbers.

        When no more can be counted, the others get the last number.

        Args:
            observations: the observations, [M, O].
        """
        rows = np.asarray(observations, np.float32) + np.float32(0.0)  # there is one zero, not two
        numbers = np.empty(len(rows), np.int64)
        for index, row in enumerate(rows):
            key = row.tobytes()
            number = self._numbers.get(key)
            if number is None:
                number = len(self._rows)
                if self.is_full:
                    number -= 1
                else:
                    self._numbers[key] = number
                    self._rows.append(row)
            numbers[index] = number
        return numbers

    def begin(self, numbers: NumpyArray) -> None:
        """Count episodes that begin with these observations, [M]."""
        np.add.at(self._starts, numbers, 1)

    def visit(self, numbers: NumpyArray, actions: NumpyArray) -> None:
        """Count that actions [M] are taken at observations [M]."""
        np.add.at(self.visits, (numbers, actions), 1)

    def add(
        self,
        numbers: NumpyArray,
        actions: NumpyArray,
        following: NumpyArray,
        terminated: NumpyArray,
        features: NumpyArray,
    ) -> None:
        """Count what followed from visits that are counted already.

        Args:
            numbers: the observations, [M].
            actions: the actions, [M].
            following: the observations that came next, [M].
            terminated: whether the episode ended by itself, bool [M].
            features: the reward features, [M, D].
        """
        size, num_actions = len(self), self.visits.shape[1]
        added = size - len(self._features)
        if added:
            room = ((0, added), (0, 0), (0, 0))
            self._features, self._squares = (
                np.pad(table, room) for table in (self._features, self._squares)
            )
        np.add.at(self._features, (numbers, actions), features)
        np.add.at(self._squares, (numbers, actions), features**2)
        goes_on = ~terminated
        rows = (numbers * num_actions + actions)[goes_on]
        shape = (size * num_actions, size)
        before = self._followed.tocoo()
        data = np.concatenate([before.data, np.ones(len(rows))])
        places = (
            np.concatenate([before.row, rows]),
            np.concatenate([before.col, following[goes_on]]),
        )
        self._followed = coo_array((data, places), shape).tocsr()

    def model(self, horizon: int) -> CountedModel:
        """Return the model that the counts give.

        Args:
            horizon: the largest number of steps of an episode.
        """
        size = len(self)
        return CountedModel(
            self._starts[:size],
            self.visits[:size],
            self._followed,
            self._features,
            self._squares,
            horizon,
        )

    def arrays(self) -> dict[str, NumpyArray]:
        """Return the counts as arrays, by name, for a file."""
        size, followed = len(self), self._followed.tocoo()
        return {
            "observations": self.observations,
            "visits": self.visits[:size],
            "starts": self._starts[:size],
            "features": self._features,
            "squares": self._squares,
            "followed": np.stack([followed.row, followed.col, followed.data]).astype(np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NumpyArray]) -> "Tally":
        """Return the counts that :meth:`arrays` gave."""
        tally = cls(*arrays["features"].shape[1:])
        tally.number(arrays["observations"])
        size = len(tally)
        tally.visits[:size], tally._starts[:size] = arrays["visits"], arrays["starts"]
        tally._features, tally._squares = arrays["features"], arrays["squares"]
        row, column, data = arrays["followed"]
        shape = (size * tally.visits.shape[1], size)
        tally._followed = coo_array((data.astype(float), (row, column)), shape).tocsr()
        return tally
