"""How many questions a second the server answers on one core, how fast, and what a kill leaves.

    python benchmarks/bench_serving.py --out results/serving/load.csv

A bundle with random weights (17 entries, two layers of 64, 1,000 users) is served by a process that
is kept on one core. Clients are threads of a second process on another core; each keeps its
connection and asks one question after another. Seconds of the server's processor for each question
are told too: other programs on the machine hardly change them. Then the server is killed with
``SIGKILL`` under the load of 16 clients, again and again with the same log: no answer may be
missing in the log, and no line of it may be cut.
"""

import argparse
import csv
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

USERS, SIZE = 1000, 17
COLUMNS = ("clients", "questions", "a_second", "ms_median", "ms_95", "ms_99", "server_cpu_ms")
SERVE = "import sys; from handful.cli.main import main; main(sys.argv[1:])"


def write(folder):
    """Write the bundle that is served."""
    import gymnasium
    import numpy as np
    from gymnasium import spaces

    import handful

    class Random(gymnasium.Env):
        observation_space = spaces.Box(-1.0, 1.0, (SIZE,), np.float32)
        action_space = spaces.Box(-2.0, 2.0, (6,))

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return self.np_random.uniform(-1, 1, SIZE).astype(np.float32), {}

        def step(self, action):
            seen = self.np_random.uniform(-1, 1, SIZE).astype(np.float32)
            return seen, float(seen[0]), False, False, {}

    weights = np.linspace(-1.0, 1.0, USERS)[:, None]
    problem = handful.from_gymnasium(Random(), weights, time_limit=100, processes=1)
    sizes = {"hidden_sizes": (64, 64), "batch_size": 256, "num_envs": 8}
    result = handful.train(
        problem, 5, "em", steps=2560, preset="fast", settings=sizes, progress=False
    )
    result.save(folder)


def start(folder, log, core):
    """Start a server on one core and return it with its port."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, "serve", folder, "--port", "0", "--audit", str(log)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    return process, int(re.search(r":(\d+)/v1/", process.stderr.readline())[1])


def cpu_seconds(process):
    """Return the seconds of the processor that a process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask(port, number, until, answered):
    """Ask one question after another; keep each answer's seconds and number."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    count = 0
    try:
        while time.perf_counter() < until:
            observation = [((count * 7 + entry) % 21 - 10) / 10.0 for entry in range(SIZE)]
            user = f"user-{(hash(str(number)) + count) % USERS}"
            question = {"observation": observation, "user": user, "id": f"{number}-{count}"}
            began = time.perf_counter()
            client.request("POST", "/v1/act", json.dumps(question))
            reply = client.getresponse()
            data = reply.read()
            assert reply.status == 200, data
            answered.append((time.perf_counter() - began, json.loads(data)["id"]))
            count += 1
    except (OSError, http.client.HTTPException):
        pass  # the server was killed
    finally:
        client.close()


def load(port, clients, seconds, named=""):
    """Start clients and return their threads with the list of answers."""
    answered, until = [], time.perf_counter() + seconds
    threads = [
        threading.Thread(target=ask, args=(port, f"{named}{n}" if named else n, until, answered))
        for n in range(clients)
    ]
    for thread in threads:
        thread.start()
    return threads, answered


def measure(folder, place, clients, seconds):
    """Return a row of the table."""
    process, port = start(folder, place / f"{clients}.jsonl", min(os.sched_getaffinity(0)))
    try:
        for thread in load(port, clients, 0.5)[0]:
            thread.join()
        before, began = cpu_seconds(process), time.perf_counter()
        threads, answered = load(port, clients, seconds)
        for thread in threads:
            thread.join()
        took, used = time.perf_counter() - began, cpu_seconds(process) - before
    finally:
        process.kill()
        process.wait()
    times = sorted(1000 * one for one, _ in answered)
    at = [round(times[min(int(len(times) * q), len(times) - 1)], 2) for q in (0.5, 0.95, 0.99)]
    rate, each = round(len(times) / took), round(1000 * used / len(times), 3)
    return dict(zip(COLUMNS, (clients, len(times), rate, *at, each), strict=True))


def kill(folder, place, times):
    """Kill a server under load; return the answers, those not in the log, and cut lines."""
    log, answers = place / "killed.jsonl", []
    for turn in range(times):
        process, port = start(folder, log, min(os.sched_getaffinity(0)))
        threads, answered = load(port, 16, 20.0, named=f"{turn}-")
        while len(answered) < 200 + 37 * turn:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for thread in threads:
            thread.join()
        answers += [number for _, number in answered]
    logged, cut = set(), 0
    for line in log.read_bytes().split(b"\n")[:-1]:
        try:
            logged.add(json.loads(line)["id"])
        except ValueError:
            cut += 1
    cut += not log.read_bytes().endswith(b"\n")
    return len(answers), len(set(answers) - logged), cut


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 4, 16, 64])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--kills", type=int, default=20)
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        folder = str(place / "bundle")
        subprocess.run([sys.executable, __file__, "write", folder], check=True)
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
        rows = []
        for clients in arguments.clients:
            rows.append(measure(folder, place, clients, arguments.seconds))
            print(rows[-1], flush=True)
        with arguments.out.open("w", newline="") as file:
            table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            table.writeheader()
            table.writerows(rows)
        answers, missing, cut = kill(folder, place, arguments.kills)
        print(
            f"{arguments.kills} kills: {answers} answers, {missing} not in the log, {cut} cut lines"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        write(sys.argv[2])
    else:
        main()
