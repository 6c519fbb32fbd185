"""The command ``handful tasks``."""

from dataclasses import dataclass

from handful.cli.output import print_json
from handful.problem import tasks


@dataclass
class Tasks:
    """List the tasks that have a name."""

    json: bool = False
    """Print JSON instead."""

    def run(self) -> None:
        """Print a line a task."""
        if self.json:
            print_json([{"name": task.title, "description": task.description} for task in tasks()])
            return
        width = max(len(task.title) for task in tasks())
        for task in tasks():
            print(f"{task.title:{width}}  {task.description}")
