"""What the default method costs beside plain EM: CPU time of an update, in turns on one core.

The preset `fast`. Both train for the same number of updates first; on Resource Gathering it takes
some until there are elites to imitate and an archive to search. CPU seconds are what other programs
on the machine hardly change, and each number is the median over the turns. Robots take minutes.

    python benchmarks/bench_methods.py [--policies 1,3,10,25] [--rounds 9] [--json]
    python benchmarks/bench_methods.py --task ant --policies 5 --before 20
"""

import json
import statistics
import time
from contextlib import ExitStack

from turns import parser, stay_on_one_core, take_turns

stay_on_one_core()

import jax  # noqa: E402

from handful.problem import make  # noqa: E402
from handful.training.config import AUTO, make_config  # noqa: E402
from handful.training.run import Run  # noqa: E402
from handful.training.state import init_state  # noqa: E402
from handful.training.stepper import open_stepper  # noqa: E402

METHODS = ("em", AUTO)
UPDATES_A_TURN = 20


def turn(task: str, method: str, num_policies: int, before: int, opened: ExitStack):
    """A function that trains for a while; CPU seconds of an update."""
    problem = make(task)
    config = make_config(problem, num_policies, method, "fast", steps=1_000_000)
    step = opened.enter_context(open_stepper(Run(problem, config, mesh=None)))
    state = init_state(Run(problem, config))
    for _ in range(before):
        state, _ = step(state)

    def measure() -> float:
        nonlocal state
        start = time.process_time()
        for _ in range(UPDATES_A_TURN):
            state, metrics = step(state)
            jax.device_get(metrics)
        return (time.process_time() - start) / UPDATES_A_TURN

    return measure


def main() -> None:
    command = parser(__doc__, rounds=9)
    command.add_argument("--task", default="resource-gathering")
    command.add_argument("--policies", default="1,3,10,25")
    command.add_argument("--before", type=int, default=70, help="updates before the first turn")
    arguments = command.parse_args()
    results = []
    for num_policies in map(int, arguments.policies.split(",")):
        with ExitStack() as opened:
            turns = {
                method: turn(arguments.task, method, num_policies, arguments.before, opened)
                for method in METHODS
            }
            seconds = take_turns(turns, arguments.rounds)
        median = {method: statistics.median(values) for method, values in seconds.items()}
        results.append({"policies": num_policies, "seconds": median})
        if not arguments.json:
            more = 100 * (median[AUTO] / median["em"] - 1)
            print(
                f"k = {num_policies:2}: em {1000 * median['em']:.1f} ms of CPU an update, "
                f"{AUTO} {1000 * median[AUTO]:.1f} ms ({more:+.0f} %)",
                flush=True,
            )
    if arguments.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
