"""The best k policies if users differ in few ways, between two bounds that meet.

Let h(c) be the most that any policy earns for the reward weights c. It is convex, homogeneous
(h(tc) = t h(c)) and made of finitely many planes, one for each policy: the convex coverage set of
multi-objective planning (Roijers et al., 2013). The users of one policy are worth h(their sum) to
it. So the best welfare is the highest sum of h over k groups, and the problem matters only through
h between the users' weights.

*From below.* h is known exactly where it was evaluated, and every evaluation gives a policy. The
best k of the policies found are chosen exactly (:func:`~handful.exact.facility.choose`), and EM
goes on from them.

*From above.* A convex function lies below its chords: between points where h is known, it lies
below the lower convex hull of these values. Every face of the hull is a plane. It stands for a
policy that no real policy exceeds, and that only its corners attain. The best k of the *planes* are
again a choice of k from many. No k policies exceed it: each group's sum lies under some face, and
is worth no more than that face says. Next h is evaluated at the groups of this choice. A face that
promised too much is cut off there. So the bound falls until it meets the best choice that was
found, or until the time is over.

Users' weights of rank r make a hull in r dimensions (r - 1 and the value of h), whose faces grow
too many beyond four.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.spatial import ConvexHull

from handful.exact.facility import Choice, choose, choose_greedily
from handful.exact.tabular import TabularRMDP

MAX_RANK = 4
"""The largest rank of the users' coefficients: their hull has as many dimensions."""

SECONDS = 300.0
"""The seconds for the proof; a hundred users of ICU-Sepsis take a minute on one core."""

_TOLERANCE = 1e-5
"""The share of the spread of returns within which the bounds meet; a choice is proven to half."""

_UPRIGHT = 1e-7  # the height of a wall's unit normal
_RANK_TOLERANCE = 1e-9  # a share of the largest singular value


@dataclass(frozen=True, eq=False)
class Coverage:
    """The best choice that was found, and a bound that no choice exceeds.

    Attributes:
        policies: the actions of the policies that were chosen, int64 [K', S] or [K', T, S].
        returns: the returns of these policies to each user, [K', N].
        upper_bound: a bound that the welfare of no k policies exceeds.
        is_proven: whether the welfare found and the bound are equal, up to rounding.
        evaluations: the number of best policies that were computed for it.
    """

    policies: np.ndarray
    returns: np.ndarray
    upper_bound: float
    is_proven: bool
    evaluations: int

    @property
    def welfare(self) -> float:
        """The mean over users of the return from the best policy that was found for them."""
        return float(self.returns.max(axis=0).mean())


def cover(rmdp: TabularRMDP, num_policies: int, seconds: float = SECONDS) -> Coverage:
    """Find the best ``num_policies`` policies, or good ones and a bound on the best.

    Args:
        seconds: the seconds after which the search stops and states its bounds.

    Raises:
        ValueError: if the users differ in too many ways (:func:`can_cover`).
    """
    support = Support.of(rmdp)
    found = support.best_few(num_policies, seconds=seconds)
    policies = np.array([support.policies[j] for j in found.rows])
    returns = support.returns()
    return Coverage(policies, returns[found.rows], found.upper_bound, found.is_proven, len(returns))


@dataclass(frozen=True, eq=False)
class WeightedChoice:
    """The best few policies for users who count differently, among those found, and a bound.

    Attributes:
        rows: the chosen policies, by their place among the policies found.
        upper_bound: a bound on the weighted mean of what any so many policies earn the users.
        is_proven: whether the chosen policies attain the bound, up to rounding.
    """

    rows: np.ndarray
    upper_bound: float
    is_proven: bool


def _best_found(returns: np.ndarray, num_policies: int, deadline: float) -> Choice:
    found = _choose_until(returns, num_policies, deadline)
    return choose_greedily(returns, num_policies) if found is None else found


def _choose_until(values: np.ndarray, num_policies: int, deadline: float) -> Choice | None:
    """Return a proven choice, or None if there is no time for the proof."""
    left = deadline - time.monotonic()
    if left <= 0:
        return None
    try:
        return choose(values, num_policies, time_limit=left)
    except RuntimeError:
        return None


def can_cover(rmdp: TabularRMDP) -> bool:
    """Return whether the users differ in few enough ways."""
    return 1 <= _rank(rmdp.coefficients) <= MAX_RANK


@dataclass(frozen=True, eq=False)
class _Chart:
    """Reward weights as points and masses: h(c) = mass(c) h(point of c), as h is homogeneous.

    Attributes:
        mass: the mass of each user, positive, [N].
        points: the point of each user, [N, d].
        origin: the weights [D] that the point 0 stands for.
        axes: the weights [d, D] that each coordinate adds.
    """

    mass: np.ndarray
    points: np.ndarray
    origin: np.ndarray
    axes: np.ndarray

    @classmethod
    def of(cls, coefficients: np.ndarray) -> _Chart:
        """Return a chart of the users' weights, in as few dimensions as they have."""
        scale = np.abs(coefficients).max()
        mass = _positive_mass(coefficients / scale)
        rays = coefficients / mass[:, None]
        origin = rays.mean(axis=0)
        _, sizes, axes = np.linalg.svd(rays - origin, full_matrices=False)
        axes = axes[sizes > _RANK_TOLERANCE * max(sizes[0], np.abs(origin).max())]
        return cls(mass, (rays - origin) @ axes.T, origin, axes)

    def weights(self, point: np.ndarray) -> np.ndarray:
        """Return the reward weights [D] that a point stands for."""
        return self.origin + point @ self.axes

    def groups(self, assignment: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """Return the point of each group's summed weights, [groups, d], by how users count [N]."""
        mass = self.mass * shares
        sums = np.array(
            [
                np.append(mass[group] @ self.points[group], mass[group].sum())
                for group in (assignment == label for label in np.unique(assignment))
            ]
        )
        sums = sums[sums[:, -1] > 0.0]  # nobody counts in the other groups
        return sums[:, :-1] / sums[:, -1:]


def _positive_mass(coefficients: np.ndarray) -> np.ndarray:
    """Return a linear function of the coefficients that is positive for every user, or else ones.

    A plane then cuts the rays of the users' weights, which saves a dimension. If there is no such
    function (users want opposite things), the weights themselves are the points.
    """
    num_users, num_features = coefficients.shape
    solution = linprog(
        np.append(np.zeros(num_features), -1.0),
        A_ub=np.hstack([-coefficients, np.ones((num_users, 1))]),
        b_ub=np.zeros(num_users),
        bounds=[(-1.0, 1.0)] * num_features + [(None, None)],
        method="highs",
    )
    mass = coefficients @ solution.x[:-1] if solution.success else np.zeros(num_users)
    return mass if mass.min() > 1e-3 * np.abs(mass).max() else np.ones(num_users)


def _spread(values: np.ndarray) -> float:
    """Return the distance from the lowest to the highest number, at least the rounding error."""
    return max(float(np.ptp(values)), 1e-12 * float(np.abs(values).max())) or 1.0


def _rank(coefficients: np.ndarray) -> int:
    return int(np.linalg.matrix_rank(coefficients, rtol=_RANK_TOLERANCE))


class Support:
    """The points at which h was evaluated, and the policies that it came from.

    A face of the hull holds for users who count differently, too: h is homogeneous, and a sum of
    the users' weights lies between them whatever each of them counts. So one object serves many
    weightings, and every evaluation sharpens the bounds of all of them.
    """

    def __init__(self, rmdp: TabularRMDP, chart: _Chart) -> None:
        self.rmdp, self.chart = rmdp, chart
        self.points: list[np.ndarray] = []
        self.values: list[float] = []
        self.features: list[np.ndarray] = []
        self.policies: list[np.ndarray] = []
        self._known: set[bytes] = set()

    @classmethod
    def of(cls, rmdp: TabularRMDP) -> Support:
        """Evaluate h for everybody together and for each user alone.

        Raises:
            ValueError: if the users differ in too many ways (:func:`can_cover`).
        """
        if not can_cover(rmdp):
            raise ValueError(f"The users' coefficients must have a rank from 1 to {MAX_RANK}.")
        support = cls(rmdp, _Chart.of(rmdp.coefficients))
        support.climb(np.zeros(rmdp.num_users, dtype=np.int64))
        for user in range(rmdp.num_users):  # the users' hull contains every group's mean
            support.evaluate(support.chart.points[user])
        return support

    def best_few(
        self,
        num_policies: int,
        shares: np.ndarray | None = None,
        outside: np.ndarray | None = None,
        seconds: float = SECONDS,
    ) -> WeightedChoice:
        """Choose the best few of the policies found, and find more until a bound proves them.

        Args:
            num_policies: the budget k.
            shares: how much each user counts, not negative, with the sum N, [N]; None if all count
                the same.
            outside: what each user has without a policy [N]; None if everybody takes one.
            seconds: the seconds after which the search stops and states its bound.
        """
        shares = np.ones(self.rmdp.num_users) if shares is None else shares
        counts = shares > 0.0

        def worth(returns: np.ndarray) -> np.ndarray:
            lifted = returns if outside is None else np.maximum(returns, outside)
            return (lifted * shares)[:, counts]

        def all_users(choice: Choice, returns: np.ndarray) -> np.ndarray:
            return choice.indices[returns[choice.indices].argmax(axis=0)]

        share = float(counts.mean())
        deadline = time.monotonic() + seconds
        upper = float(worth(self.returns()).max(axis=0).mean())  # a policy of their own for each
        while True:
            found = _best_found(worth(self.returns()), num_policies, deadline)
            while self.climb(all_users(found, self.returns()), shares):
                found = _best_found(worth(self.returns()), num_policies, deadline)
            promises, centres = self.promises()
            promised = _choose_until(worth(promises), num_policies, deadline)
            if promised is not None:
                upper = min(upper, promised.upper_bound)
            spread = _spread(worth(self.returns()))
            is_proven = bool(upper - found.welfare <= _TOLERANCE * spread)
            if is_proven or promised is None:
                break
            is_new = self.climb(all_users(promised, promises), shares)
            middles = [self.evaluate(centres[face]) for face in promised.indices]
            if not is_new and not any(middles):
                break
        return WeightedChoice(found.indices, share * upper, is_proven)

    def evaluate(self, point: np.ndarray) -> bool:
        """Find the best policy for a point, unless it is known."""
        key = np.round(point, 12).tobytes()
        if key in self._known:
            return False
        first = None
        if self.points:
            first = self.policies[int(np.square(np.array(self.points) - point).sum(1).argmin())]
        weights = self.chart.weights(point)
        policy = self.rmdp.best_for(weights, first)
        features = self.rmdp.feature_returns(policy)
        self._known.add(key)
        self.points.append(point)
        self.values.append(float(weights @ features))
        self.features.append(features)
        self.policies.append(policy)
        return True

    def climb(self, assignment: np.ndarray, shares: np.ndarray | None = None) -> bool:
        """Run EM from an assignment [N], for users who count so much [N] (all alike if None).

        The result is whether it met a group whose best policy was unknown.
        """
        shares = np.ones(len(assignment)) if shares is None else shares
        is_new = False
        while True:
            groups = self.chart.groups(assignment, shares)
            found = [self.evaluate(point) for point in groups]
            if not any(found):
                return is_new
            is_new = True
            own = [self._index(point) for point in groups]
            assignment = self.returns()[own].argmax(axis=0)

    def returns(self) -> np.ndarray:
        """Return the return of every policy found to every user, [M, N]."""
        return np.array(self.features) @ self.rmdp.coefficients.T

    def promises(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the worth of the lower hull's faces to all users [F, N], and their middles [F, d].

        Qhull merges faces that are nearly equal: each plane is raised until none of its corners,
        where h is known, lies above it. Some promises lie far below the return of any policy found.
        They would only make the numbers less exact, so they are raised, and the bound remains a
        bound.
        """
        points, values = np.array(self.points), np.array(self.values)
        if points.shape[1] == 0:  # all users want the same
            return values.max() * self.chart.mass[None], points[:1]
        scales = np.append(np.abs(points).max(axis=0), _spread(values))
        lifted = np.column_stack([points, values - values.mean()]) / scales
        # A point far above all others gives flat hulls a volume. Faces that contain it do not
        # belong to the lower hull.
        apex = np.append(points.mean(axis=0) / scales[:-1], lifted[:, -1].max() + 10.0)
        hull = ConvexHull(np.vstack([lifted, apex]))
        # Walls along the edge of the users' weights stand upright, up to rounding.
        is_lower = hull.equations[:, -2] < -_UPRIGHT
        is_lower &= (hull.simplices != len(lifted)).all(axis=1)
        planes = hull.equations[is_lower]
        slopes = -np.column_stack([planes[:, :-2], planes[:, -1]]) / planes[:, -2:-1]
        # These are the heights of the corners above their plane, [F, d + 1].
        corners = lifted[hull.simplices[is_lower]]
        planar = np.einsum("fcd,fd->fc", corners[:, :, :-1], slopes[:, :-1]) + slopes[:, -1:]
        raised = np.maximum(corners[:, :, -1] - planar, 0.0).max(axis=1)
        users = self.chart.points / scales[:-1]
        heights = users @ slopes[:, :-1].T + slopes[:, -1] + raised
        promised = (heights * scales[-1] + values.mean()).T * self.chart.mass
        centres = corners[:, :, :-1].mean(axis=1) * scales[:-1]
        returns = self.returns()
        return np.maximum(promised, returns.min(axis=0) - np.ptp(returns)), centres

    def _index(self, point: np.ndarray) -> int:
        return int(np.square(np.array(self.points) - point).sum(axis=1).argmin())
