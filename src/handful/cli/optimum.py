"""The command ``handful optimum``."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from handful.cli.output import print_json
from handful.cli.settings import parse_settings


@dataclass
class OptimumCommand:
    """The highest welfare that any k policies can reach, or an upper bound, with its proof."""

    task: tyro.conf.Positional[str]
    """The task's name; see 'handful tasks'."""

    policies: int
    """The budget k."""

    param: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A parameter of the task, NAME=VALUE (--param height=4); may be repeated."""

    json: bool = False
    """Print JSON instead."""

    def run(self) -> None:
        """Solve and print."""
        from handful.evaluation.gap import optimum
        from handful.problem import make

        best = optimum(make(self.task, **parse_settings(self.param, "--param")), self.policies)
        if self.json:
            print_json(best.to_dict())
            return
        print(f"{best.kind}: welfare {best.welfare:.4f} with {self.policies} policies")
        print(best.explanation)
        for policy in range(self.policies):
            users = int((best.assignment == policy).sum())
            certificate = best.certificate[policy] if policy < len(best.certificate) else ()
            print(f"policy {policy} serves {users} users: {certificate}")
