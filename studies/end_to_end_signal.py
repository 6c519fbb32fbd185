"""What equation 12 of the paper tells the assignment, measured over training.

The gradient of the objective with respect to user i's weight on policy j is the return Q_ij: what
j is worth to i. Equation 12 follows the batch mean of the advantage A_ij instead, which is zero on
average where the critic knows the policy, and positive where the policy has become better for i
than the critic expects. This runs `end-to-end` and correlates, over users and policies (centred
over policies, as only differences between policies move a user's softmax), that signal with Q_ij
and with how Q_ij changes over the same stretch of training.

    python studies/end_to_end_signal.py        # two minutes; writes results/end-to-end-signal/
"""

from functools import partial
from pathlib import Path

from handful.devices import use_cores

use_cores(1)

import jax  # noqa: E402
import numpy as np  # noqa: E402

from handful._support.files import write_text  # noqa: E402
from handful.collect.jax_rollout import collect  # noqa: E402
from handful.learner.ppo import prepare  # noqa: E402
from handful.problem import make  # noqa: E402
from handful.training.config import TrainConfig, make_config  # noqa: E402
from handful.training.run import Run  # noqa: E402
from handful.training.state import init_state  # noqa: E402
from handful.training.step import train_step  # noqa: E402

SEEDS = range(5)
NUM_POLICIES = 3
STEPS = 300_000
STRETCH = 20
"""Updates that signals and changes are averaged over."""

OUT = Path("results/end-to-end-signal/end-to-end-signal.md")


def follow(problem, config, step) -> dict[str, np.ndarray]:
    """Signals and returns [updates, N, K] of one run."""
    coefficients = problem.population.coefficients

    @jax.jit
    def observe(state):
        _, transitions, _ = collect(
            state.collector, problem, state.policies(problem), config.collect.num_steps
        )
        batch, _ = prepare(
            state.learner,
            transitions.scale_features(1.0 / problem.return_scale),
            config.learner,
            problem.discount,
        )
        return batch.advantages.mean(axis=1), state.table.mean / problem.return_scale

    state = init_state(Run(problem, config))
    signals, returns = [], []
    for _ in range(config.num_updates):
        signal, table = observe(state)
        signals.append(coefficients @ np.asarray(signal).T)
        returns.append(coefficients @ np.asarray(table).T)
        state, _ = step(state)
    return {"signal": np.array(signals), "returns": np.array(returns)}


def correlations(signal: np.ndarray, returns: np.ndarray) -> tuple[float, float, float]:
    """With the returns, with their change, and the mean signal's size against its spread."""
    stretches = len(signal) // STRETCH
    centred = [x - x.mean(axis=2, keepdims=True) for x in (signal, returns)]
    parts = [x[: stretches * STRETCH].reshape(stretches, STRETCH, *x.shape[1:]) for x in centred]
    mean_signal, level = (part.mean(axis=1) for part in parts)
    change = parts[1][:, -1] - parts[1][:, 0]

    def correlate(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])

    bias = np.abs(signal.mean(axis=0)).mean() / signal.std(axis=0).mean()
    return correlate(mean_signal, level), correlate(mean_signal, change), float(bias)


def main() -> None:
    """Run every seed and write the page."""
    problem = make("resource-gathering")
    suited, rows = make_config(problem, NUM_POLICIES, "em", "fast"), []
    for seed in SEEDS:
        config = TrainConfig(
            num_policies=NUM_POLICIES,
            method="end-to-end",
            steps=STEPS,
            seed=seed,
            learner=suited.learner,
            collect=suited.collect,
        )
        if not rows:
            step = jax.jit(partial(train_step, run=Run(problem, config, mesh=None)))
        rows.append(correlations(**follow(problem, config, step)))
    table = np.array(rows)
    mean, stderr = table.mean(axis=0), table.std(axis=0, ddof=1) / np.sqrt(len(table))
    names = (
        "correlation of the signal with the returns Q (the true gradient)",
        f"correlation of the signal with the change of Q over the same {STRETCH} updates",
        "the signal's mean over training, as a share of its spread",
    )
    lines = [
        "# What equation 12 tells the assignment",
        "",
        f"Made by `python studies/end_to_end_signal.py`: Resource Gathering, `end-to-end`, "
        f"k = {NUM_POLICIES}, preset `fast`, {STEPS:,} transitions per policy, "
        f"{len(SEEDS)} seeds; means ± standard errors over seeds. Signals and returns are centred "
        f"over policies and averaged over stretches of {STRETCH} updates.",
        "",
        "| | |",
        "| --- | --- |",
        *[f"| {n} | {m:.3f} ± {e:.3f} |" for n, m, e in zip(names, mean, stderr, strict=True)],
    ]
    write_text(OUT, "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
