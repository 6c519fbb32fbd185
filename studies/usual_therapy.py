"""What the pump's usual therapy earns the users of `glucose`, with no learning: a floor.

python studies/usual_therapy.py
"""

import jax
import jax.numpy as jnp
import numpy as np

import handful
from handful.domains.glucose.environment import GlucoseOutcome
from handful.types import Array, Float, PRNGKey

SEEDS = (0, 1, 2)
DAYS = 1000
ACTIONS = {"usual basal rate and bolus": (0.0, 0.0), "a fifth less of the bolus": (0.0, -0.2)}


def play(
    problem: handful.RMDP, action: tuple[float, float], key: PRNGKey
) -> tuple[Float[Array, " D"], GlucoseOutcome]:
    """A day's features, and its outcomes."""
    environment = problem.jax_environment
    start, steps = jax.random.split(key)
    state, _ = environment.reset(start)

    def step(state, key):
        state, taken = environment.step(key, state, jnp.array(action))
        return state, (problem.population.features(taken.outcome), taken.outcome)

    keys = jax.random.split(steps, environment.time_limit)
    features, outcomes = jax.lax.scan(step, state, keys)[1]
    return jnp.sum(features, axis=0), outcomes


def main() -> None:
    """Print welfare and the share of time below 70 and above 180 mg/dl."""
    for name, action in ACTIONS.items():
        for seed in SEEDS:
            problem = handful.make("glucose", users=100, population_seed=seed)
            keys = jax.random.split(jax.random.key(seed), DAYS)
            run = jax.jit(jax.vmap(lambda key, p=problem, a=action: play(p, a, key)))
            features, outcomes = run(keys)
            returns = problem.population.returns(np.asarray(features, dtype=float))
            glucose = np.asarray(outcomes.glucose)
            bounds = [handful.optimum(problem, k).welfare for k in (1, 3, 5)]
            print(
                f"{name}, seed {seed}: welfare {returns.mean():.1f}, low "
                f"{100 * (glucose < 70).mean():.0f} %, high {100 * (glucose > 180).mean():.0f} % "
                f"of the time; bounds for k = 1, 3, 5: {', '.join(f'{b:.1f}' for b in bounds)}"
            )


if __name__ == "__main__":
    main()
