"""The answer of every solver: the best possible welfare or a bound on it, and the proof."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True, eq=False)
class Optimum:
    """The best welfare within a budget of policies, or a bound on it, with the proof.

    Attributes:
        welfare: the mean over users of the return from their policy; if `kind` is "upper bound", a
            number that it cannot exceed.
        kind: "exact" if the returns below attain `welfare` and nothing exceeds it.
        num_policies: the budget k of policies.
        returns: the return of each policy to each user [K, N].
        assignment: a policy that serves each user best, int64 [N].
        certificate: for each policy a tuple of the numbers that its returns come from, such as its
            actions or a quantity that it keeps up. Each solver says which.
        explanation: one sentence that says why the welfare is the best or a bound.
        unit: the unit of the certificate's numbers, if these are quantities.
        attained: the welfare that the returns above attain, beside an upper bound; None if nobody
            has looked for policies that come close.
        welfare_function: the name of the welfare function; `welfare` is the mean unless another
            one is named here.
        chances: for each policy the chances of the parts of its certificate, if it draws one of
            several deterministic policies at the start of an episode; empty for a policy that does
            not. None if no policy does.
        deterministic: the highest welfare of deterministic policies alone, where it is proven.
    """

    welfare: float
    kind: Literal["exact", "upper bound"]
    num_policies: int
    returns: np.ndarray
    assignment: np.ndarray
    certificate: tuple[Any, ...]
    explanation: str
    unit: str = ""
    attained: float | None = None
    welfare_function: str = "utilitarian"
    chances: tuple[tuple[float, ...], ...] | None = None
    deterministic: float | None = None

    def __repr__(self) -> str:
        """Return the welfare and its kind, without the returns of single users."""
        policies, users = self.num_policies, len(self.assignment)
        return f"Optimum({self.kind}: welfare {self.welfare:.4f}, k = {policies}, n = {users})"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields with lists in place of arrays and tuples, ready for JSON."""
        return {
            "welfare": self.welfare,
            "kind": self.kind,
            "num_policies": self.num_policies,
            "returns": self.returns.tolist(),
            "assignment": self.assignment.tolist(),
            "certificate": [list(part) for part in self.certificate],
            "explanation": self.explanation,
            "unit": self.unit,
            "attained": self.attained,
            "welfare_function": self.welfare_function,
            "chances": None if self.chances is None else [list(part) for part in self.chances],
            "deterministic": self.deterministic,
        }


def nothing_known(problem: str, users: str) -> str:
    """Return the sentence of a solver that gets a problem of another kind than its own.

    Args:
        problem: the problem's name.
        users: the users whom the solver knows, such as ``users who each want one velocity``.
    """
    return (
        f"Neither an exact optimum nor a bound is known for the problem '{problem}': its solver "
        f"is for the task's own environment and {users}."
    )
