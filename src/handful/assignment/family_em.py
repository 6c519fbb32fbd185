"""Planned EM of policies that learn together, for outcomes that are hard to reach (ours).

A robot that may fall learns to stand, then to creep, then to walk, and each takes hundreds of
thousands of transitions. Policies on their own learn all of that ``k`` times over, and those that
head for fast users before they can keep their feet never do. What they have to learn is nearly the
same, though: one gait is the next one's beginning.

So the policies are a *family* (:attr:`~handful.learner.networks.Sharing.FAMILY`): one actor learns
from the transitions of all, and a bias vector and the spread of its actions are all that a member
has to itself. Members that head for near outcomes find out how to stay on their feet for those that
head for far ones. The way is long (:mod:`~handful.assignment.planned_em`), and who falls goes back
on it, so that nobody is asked for what nobody can nearly do. From the start it leads somewhere,
though: where standing pays about as much as walking, some families stand, all of them, until
nothing else is tried any more. Critics stay apart: what is common to
gaits is not common to what they are worth (``docs/development.md`` has the measurements).

Each policy that is handed out is a network like any other, with that bias put in.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from handful.assignment.planned_em import PlannedEM


@dataclass(frozen=True)
class FamilyEM(PlannedEM):
    """:class:`~handful.assignment.planned_em.PlannedEM` of a family, on a long way with footing.

    Attributes:
        leading: the share of the updates that leads policies to their outcomes, if they never fall.
        holding: the share after that in which they are trained for the users of the plan, or on
            their way still.
        caution: as there; what is hard to reach is also hard to keep up.
        footing: as there; a robot that falls early keeps up nothing.
        width: as there; footing takes over what a wide way is for.
    """

    revision: ClassVar[int] = 3
    learner_settings: ClassVar[dict[str, Any]] = {"family": True}

    leading: float = 0.3
    holding: float = 0.2
    caution: float = 0.6
    footing: float = 0.8
    width: float = 0.8
