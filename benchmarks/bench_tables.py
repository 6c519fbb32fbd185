"""How long a table of users takes to load and check, as a population with linear preferences.

python benchmarks/bench_tables.py [--users 10000] [--features 20] [--rounds 5]
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

import handful


def main() -> None:
    """Write a table in each form, then time reading it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--features", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    names = [f"feature_{j}" for j in range(arguments.features)]
    weights = np.random.default_rng(0).normal(size=(arguments.users, arguments.features))
    frame = pl.DataFrame(weights, schema=names).with_columns(
        user=pl.Series([f"user-{i}" for i in range(arguments.users)]),
        clinic=pl.Series(["north" if i % 2 else "south" for i in range(arguments.users)]),
    )
    print(f"{arguments.users:,} users, {arguments.features} features, {arguments.rounds} rounds")
    with tempfile.TemporaryDirectory() as folder:
        sources = {
            "CSV": Path(folder) / "users.csv",
            "Parquet": Path(folder) / "users.parquet",
            "DataFrame": frame,
        }
        frame.write_csv(sources["CSV"])
        frame.write_parquet(sources["Parquet"])
        for name, source in sources.items():
            seconds = []
            for _ in range(arguments.rounds):
                start = time.perf_counter()
                handful.Population.from_table(source, names)
                seconds.append(time.perf_counter() - start)
            print(f"  {name:10} {statistics.median(seconds):.3f} s (slowest {max(seconds):.3f})")


if __name__ == "__main__":
    main()
