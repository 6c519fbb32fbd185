"""What a sweep costs beside its runs: how busy it keeps its processes, and what else it does.

40 short runs of Resource Gathering by `handful sweep`'s own executor. Other programs on the machine
stretch the time that everything takes, runs and sweep alike, but not the two shares given:

- busy: the time that the processes spent on runs, of the time that they could have (wall time x
  workers); starting them, waiting for work and the last run's lonely end are what is missing.
- overhead: CPU seconds of everything that is no run (starting Python and JAX in every process,
  handing out runs, progress, writing the table), of the runs' own CPU seconds.

The share of the cores' time that was CPU time at all is given too; it says something only where
nothing else runs. The first sweep fills the cache of compiled programs and is not counted.

    python benchmarks/bench_sweep.py [--workers 2] [--runs 40] [--steps 262144] [--json]
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from handful.devices import usable_cores

SWEEP = """
import json, sys
from pathlib import Path
import handful.cli.sweep as command
from handful.sweep import local
plain, outcomes = local.run_all, []
def run_all(*arguments):
    outcomes.extend(plain(*arguments))
    return outcomes
local.run_all = run_all
if __name__ == "__main__":
    command.Sweep(Path("study.yaml"), workers=int(sys.argv[1])).run()
    numbers = [[o.seconds, o.cpu_seconds] for o in outcomes]
    Path("runs.json").write_text(json.dumps(numbers))
"""


def sweep(folder: Path, runs: int, steps: int, workers: int) -> dict[str, float]:
    """Wall and CPU seconds of a sweep in a process of its own, and of its runs."""
    study = {
        "tasks": ["resource-gathering"],
        "methods": ["em"],
        "policies": [2],
        "seeds": list(range(runs)),
        "steps": steps,
        "preset": "fast",
        "out": "runs",
        "results": "results",
    }
    folder.mkdir()
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    (folder / "sweep.py").write_text(SWEEP)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    command = [sys.executable, "sweep.py", str(workers)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    numbers = json.loads((folder / "runs.json").read_text())
    return {
        "wall": wall,
        "cpu": cpu,
        "run_seconds": sum(seconds for seconds, _ in numbers),
        "run_cpu": sum(cpu for _, cpu in numbers),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=usable_cores())
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--steps", type=int, default=262_144)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sweep(Path(folder) / "first", 1, arguments.steps, 1)
        spent = sweep(Path(folder) / "study", arguments.runs, arguments.steps, arguments.workers)
    room = spent["wall"] * arguments.workers
    result = {
        **{name: round(value, 1) for name, value in spent.items()},
        "busy": round(spent["run_seconds"] / room, 4),
        "overhead": round((spent["cpu"] - spent["run_cpu"]) / spent["run_cpu"], 4),
        "cpu_of_cores": round(spent["cpu"] / room, 4),
    }
    if arguments.json:
        print(json.dumps(result))
        return
    print(
        f"{arguments.runs} runs of {spent['run_cpu'] / arguments.runs:.1f} CPU seconds on "
        f"{arguments.workers} processes: {spent['wall']:.0f} s of wall time, "
        f"{spent['cpu']:.0f} s of CPU time\n"
        f"busy with runs {100 * result['busy']:.1f} %, overhead {100 * result['overhead']:.1f} % "
        f"of the runs' CPU time, CPU time {100 * result['cpu_of_cores']:.1f} % of the cores' time"
    )


if __name__ == "__main__":
    main()
