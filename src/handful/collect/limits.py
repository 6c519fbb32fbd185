"""After how many steps each environment of a policy starts anew while policies train.

Of a long episode its beginning is a thousandth, and where one can fall in its first steps nearly
all is lost by it. Discounting hides that: a fall costs a policy no more then than later. So half
of the environments can be made to begin more often. What follows on the cut is still valued, as at
a time limit; but what such short episodes earn says little of a policy's return, and those of them
that end by a fall would say too little. So none of them counts.
"""

import numpy as np

from handful.types import Int, NumpyArray


def episode_limits(
    time_limit: int, num_envs: int, short_episodes: int | None
) -> Int[NumpyArray, " B"]:
    """Steps [B]: ``short_episodes`` in the first half of the environments, else the time limit.

    Args:
        short_episodes: None for whole episodes everywhere.
    """
    limits = np.full(num_envs, time_limit)
    if short_episodes is not None:
        limits[: num_envs // 2] = min(short_episodes, time_limit)
    return limits
