"""Episodes of fixed policies, in environments of either kind."""

from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import jax

from handful.collect.acting import HasHostPolicies
from handful.collect.host_rollout import run_host_episodes
from handful.collect.jax_rollout import Episodes, PolicyFn, run_episodes
from handful.population import FeatureFn
from handful.problem import RMDP
from handful.types import Array, Bool, PRNGKey, PRNGKeys, Watch, unwatched


@runtime_checkable
class PlayFn(Protocol):
    """A function that plays episodes of the policies that it gets."""

    def __call__(
        self, key: PRNGKeys, policies: Any, deterministic: bool, watch: Watch = unwatched
    ) -> Episodes:
        """Play the episodes.

        Args:
            key: the random key. In JAX it may be a key for each policy: those with the same key
                meet the same chance.
            policies: a :data:`~handful.collect.jax_rollout.PolicyFn`; for environments on the host
                it must also be able to act there
                (:class:`~handful.collect.acting.HasHostPolicies`).
            deterministic: whether each policy takes its likeliest action instead of a sampled one.
            watch: a function that gets the share of the steps that is done: after each step on the
                host, and elsewhere only at the end.
        """
        ...


@lru_cache(maxsize=8)
def make_player(
    problem: RMDP,
    num_policies: int,
    num_episodes: int,
    *,
    trace: bool = False,
    pay: FeatureFn | None = None,
) -> PlayFn:
    """Return a function that plays ``num_episodes`` episodes of each policy.

    It is compiled once for all its calls. The same arguments give the same function, since
    validation and evaluation play one after the other.

    Args:
        trace: whether every step's features and outcome are kept too.
        pay: a function from an outcome to the quantities that the returns add up; by default the
            reward features.
    """
    if problem.runs_on_host:

        def play_on_host(
            key: PRNGKey,
            policies: HasHostPolicies,
            deterministic: bool,
            watch: Watch = unwatched,
        ) -> Episodes:
            acting = policies.on_host()
            return run_host_episodes(
                key, problem, acting, num_policies, num_episodes, deterministic, trace, pay, watch
            )

        return play_on_host

    @jax.jit
    def run(key: PRNGKeys, policies: PolicyFn, deterministic: bool | Bool[Array, ""]) -> Episodes:
        return run_episodes(
            key, problem, policies, num_policies, num_episodes, deterministic, trace, pay
        )

    def play(
        key: PRNGKeys, policies: PolicyFn, deterministic: bool, watch: Watch = unwatched
    ) -> Episodes:
        episodes = jax.block_until_ready(run(key, policies, deterministic))
        watch(1.0)
        return episodes

    return play
