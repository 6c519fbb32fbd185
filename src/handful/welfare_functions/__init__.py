"""The families of welfare functions: power means, ordered welfares and the welfare of groups.

Each is a small frozen object with a value, a gradient, a name that is read back, and a formula. All
of them are welfares of *expected* returns: a user's utility is the mean return that the user
expects, and the welfare is taken once, over users. (The mean over episodes of a welfare of returns
is another thing.) All of them are concave, never fall if a user earns more, give the common utility
back if all users earn the same, and are in the unit of returns.

With weights m of the users (positive, with the sum 1; 1/N each unless they are given):

==================  ==========================================================================
``utilitarian``     sum_i m_i u_i
``power:p``         (sum_i m_i u_i^p)^(1/p) for p <= 1, where p = 0 is the geometric mean
``nash``            ``power:0``
``egalitarian``     min_i u_i, which is ``power:-inf``
``gini:d``          sum_i (S_{i-1}^d - S_i^d) u_(i) with the users from the worst served to the best
                    and S_i the weight of those served better than i; ``gini`` is d = 2
``cvar:a``          the mean utility of the worst served share a of the users
``groups:W``        the welfare W of the groups' means
==================  ==========================================================================

Power means below 1 are of the gain over a reference point r, which is 0 unless it is given:
r + M_p(u - r). A gain must not be negative; where one is 0 and p <= 0, the welfare is r.

The values are computed by NumPy or by ``jax.numpy``, as the utilities are. So one definition serves
the choice from a table and, as each object is a function of the utilities, training.
"""

from handful.welfare_functions.base import Welfare, shares_of
from handful.welfare_functions.groups import GroupWelfare
from handful.welfare_functions.own import OwnWelfare
from handful.welfare_functions.parsing import FAMILIES, is_of_family, parse_welfare
from handful.welfare_functions.places import CVaR, Gini, PlaceWelfare
from handful.welfare_functions.power import PowerMean

__all__ = [
    "FAMILIES",
    "CVaR",
    "Gini",
    "GroupWelfare",
    "OwnWelfare",
    "PlaceWelfare",
    "PowerMean",
    "Welfare",
    "is_of_family",
    "parse_welfare",
    "shares_of",
]
