"""A population: what each user wants, as coefficients over shared reward features.

Value is linear in reward, so everything the learner needs of ``N`` users are the ``D`` features
that their rewards are made of: :math:`r_i(outcome) = C_i \\cdot f(outcome)`. Any set of reward
functions fits, with ``D = N`` and ``C`` the identity; where preferences are linear, ``D`` stays
small and the cost of training does not depend on ``N``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np

from handful.errors import HandfulError
from handful.types import Array, Float, NumpyArray

FeatureFn = Callable[[Any], Float[Array, " D"]]


def outcome_is_features(outcome: Float[Array, " D"]) -> Float[Array, " D"]:
    """The feature function of an environment whose outcome is the feature vector already."""
    return outcome


@dataclass(frozen=True, eq=False)
class Population:
    """``N`` users' reward functions over ``D`` features.

    Attributes:
        coefficients: float32 [N, D], each user's weight on each feature.
        features: from the outcome of one step to the feature vector [D]; written in ``jax.numpy``.
        user_ids: [N] distinct labels, kept through to every result.
        reward_fn: the users' rewards [N] exactly, from the outcome of one step, where the features
            only come close to them (a population compressed for training); None where they are
            exact. Evaluation pays by it.
        attributes: what else is known of the users, by name: [N] values each (a target, a group);
            kept through to every result too.

    Raises:
        HandfulError: if the coefficients are not a finite [N, D] table with N, D >= 1, or the
            labels do not fit it.
    """

    coefficients: NumpyArray
    features: FeatureFn = outcome_is_features
    user_ids: tuple[str, ...] = ()
    reward_fn: FeatureFn | None = None
    attributes: Mapping[str, NumpyArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        coefficients = _finite_table(self.coefficients)
        user_ids = self.user_ids or tuple(f"user-{i}" for i in range(len(coefficients)))
        if len(user_ids) != len(coefficients):
            raise HandfulError(
                f"The population has {len(coefficients)} users but {len(user_ids)} user ids: "
                f"give one id for each row of the coefficient table."
            )
        if len(set(user_ids)) != len(user_ids):
            repeated = next(u for u in user_ids if user_ids.count(u) > 1)
            raise HandfulError(f"User ids must be distinct, but '{repeated}' occurs twice.")
        for name, values in self.attributes.items():
            if np.shape(values) != (len(coefficients),):
                raise HandfulError(
                    f"The attribute '{name}' has shape {list(np.shape(values))}: give one value "
                    f"for each of the {len(coefficients)} users."
                )
        object.__setattr__(self, "coefficients", coefficients)
        object.__setattr__(self, "user_ids", tuple(user_ids))

    @classmethod
    def from_array(
        cls,
        coefficients: Any,
        features: FeatureFn = outcome_is_features,
        user_ids: Sequence[str] = (),
    ) -> "Population":
        """Linear preferences: a table [N, D] of each user's weight on each feature."""
        return cls(np.asarray(coefficients), features, tuple(user_ids))

    @classmethod
    def from_function(
        cls, reward_fn: FeatureFn, num_users: int, user_ids: Sequence[str] = ()
    ) -> "Population":
        """Any reward functions: ``reward_fn(outcome)`` gives all users' rewards [N] at once."""
        return cls.identity(num_users, reward_fn, user_ids)

    @classmethod
    def identity(
        cls,
        num_users: int,
        features: FeatureFn = outcome_is_features,
        user_ids: Sequence[str] = (),
    ) -> "Population":
        """One feature a user: feature ``i`` is user ``i``'s reward."""
        if num_users < 1:
            raise HandfulError(f"A population needs at least one user, not {num_users}.")
        return cls(np.eye(num_users, dtype=np.float32), features, tuple(user_ids))

    @property
    def num_users(self) -> int:
        """``N``."""
        return self.coefficients.shape[0]

    @property
    def num_features(self) -> int:
        """``D``."""
        return self.coefficients.shape[1]

    def rewards(self, outcome: Any) -> Float[Array, " N"]:
        """The users' rewards for one outcome: exact, also where the features are not."""
        if self.reward_fn is not None:
            return self.reward_fn(outcome)
        return jnp.asarray(self.coefficients) @ self.features(outcome)

    def returns(self, feature_returns: NumpyArray) -> NumpyArray:
        """Users' returns [..., N] from returns in features [..., D]: :math:`Q = C \\Phi^T`."""
        return feature_returns @ self.coefficients.T


def _finite_table(values: Any) -> NumpyArray:
    try:
        table = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError):
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
