"""A Ray cluster on this machine, of nodes with one CPU each, for as long as its input is open.

    python -m tests.sweep.ray_cluster NODES

It prints its address. A line ``kill`` ends the last node as a power cut would, and is answered.
"""

import sys

from ray.cluster_utils import Cluster

STORE = 80 * 1024 * 1024
"""Bytes of memory that nodes share objects in; the least that Ray takes is 75 MiB."""


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    node = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    others = [
        cluster.add_node(num_cpus=1, object_store_memory=STORE) for _ in range(int(sys.argv[1]) - 1)
    ]
    say(cluster.address)
    for line in sys.stdin:
        if line == "kill\n":
            cluster.remove_node(others.pop(), allow_graceful=False)
            say("killed")
    cluster.shutdown()


if __name__ == "__main__":
    main()
