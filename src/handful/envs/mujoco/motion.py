"""What a step of a robot comes to, as far as any user cares."""

from typing import NamedTuple

from handful.types import Array, Float


class Motion(NamedTuple):
    """The outcome of one step.

    Attributes:
        velocity: forward velocity over the step, metres per second: the change of the robot's
            position along x divided by the step's duration.
    """

    velocity: Float[Array, ""]
