"""rliable's numbers on scores of Resource Gathering, for the test of handful.report.statistics.

rliable 1.2 does not import beside the newest pandas and SciPy, so it gets an environment of its own
(docs/statistics.md):

    python3.11 -m venv /tmp/rliable
    /tmp/rliable/bin/pip install rliable==1.2.0 'numpy<2' 'scipy<1.14' 'pandas<3'
    /tmp/rliable/bin/python studies/rliable_reference.py

It reads the scores from the test's file and writes the numbers beside them.
"""

import json
from pathlib import Path

import numpy as np
from rliable import library, metrics

FILE = Path("tests/report/rliable.json")
PAIRS = (("em", "end-to-end"), ("em", "random"), ("random", "cluster"))
THRESHOLDS = (75.0, 90.0, 96.0, 97.5, 98.5, 99.3)
RESAMPLES = 20_000


def improvement_strata(scores: dict, first: str, second: str) -> tuple[np.ndarray, np.ndarray]:
    """[runs, strata] of both methods, over the budgets that both were run at."""
    budgets = sorted(set(scores[first]) & set(scores[second]), key=int)
    one, other = (np.stack([scores[name][k] for k in budgets], axis=1) for name in (first, second))
    return one, other


def main() -> None:
    content = json.loads(FILE.read_text())
    scores = content["scores"]
    tables = {
        name: np.stack([runs[k] for k in sorted(runs, key=int)], axis=1)
        for name, runs in scores.items()
    }
    random = np.random.RandomState(0)
    values, ends = library.get_interval_estimates(
        tables,
        lambda x: np.array([metrics.aggregate_iqm(x)]),
        reps=RESAMPLES,
        random_state=random,
    )
    iqm = {name: [values[name][0], *ends[name][:, 0]] for name in tables}
    values, ends = library.get_interval_estimates(
        {" over ".join(pair): improvement_strata(scores, *pair) for pair in PAIRS},
        lambda x, y: np.array([metrics.probability_of_improvement(x, y)]),
        reps=RESAMPLES // 4,
        random_state=random,
    )
    improvement = {name: [values[name][0], *ends[name][:, 0]] for name in values}
    values, ends = library.create_performance_profile(tables, np.array(THRESHOLDS), reps=RESAMPLES)
    profile = {name: [values[name].tolist(), *ends[name].tolist()] for name in tables}
    content["rliable"] = {
        "iqm": {name: [float(v) for v in found] for name, found in iqm.items()},
        "improvement": {name: [float(v) for v in found] for name, found in improvement.items()},
        "thresholds": THRESHOLDS,
        "profile": profile,
    }
    FILE.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
