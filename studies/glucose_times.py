"""Time low and high under the programs of the glucose study, as the mean over their users.

handful sweep studies/glucose.yaml
python studies/glucose_times.py
"""

from pathlib import Path

import jax
import numpy as np

from handful.collect.episodes import make_player
from handful.run_folder import RunFolder
from handful.sweep.study_file import read_study
from handful.training.records.run_reader import handed_out, open_run

DAYS = 300
"""Of wearers, all different, that every program is tried on."""

LOW, HIGH = 70.0, 180.0


def main() -> None:
    """Print the shares of time of every finished run, and each program's users."""
    for request in read_study(Path("studies/glucose.yaml")).runs():
        if not RunFolder(request.folder).is_finished:
            continue
        folder, run = open_run(request.folder)
        problem, policies = run.problem, handed_out(folder, run).policies
        play = make_player(problem, run.num_policies, DAYS, trace=True)
        episodes = play(jax.random.key(12345), policies, True)
        glucose = np.asarray(episodes.outcomes.glucose)  # [days, K, steps]
        assignment = np.array(folder.read_evaluation()["assignment"])
        users = np.bincount(assignment, minlength=run.num_policies)
        low, high = (
            100 * share.mean(axis=(0, 2)) @ users / users.sum()
            for share in (glucose < LOW, glucose > HIGH)
        )
        print(f"{request.folder.name}: low {low:.1f} %, high {high:.1f} %, users {users.tolist()}")


if __name__ == "__main__":
    main()
