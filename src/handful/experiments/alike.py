"""Seeds of a method are runs that differ in nothing else: a table has their mean."""

import json
from typing import Any

from handful.errors import HandfulError
from handful.experiments.requests import RunRequest
from handful.words import count


class SeedsAlike:
    """Looks at a study's runs, one after the other.

    Args:
        title: of the study, for sentences.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._first: dict[tuple[Any, ...], RunRequest] = {}

    def check(self, request: RunRequest, num_users: int) -> None:
        """Compare a run with the first of those that stand in the same row of the table.

        Raises:
            HandfulError: if they have other settings or parameters: their mean would be of neither.
        """
        config = request.config
        row = (request.task, request.label, config.num_policies, num_users, config.steps)
        first = self._first.setdefault(row, request)
        if _besides_seed(first) != _besides_seed(request):
            raise HandfulError(
                f"The {self._title} asks for '{request.label}' on '{request.task}' with "
                f"{count(config.num_policies, 'policy')}, {count(num_users, 'user')} and "
                f"{config.steps:,} steps in two ways, whose runs ('{first.folder.name}' and "
                f"'{request.folder.name}') would count as seeds of one method: make one of its "
                f"groups a variant, with a name."
            )


def _besides_seed(request: RunRequest) -> str:
    """Everything that decides a run's result but its seed, and that of its users, as text."""
    settings = {**request.config.to_dict(), "seed": None, "threads": None}
    return json.dumps([settings, {**request.parameters, "population_seed": None}], sort_keys=True)
