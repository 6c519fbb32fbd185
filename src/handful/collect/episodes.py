"""Episodes of fixed policies, whatever kind of environment they are in."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax

from handful.collect.acting import HasHostPolicies
from handful.collect.host_rollout import run_host_episodes
from handful.collect.rollout import Episodes, run_episodes
from handful.collect.scan import PolicyFn
from handful.population import FeatureFn
from handful.problem import RMDP
from handful.types import Array, Bool, PRNGKey

PlayFn = Callable[[PRNGKey, Any, bool], Episodes]
"""``(key, policies, deterministic)`` to episodes. The policies are a
:data:`~handful.collect.scan.PolicyFn`; for environments on the host they can also act there
(:class:`~handful.collect.acting.HasHostPolicies`)."""


@lru_cache(maxsize=8)
def make_player(
    problem: RMDP,
    num_policies: int,
    num_episodes: int,
    *,
    trace: bool = False,
    pay: FeatureFn | None = None,
) -> PlayFn:
    """What plays ``num_episodes`` episodes of each policy, compiled once for all its calls.

    It is the same for the same arguments, as validation and evaluation play one after the other.

    Args:
        trace: keep every step's features and outcome too.
        pay: from an outcome to what the returns are in; by default the reward features.
    """
    if problem.runs_on_host:

        def play_on_host(key: PRNGKey, policies: HasHostPolicies, deterministic: bool) -> Episodes:
            acting = policies.on_host()
            return run_host_episodes(
                key, problem, acting, num_policies, num_episodes, deterministic, trace, pay
            )

        return play_on_host

    @jax.jit
    def play(key: PRNGKey, policies: PolicyFn, deterministic: Bool[Array, ""]) -> Episodes:
        return run_episodes(
            key, problem, policies, num_policies, num_episodes, deterministic, trace, pay
        )

    return play
