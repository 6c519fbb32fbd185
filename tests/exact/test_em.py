"""Exact EM: Theorem 1, and how the starts are made the most of."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handful.exact.em import annealed_em, elite_em, exact_em, pooled_em
from handful.exact.search import enumerated_optimum, tabular_optimum
from tests.exact.rmdps import few_features, random_rmdp

rmdps = st.builds(random_rmdp, st.integers(0, 2**32 - 1), st.sampled_from(["dense", "sparse"]))


@given(rmdps, st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_welfare_never_falls(rmdp, num_policies, seed):
    """Theorem 1 of the paper, step by step, from any assignment."""
    start = np.random.default_rng(seed).integers(num_policies, size=rmdp.num_users)
    solution = exact_em(rmdp, start, num_policies)
    assert (np.diff(solution.history) >= -1e-9 * np.abs(solution.returns).max()).all()
    assert solution.welfare == pytest.approx(solution.history[-1])


@given(rmdps, st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_where_em_ends_neither_step_improves_anything(rmdp, num_policies, seed):
    start = np.random.default_rng(seed).integers(num_policies, size=rmdp.num_users)
    end = exact_em(rmdp, start, num_policies)
    served = end.returns[np.arange(rmdp.num_users), end.assignment]
    np.testing.assert_allclose(served, end.returns.max(axis=1), rtol=1e-6, atol=1e-7)
    again = exact_em(rmdp, end.assignment, num_policies)
    assert again.welfare == pytest.approx(end.welfare)
    np.testing.assert_array_equal(again.assignment, end.assignment)


@given(rmdps)
def test_a_policy_for_everyone_serves_everyone_best(rmdp):
    alone = [rmdp.returns(rmdp.best_policy(user))[i] for i, user in enumerate(np.eye(8))]
    solution = exact_em(rmdp, np.zeros(8, dtype=int), 8)
    assert solution.welfare == pytest.approx(np.mean(alone))


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("num_policies", [1, 2, 4])
def test_no_search_exceeds_the_optimum_and_the_pool_attains_it(kind, num_policies):
    for seed in range(5):
        rmdp = random_rmdp(seed, kind)
        optimum = enumerated_optimum(rmdp, num_policies).welfare
        annealed = annealed_em(rmdp, num_policies, seed)
        pooled = pooled_em(rmdp, num_policies, seed)
        assert annealed.welfare <= optimum + 1e-5
        assert pooled.welfare == pytest.approx(optimum, rel=1e-5)
        assert pooled.welfare >= exact_em(rmdp, np.arange(8) % num_policies, num_policies).welfare


def test_elite_em_finds_the_optimum_from_few_starts():
    """Where EM from each of the same starts does not: accidents are what leads out."""
    missed = 0
    for seed in range(1000, 1010):
        rmdp = random_rmdp(seed, "dense" if seed % 2 else "sparse")
        optimum = enumerated_optimum(rmdp, 3).welfare
        assert elite_em(rmdp, 3, seed, starts=10).welfare == pytest.approx(optimum, rel=1e-5)
        rng = np.random.default_rng(seed)
        starts = [rng.permutation(rmdp.num_users) % 3 for _ in range(10)]
        best = max(exact_em(rmdp, start, 3).welfare for start in starts)
        missed += best < optimum * (1 - 1e-5)
    assert missed > 0


def test_elite_em_where_episodes_are_cut():
    """An accident is then in one state at one time."""
    rmdp = replace(few_features(3, 2), horizon=4)
    optimum = tabular_optimum(rmdp, 2)
    assert optimum.kind == "exact"
    solution = elite_em(rmdp, 2, seed=0, starts=3)
    assert solution.policies.shape == (2, 4, 6)
    assert solution.welfare == pytest.approx(optimum.welfare, rel=1e-5)


def test_a_search_without_a_start():
    with pytest.raises(ValueError, match="at least one start"):
        pooled_em(random_rmdp(1, "sparse"), 3, 5, starts=0)


def test_the_same_seed_gives_the_same():
    rmdp = random_rmdp(1, "sparse")
    np.testing.assert_array_equal(
        pooled_em(rmdp, 3, 5, starts=4).policies, pooled_em(rmdp, 3, 5, starts=4).policies
    )
