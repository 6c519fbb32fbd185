"""Which policy serves a person whom training never saw.

Weights that are known are multiplied with the policies' returns in reward features
(:func:`route`). Weights that are unknown are learnt about until the best policy is settled, which
is long before the weights are (:class:`Router`). Both need NumPy only, and no simulator.
"""

from handful.routing.known import Routes, route
from handful.routing.measured import Returns
from handful.routing.unknown import Belief, Router

__all__ = ["Belief", "Returns", "Router", "Routes", "route"]
