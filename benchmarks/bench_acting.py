"""On how many observations policies act in a second, one at a time and in batches.

    python benchmarks/bench_acting.py

The compiled way is what ``Policies.act`` did for every observation before it acted in NumPy; it is
what still happens within a compiled program. Both are timed in turns on the same policies.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np

from handful.environment import Box, Discrete
from handful.learner.networks import Sharing, init_actor
from handful.learner.normalize import Normalizer
from handful.learner.policies import Policies

K, O = 5, 17  # noqa: E741
TURNS, SECONDS = 5, 0.5


def rate(call):
    """Calls a second."""
    call()
    calls, start = 0, time.perf_counter()
    while time.perf_counter() < start + SECONDS:
        call()
        calls += 1
    return calls / (time.perf_counter() - start)


def compiled(policies, row, policy):
    """One action through JAX, operation by operation."""
    return jax.block_until_ready(policies._act_in_jax(jnp.asarray(row), policy, None))


def main():
    rng = np.random.default_rng(0)
    one, many = rng.normal(size=O).astype(np.float32), rng.normal(size=(1000, O)).astype(np.float32)
    for space in (Discrete(6), Box((-1.0,) * 6, (1.0,) * 6)):
        actor = init_actor(jax.random.key(0), K, O, space, (64, 64), Sharing.NOTHING, -1.0)
        policies = Policies(actor, Normalizer.identity(K, O), space)
        ways = {
            "in JAX, one": lambda: compiled(policies, one, 2),  # noqa: B023
            "act, one": lambda: policies.act(one, 2),  # noqa: B023
            "act, one, rng": lambda: policies.act(one, 2, rng=rng),  # noqa: B023
            "act, 1,000 in a batch": lambda: policies.act(many, 2),  # noqa: B023
        }
        rates = {name: [] for name in ways}
        for _ in range(TURNS):
            for name, call in ways.items():
                rates[name].append(rate(call))
        rates["act, 1,000 in a batch"] = [1000 * calls for calls in rates["act, 1,000 in a batch"]]
        base = np.median(rates["in JAX, one"])
        for name, found in rates.items():
            times = np.median(found) / base
            print(
                f"{type(space).__name__:9}{name:24}{np.median(found):9,.0f} actions/s {times:8.1f}x"
            )


if __name__ == "__main__":
    main()
