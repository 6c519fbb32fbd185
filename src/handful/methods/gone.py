"""Assignment methods that left the library, so that their runs can still be read.

A run of such a method cannot be begun and cannot go on. A finished one can be read, reported and
served, because its final policies and the users' assignment are in files of their own.
"""

from dataclasses import dataclass
from typing import ClassVar, NoReturn

from handful.errors import HandfulError
from handful.methods.base import AssignmentMethod, MethodInfo
from handful.methods.weights import Weights
from handful.types import PRNGKey, PyTree

_BY_UNIVERSAL = "left the library after version 0.2.0: 'universal' takes its place"

GONE = {"planned-em": _BY_UNIVERSAL, "branching-em": _BY_UNIVERSAL}
"""What became of each method that left the library, by the name that it had."""


@dataclass(frozen=True)
class GoneMethod(AssignmentMethod):
    """The place of a method that left the library, in the settings of a run that it has trained.

    Its ``info`` is what those methods had in common.

    Attributes:
        name: the name that the method had.
    """

    info: ClassVar[MethodInfo] = MethodInfo(assigns_best=True, begins_anew=True)

    name: str

    def init(self, key: PRNGKey, num_users: int, num_policies: int) -> PyTree:
        """Refuse to begin.

        Raises:
            HandfulError: always.
        """
        del key, num_users, num_policies
        self._refuse()

    def weights(self, state: PyTree) -> Weights:
        """Refuse to say who is served by whom.

        Raises:
            HandfulError: always.
        """
        del state
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise HandfulError(f"The assignment method '{self.name}' {GONE[self.name]}.")
