"""What the policies earn, and for whom: ``features.json``, ``assignment.csv`` and ``users.csv``."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from handful.evaluation.played import FeatureReturns
from handful.evaluation.returns import Evaluation, Measurement, mean_and_stderr
from handful.population import Population, in_chunks
from handful.problem import RMDP
from handful.types import NumpyArray

MOST_RETURNS = 50_000
"""The most returns of policies in features; with more, ``features.json`` has none."""

MOST_COVARIANCES = 100_000
"""The most entries of all covariances; with more, ``features.json`` has none."""

BEST = "highest measured return"
CHOSEN = "choice of the method; policy {} measured higher"
ONLY = "only policy"
"""Why a user has a policy, in words."""


def feature_returns(problem: RMDP, evaluation: Evaluation, names: Sequence[str]) -> dict[str, Any]:
    """Return the content of ``features.json``.

    Args:
        problem: the problem.
        evaluation: the evaluation of the policies.
        names: the names of the features [D]; empty if they have none.
    """
    size = problem.num_features
    listed = list(names) or [f"feature_{index}" for index in range(size)]
    measured = {n: getattr(evaluation, n) for n in ("deterministic", "stochastic")}
    policies: list[dict[str, Any]] = []
    why = joint = None
    if problem.population.reward_fn is not None:
        why = "Users' rewards are not linear in the features: returns in features do not give them."
    elif evaluation.deterministic.played.shape[1] * size > MOST_RETURNS:
        why = "There are too many features to list."
    else:
        mean, stderr, covariance = _moments(measured["deterministic"])
        sampled, sampled_stderr, _ = _moments(measured["stochastic"])
        joint = _joint_covariance(measured["deterministic"])
        policies = [
            {
                "policy": k,
                "mean": mean[k].tolist(),
                "stderr": stderr[k].tolist(),
                "covariance": None if covariance is None else covariance[k].tolist(),
                "sampled_mean": sampled[k].tolist(),
                "sampled_stderr": sampled_stderr[k].tolist(),
                "length": float(measured["deterministic"].lengths[k]),
            }
            for k in range(len(mean))
        ]
    return {
        "names": listed,
        "unit": "the sum over an episode, undiscounted, in the environment's units",
        "actions": "likeliest; sampled_mean and sampled_stderr are of sampled actions",
        "covariance": "of the means: weights @ covariance @ weights is a return's squared stderr",
        "joint": "the same of all policies' means, in the order policy 0 with all features, 1, ...",
        "episodes": int(evaluation.num_episodes),
        "seed": int(evaluation.seed),
        "policies": policies,
        "joint_covariance": None if joint is None else joint.tolist(),
        "why_no_policies": why,
    }


def _moments(measured: Measurement) -> tuple[NumpyArray, NumpyArray, NumpyArray | None]:
    """Return the means [K, D] of returns in features, their errors, and their covariance."""
    played = measured.played
    assert isinstance(played, FeatureReturns)
    mean, stderr = mean_and_stderr(played.features)
    number, _, size = played.features.shape
    if len(mean) * size**2 > MOST_COVARIANCES:
        return mean, stderr, None
    apart = played.features - mean
    return mean, stderr, np.einsum("ekd,ekc->kdc", apart, apart) / (number - 1) / number


def _joint_covariance(measured: Measurement) -> NumpyArray | None:
    """Return the covariance [K D, K D] of all means, as the episodes share their chance."""
    played = measured.played
    assert isinstance(played, FeatureReturns)
    number, num_policies, size = played.features.shape
    if (num_policies * size) ** 2 > MOST_COVARIANCES:
        return None
    apart = (played.features - played.features.mean(axis=0)).reshape(number, -1)
    return apart.T @ apart / (number - 1) / number


def assignment_header(shares: NumpyArray | None) -> list[str]:
    """Return the names of the columns of ``assignment.csv``."""
    own = ["user", "policy", "return", "stderr", "second", "margin", "margin_stderr", "why"]
    return own + ([] if shares is None else [f"share_{k}" for k in range(shares.shape[1])])


def assignment_rows(
    problem: RMDP, evaluation: Evaluation, shares: NumpyArray | None
) -> Iterator[list[Any]]:
    """Yield a row for each served user: the policy, its return, and how far ahead it is.

    Users whom no policy fits are left out: the manifest names them.

    The margin is the mean over the evaluation's episodes of the return from the user's policy, less
    that from the best other policy. It is below 0 if the method chose another policy than the one
    that measured best.
    """
    users, assignment = problem.population.user_ids, evaluation.assignment
    num_policies = evaluation.deterministic.played.shape[1]
    for chunk, returns in evaluation.deterministic.played.chunks():
        mine, columns = assignment[chunk], np.arange(returns.shape[2])
        is_served = mine >= 0
        own = returns[:, mine, columns]
        value, error = mean_and_stderr(own)
        if num_policies == 1:
            rows = zip(users[chunk], mine.tolist(), value.tolist(), error.tolist(), strict=True)
            for index, row in enumerate(rows):
                if is_served[index]:
                    yield [*row, None, None, None, ONLY, *_shares(shares, chunk, index)]
            continue
        means = returns.mean(axis=0)
        means[mine, columns] = -np.inf
        second = np.argmax(means, axis=0)
        margin, margin_error = mean_and_stderr(own - returns[:, second, columns])
        parts = (users[chunk], mine, value, error, second, margin, margin_error)
        lists = [part if isinstance(part, tuple | list) else part.tolist() for part in parts]
        for index, row in enumerate(zip(*lists, strict=True)):
            why = BEST if margin[index] >= 0 else CHOSEN.format(second[index])
            if is_served[index]:
                yield [*row, why, *_shares(shares, chunk, index)]


def _shares(shares: NumpyArray | None, chunk: slice, index: int) -> list[float]:
    return [] if shares is None else shares[chunk][index].tolist()


def users_header(population: Population, names: Sequence[str]) -> list[str]:
    """Return the names of the columns of ``users.csv``; features come after attributes."""
    size = population.coefficients.shape[1]
    features = list(names) or [f"feature_{index}" for index in range(size)]
    taken = {"user", *population.attributes}
    return [
        "user",
        *population.attributes,
        *(f"weight of {name}" if name in taken else name for name in features),
    ]


def users_rows(population: Population) -> Iterator[list[Any]]:
    """Yield a row for each user: the name, the attributes, and the weight of each feature."""
    coefficients = population.coefficients
    for chunk in in_chunks(population.num_users, coefficients.shape[1] + 64):
        columns = [np.asarray(v[chunk]).tolist() for v in population.attributes.values()]
        rows = zip(population.user_ids[chunk], *columns, strict=True)
        for row, weights in zip(rows, coefficients[chunk].tolist(), strict=True):
            yield [*row, *weights]
