"""A population: what each user wants, as coefficients over shared reward features.

Value is linear in reward, so everything the learner needs of ``N`` users are the ``D`` features
that their rewards are made of: :math:`r_i(outcome) = C_i \\cdot f(outcome)`. Any set of reward
functions fits, with ``D = N`` and ``C`` the identity; if preferences are linear, ``D`` stays
small and the cost of training does not depend on ``N``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np

from handful._support.checks import check_range, number_array
from handful._support.text import count
from handful.devices import in_full_precision
from handful.errors import HandfulError
from handful.types import Array, Float, NumpyArray
from handful.users import Column, Users, check_kept, read_users, user_attributes, user_names
from handful.users.draws import check_num_users

FeatureFn = Callable[[Any], Float[Array, " D"]]
ParametricFn = Callable[[Any, Mapping[str, Float[Array, " N"]]], Float[Array, " N"]]

EVERYBODY = slice(None)

LARGEST_TABLE = 2**24
"""The most numbers of a table of users that are computed at once: 128 MiB in double precision."""

MOST_FEATURES = 20_000
"""The most users who may have a feature each: their table of coefficients takes 1.6 GB."""

CHUNK = 2**20
"""How many numbers of a larger table are computed at a time: they stay in a processor's cache."""


FEW = 8
"""The most features whose names the text of a population shows."""


def outcome_is_features(outcome: Float[Array, " D"]) -> Float[Array, " D"]:
    """Return the outcome itself, for an environment whose outcome is the feature vector [D]."""
    return outcome


@dataclass(frozen=True, eq=False)
class Population:
    """``N`` users' reward functions over ``D`` features.

    Attributes:
        coefficients: float32 [N, D], each user's weight on each feature.
        features: the feature function, from the outcome of one step to the feature vector [D]; it
            is written in ``jax.numpy``.
        user_ids: the users' distinct names [N], which every result keeps. Whole numbers and other
            single values may be given, and become text; without names the users are ``user-0``,
            ``user-1``, ...
        reward_fn: the function from the outcome of one step to the users' exact rewards [N], for a
            population whose features only come close to them (one that was compressed for
            training); None if the features are exact. Evaluation uses it.
        attributes: other facts about the users by name, [N] values each (a target, a group); every
            result keeps them too. Finite numbers stay; dates and the like become text, and a
            missing value becomes ``""``.
        feature_names: the features' distinct names [D]; empty if they have none.

    Raises:
        HandfulError: if the coefficients are not a finite [N, D] table with N, D >= 1, or the
            labels do not fit it.

    Examples:
        Two users weigh two features, and an episode earned 2 of the first and 4 of the second:

        >>> import numpy as np
        >>> population = handful.Population.from_array([[1.0, 0.0], [0.5, 0.5]])
        >>> population.returns(np.array([2.0, 4.0])).tolist()
        [2.0, 3.0]
    """

    coefficients: NumpyArray
    features: FeatureFn = outcome_is_features
    user_ids: Any = ()
    reward_fn: FeatureFn | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    feature_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        coefficients = _finite_table(self.coefficients)
        user_ids = user_names(self.user_ids) or tuple(f"user-{i}" for i in range(len(coefficients)))
        if len(user_ids) != len(coefficients):
            raise HandfulError(
                f"The population has {len(coefficients)} users but {len(user_ids)} user ids: "
                f"give one id for each row of the coefficient table."
            )
        attributes = user_attributes(self.attributes, len(coefficients))
        names = tuple(self.feature_names)
        if names and (len(names) != coefficients.shape[1] or len(set(names)) != len(names)):
            raise HandfulError(
                f"The population has {coefficients.shape[1]} features, so it needs as many names, "
                f"all different, not {', '.join(names)}."
            )
        object.__setattr__(self, "feature_names", names)
        object.__setattr__(self, "coefficients", coefficients)
        object.__setattr__(self, "user_ids", user_ids)
        object.__setattr__(self, "attributes", attributes)

    @classmethod
    def from_array(
        cls,
        coefficients: Any,
        features: FeatureFn = outcome_is_features,
        user_ids: Any = (),
    ) -> "Population":
        """Make a population with linear preferences from an array of weights.

        Args:
            coefficients: the weight of each user on each feature, [N, D].
            features: the feature function, from the outcome of one step to the feature vector [D].
            user_ids: the users' names [N]; empty for ``user-0``, ``user-1``, ...

        Returns:
            the population.

        Raises:
            HandfulError: if the weights are not a table of finite numbers.
        """
        return cls(np.asarray(coefficients), features, user_ids)

    @classmethod
    def from_function(
        cls, reward_fn: FeatureFn, num_users: int, user_ids: Sequence[str] = ()
    ) -> "Population":
        """Make a population from any reward functions.

        Args:
            reward_fn: a function from the outcome of one step to all users' rewards [N]; it is
                written in ``jax.numpy``.
            num_users: the number of users ``N``.
            user_ids: the users' names [N]; empty for ``user-0``, ``user-1``, ...

        Returns:
            the population, with one feature for each user.
        """
        return cls.identity(num_users, reward_fn, user_ids)

    @classmethod
    def identity(
        cls,
        num_users: int,
        features: FeatureFn = outcome_is_features,
        user_ids: Any = (),
    ) -> "Population":
        """Make a population with one feature for each user: feature ``i`` is user ``i``'s reward.

        Returns:
            the population, with ``D = N`` and the identity for its coefficients.

        Raises:
            HandfulError: if there is no user, or if there are more users than
                :data:`MOST_FEATURES`.
        """
        check_num_users(num_users)
        check_range("The number of users with a feature each", num_users, 1, MOST_FEATURES)
        return cls(np.eye(num_users, dtype=np.float32), features, user_ids)

    @classmethod
    def from_table(
        cls,
        table: Any,
        feature_names: Sequence[str] | None = None,
        features: FeatureFn = outcome_is_features,
        labels: Sequence[str] = (),
    ) -> "Population":
        """Make a population with linear preferences from a table with one row for each user.

        Args:
            table: a CSV or Parquet file, or a DataFrame; :mod:`handful.users` says what else it may
                be and what it may hold. A column ``user`` or ``id`` names the users, and text is
                kept as a label.
            feature_names: the names of the features in their order; each is a column of weights.
                None takes all columns of numbers, in the order of the table.
            features: the feature function, from the outcome of one step to the feature vector [D].
            labels: the columns of numbers that are labels too.

        Returns:
            the population, with a feature for each column of weights.

        Raises:
            HandfulError: if the table cannot be read or has a wrong entry; the sentence names the
                file, the row and the column.
        """
        columns = None
        if feature_names is not None:
            columns = [Column(name, "finite weights") for name in feature_names]
        users = read_users(table, columns, labels)
        weights = np.stack(list(users.numbers.values()), axis=1)
        idle = np.flatnonzero(~weights.any(axis=1))
        if len(idle):
            raise HandfulError(
                f"{users.table.source} has only weights of 0 in {users.table.where(int(idle[0]))} "
                f"(columns {', '.join(users.numbers)}): no policy would be better than another for "
                f"that user, so give at least one weight or leave the user out."
            )
        return cls(
            weights,
            features,
            users.user_ids,
            attributes=users.labels,
            feature_names=tuple(users.numbers),
        )

    @classmethod
    def from_parameters(
        cls,
        table: Any,
        reward_fn: ParametricFn,
        parameters: Sequence[str | Column],
        labels: Sequence[str] = (),
    ) -> "Population":
        """Make a population whose reward functions differ only in parameters that a table holds.

        The table has one row for each user. Every user's reward is a feature (``D = N``).

        Args:
            table: the same as in :meth:`from_table`.
            reward_fn: a function of one outcome and the parameters that returns all users' rewards
                [N]; it is written in ``jax.numpy``. Its second argument has an array [N] for the
                name of each parameter.
            parameters: the columns with the parameters; every result keeps them.
            labels: the columns of numbers that are labels.

        Returns:
            the population, with the parameters among its attributes.

        Raises:
            HandfulError: if the table cannot be read or has a wrong entry; the sentence names the
                file, the row and the column.
        """
        columns = [Column(one) if isinstance(one, str) else one for one in parameters]
        users = read_users(table, columns, labels)
        check_kept(users.table, users.numbers)
        return cls(
            np.eye(users.table.num_users, dtype=np.float32),
            _parametric_rewards(users, reward_fn),
            users.user_ids,
            attributes={**users.numbers, **users.labels},
        )

    def __repr__(self) -> str:
        """Return the number of users and features; what each user wants is private."""
        features = count(self.num_features, "feature")
        if 0 < len(self.feature_names) <= FEW:
            features += f": {', '.join(self.feature_names)}"
        return f"Population({count(self.num_users, 'user')}, {features})"

    @property
    def num_users(self) -> int:
        """The number of users ``N``."""
        return self.coefficients.shape[0]

    @property
    def num_features(self) -> int:
        """The number of features ``D``."""
        return self.coefficients.shape[1]

    @in_full_precision
    def rewards(self, outcome: Any) -> Float[Array, " N"]:
        """Return the users' exact rewards for one outcome, even if the features are not exact."""
        if self.reward_fn is not None:
            return self.reward_fn(outcome)
        return jnp.asarray(self.coefficients) @ self.features(outcome)

    def returns(
        self, feature_returns: NumpyArray, users: slice | NumpyArray = EVERYBODY
    ) -> NumpyArray:
        """Compute users' returns from returns in features: :math:`Q = C \\Phi^T`.

        Args:
            feature_returns: the return of an episode, or the mean return of several, in each
                feature, [..., D].
            users: the users whose returns are asked for, as a slice or as positions [n]; by default
                all users.

        Returns:
            the users' returns, [..., n].
        """
        return feature_returns @ self.coefficients[users].T

    def utilities(self, feature_returns: NumpyArray, policy: NumpyArray) -> NumpyArray:
        """Return each user's utility [N] of one policy, without a table of all users and policies.

        Args:
            feature_returns: the policies' mean returns in features, [K, D].
            policy: the policy of each user, [N].
        """
        return np.concatenate(
            [
                self.returns(feature_returns, users)[policy[users], np.arange(len(policy[users]))]
                for users in in_chunks(self.num_users, len(feature_returns))
            ]
        )


def in_chunks(num_users: int, numbers_per_user: int) -> Iterator[slice]:
    """Yield slices of users whose tables each fit into memory.

    A table has ``numbers_per_user`` numbers for each of its users. If the numbers of all users fit
    into one table, there is one slice.
    """
    if num_users * numbers_per_user <= LARGEST_TABLE:
        yield slice(0, num_users)
        return
    size = max(1, CHUNK // numbers_per_user)
    for start in range(0, num_users, size):
        yield slice(start, min(start + size, num_users))


def _parametric_rewards(users: Users, reward_fn: ParametricFn) -> FeatureFn:
    numbers = {name: values.astype(np.float32) for name, values in users.numbers.items()}

    def rewards(outcome: Any) -> Float[Array, " N"]:
        return reward_fn(outcome, {name: jnp.asarray(values) for name, values in numbers.items()})

    return rewards


def _finite_table(values: Any) -> NumpyArray:
    try:
        table = np.asarray(number_array(values), dtype=np.float32)
    except (TypeError, ValueError, OverflowError):
        raise HandfulError(
            "The coefficient table must hold numbers only, one row a user and one column a feature."
        ) from None
    if table.ndim != 2 or 0 in table.shape:
        raise HandfulError(
            f"The coefficient table must have shape [users, features] with at least one of each, "
            f"not {list(table.shape)}."
        )
    bad = np.argwhere(~np.isfinite(table))
    if len(bad):
        row, column = bad[0]
        raise HandfulError(
            f"The coefficient table has {table[row, column]} at row {row}, column {column} "
            f"(counted from 0): every coefficient must be a finite number."
        )
    return table
