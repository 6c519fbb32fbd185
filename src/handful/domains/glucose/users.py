"""People with type 1 diabetes who want different glucose targets, and fear lows differently.

With ``z`` the logarithm of glucose over 110 mg/dl, in units of ln 2 (a doubling), user ``i`` earns
in every step

.. math:: 1 - (z - z_i)^2 - \\phi_i \\, \\max(0, z_{70} - z)^2 ,

where :math:`z_i` stands for their target and :math:`\\phi_i` says how much more than by distance
alone a level below 70 mg/dl frightens them. Risk is commonly judged on a logarithmic scale, as half
the usual level harms about as much as twice of it (Kovatchev et al., 1997). Glucose counts as
sensors show it, from 40 to 400 mg/dl, so that rewards are bounded. A day's return is 100 times the
mean over its steps: 100 for a day spent at the target.

All of this is linear in 1, z, z² and the square below 70: four features, however many users.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from handful.domains.glucose.environment import (
    HIGHEST_READING,
    LOWEST_READING,
    USUAL_LEVEL,
    GlucoseOutcome,
)
from handful.population import Population
from handful.types import Array, Float, NumpyArray

FULL_RETURN = 100.0
"""The return of a day at exactly the target."""

LOW = 70.0
"""Below it a level counts as low, mg/dl (international consensus: Battelino et al., 2019)."""

TARGETS = (90.0, 160.0)
"""The range of targets of sampled users, mg/dl, evenly on a logarithmic scale. Pumps on the market
offer 100, 110 and 120 (MiniMed 780G) or 110 to 150 in steps of 10 (Omnipod 5); pregnancy asks for
less, and those who live alone, drive or exercise often ask for more."""

FEARS = (0.5, 20.0)
"""The range of fears of sampled users, evenly on a logarithmic scale. At 54 mg/dl, where a low
becomes serious, a step costs such users from 0.07 to 2.8 beyond the distance: from hardly more than
the distance itself to three steps at the target."""


def relative_level(glucose: Any, module: Any = np) -> Any:
    """Return ``z``: how many doublings over 110 mg/dl a level is, as a sensor shows it."""
    shown = module.clip(glucose, LOWEST_READING, HIGHEST_READING)
    return module.log(shown / USUAL_LEVEL) / math.log(2.0)


@dataclass(frozen=True)
class GlucoseFeatures:
    """The features 1, z, z² and the square below 70 mg/dl, spread over the steps of a day."""

    steps: int

    def __call__(self, outcome: GlucoseOutcome) -> Float[Array, " 4"]:
        """Return the features [4] of one step."""
        level = relative_level(outcome.glucose, jnp)
        low = jnp.maximum(relative_level(LOW) - level, 0.0)
        return FULL_RETURN / self.steps * jnp.stack([jnp.ones(()), level, level**2, low**2])


def wearers(
    targets: NumpyArray,
    fears: NumpyArray,
    steps: int,
    user_ids: tuple[str, ...] = (),
    labels: Mapping[str, NumpyArray] | None = None,
) -> Population:
    """Make the population of users with these targets [N] (mg/dl) and fears [N]."""
    wanted = relative_level(targets)
    ones = np.ones_like(wanted)
    return Population(
        np.stack([ones - wanted**2, 2 * wanted, -ones, -fears], axis=1),
        GlucoseFeatures(steps),
        user_ids,
        attributes={"target": targets, "fear": fears, **(labels or {})},
        feature_names=("1", "level", "level squared", "low squared"),
    )
