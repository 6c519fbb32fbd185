"""A bundle in use: policies that act without a simulator, without JAX and without their learner."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from handful.deploy import assignment as assignments
from handful.deploy import interface as interfaces
from handful.deploy.assignment import Assignment
from handful.deploy.drift import NOT_KNOWN, Drift
from handful.deploy.files import CheckedFiles, open_files
from handful.deploy.interface import Interface, read_interface
from handful.deploy.observations import SpaceError
from handful.deploy.own_network import GraphPolicy
from handful.deploy.parts import (
    MANIFEST,
    read_drift,
    read_features,
    read_manifest,
    read_policies,
)
from handful.deploy.watch import SLACK, Seen, Watch
from handful.deploy.wishes import USERS, read_wishes
from handful.errors import HandfulError
from handful.routing import Returns, Router, Routes, route

OnOutOfRange = Literal["count", "refuse", "fallback"]


def is_bundle(path: str | Path) -> bool:
    """Return whether a path is that of a bundle, in a folder or a zip file, and not of a run."""
    return Path(path).suffix == ".zip" or (Path(path) / MANIFEST).is_file()


class Bundle:
    """The policies of a bundle, ready to act. :func:`load` makes one.

    Attributes:
        source: the path of the bundle.
        digest: the SHA-256 of its file of digests, which stands for the whole bundle.
        manifest: the content of ``manifest.json``.
        features: the content of ``features.json``.
        interface: what policies see and do.
        policies: the ``K`` policies.
    """

    def __init__(
        self,
        files: CheckedFiles,
        on_out_of_range: OnOutOfRange = "count",
        fallback_policy: int | None = None,
        fallback_action: Any = None,
        slack: float = SLACK,
    ) -> None:
        self.source, self.digest = files.source, files.digest
        self.manifest = read_manifest(files)
        number = self.manifest["num_policies"]
        place = files.place(interfaces.NAME)
        self.interface: Interface = read_interface(files.read_json(interfaces.NAME), place)
        self.features = read_features(files, number)
        self.policies = tuple(read_policies(files, self.interface, number))
        self._assignment_data = files.read(assignments.NAME)
        self._assignment_place = files.place(assignments.NAME)
        self._assignment: Assignment | None = None
        self._wishes = files.read(USERS) if USERS in files.names else None
        self._watch = Watch(self.interface.seen_low, self.interface.seen_high, slack)
        self._drift = read_drift(files, self.interface, number)
        self._mode = on_out_of_range
        self._fallback_policy = fallback_policy
        self._fallback_action = fallback_action
        self._check_fallback()

    def __repr__(self) -> str:
        """Return the path and the sizes of the bundle, without its users."""
        return (
            f"Bundle({self.source!r}, {self.num_policies} policies for "
            f"{self.manifest['num_users']} users, task {self.manifest['task']['name']!r}, "
            f"digest {self.digest[:12]})"
        )

    @property
    def num_policies(self) -> int:
        """``K``."""
        return len(self.policies)

    @property
    def has_graphs(self) -> bool:
        """Whether the policies have networks of their maker's own, which onnxruntime computes."""
        return any(isinstance(policy, GraphPolicy) for policy in self.policies)

    @property
    def assignment(self) -> Mapping[str, int]:
        """The number of the policy of each user, by name.

        Raises:
            HandfulError: if ``assignment.csv`` is damaged; it is read when it is first needed.
        """
        return self._users().by_user

    @property
    def out_of_range(self) -> Seen:
        """The counts of observations so far, and of those outside the ranges that were seen."""
        return self._watch.seen

    @property
    def drift(self) -> Drift:
        """Whether observations are distributed as they were when the bundle was made.

        Observations count for the user who is named with them. Where a policy is named, the first
        observations of all calls are taken for those of one user, the second ones of batches for
        those of another, and so on.
        """
        if self._drift is None:
            return NOT_KNOWN
        return self._drift.state(self.interface.reader.names())

    @property
    def drifted(self) -> tuple[int, ...]:
        """The entries of observations whose distributions have drifted; fast, unlike ``drift``."""
        return () if self._drift is None else self._drift.drifted

    def act(
        self,
        observation: Any,
        *,
        policy: int | np.integer[Any] | Sequence[int] | NDArray[Any] | None = None,
        user: str | int | np.integer[Any] | Sequence[Any] | NDArray[Any] | None = None,
        rng: np.random.Generator | None = None,
        flattened: bool = False,
    ) -> Any:
        """Return the actions of a policy, or of a user's policy, as the simulator takes them.

        Args:
            observation: an observation as the simulator gives it, or a batch: arrays with further
                axes in front, or a list of mappings or tuples.
            policy: the policy's number from 0, or a number for each observation of a batch.
            user: the user whose policy acts, by name or by number from 0, or a list with one for
                each observation of a batch; it takes the place of a policy.
            rng: draws the actions, so that its seed repeats them; None takes the likeliest.
            flattened: whether observations are vectors [..., O], flattened already and with the
                offset subtracted.

        Returns:
            The action, or a NumPy array with an action for each observation of the batch.

        Raises:
            HandfulError: if the observation does not fit, there is no such policy or user, or an
                observation is out of range and out-of-range observations are refused.
        """
        rows = self._read(observation, flattened)
        batch = rows.shape[:-1]
        flat = rows.reshape(-1, rows.shape[-1])
        numbers, unknown = self._numbers(policy, user, batch)
        if self._drift is not None:
            self._drift(flat, numbers, user, unknown, rng is not None)
        outside = self._watch(flat)
        if outside is not None:
            self._refuse(flat, outside)
        if unknown is None and (outside is None or self._mode == "count"):
            actions = self._actions(flat, numbers, rng)
        else:
            wrong = np.zeros(len(flat), bool)
            if outside is not None and self._mode == "fallback":
                wrong |= outside
            if unknown is not None:
                wrong |= unknown
            actions = self._with_fallback(flat, numbers, wrong, rng)
        return actions.reshape(batch + actions.shape[1:])[()]

    def policy_of(self, user: str | int) -> int:
        """Return the number of a user's policy.

        Args:
            user: the user's name, or their number from 0.

        Raises:
            HandfulError: if there is no such user.
        """
        found = self._users().get(user)
        if found is None:
            raise HandfulError(
                f"The bundle '{self.source}' has no user {user!r}: name one of its "
                f"{len(self._users().users)} users, or choose a policy."
            )
        return found

    def route(
        self,
        weights: Any,
        users: Sequence[str] | None = None,
        least: float | Sequence[Any] | NDArray[Any] | None = None,
    ) -> Routes:
        """Give new users, whose weights are known, the policy that earns them most.

        No episode is played: what a policy earns a user follows from its returns in features.

        Args:
            weights: the weight of each user on each feature, [N, D]; [D] for one user.
            users: the users' distinct names [N]; by default their numbers.
            least: the return of an episode below which a policy does not fit, in the environment's
                units: one for all, or one for each user [N].

        Raises:
            HandfulError: if the bundle does not tell the policies' returns in features, or the
                weights, the names or the least do not fit.
        """
        return route(self._returns(), weights, users, least)

    def router(self, prior: Any = None, tolerance: float = 0.0, seed: int = 0) -> Router:
        """Return what finds the policy of new users whose weights are unknown.

        Args:
            prior: the weights of people like the new users, [P, D]; None takes the bundle's own
                users, if it was made with them.
            tolerance: the loss of return in an episode, in the environment's units, that counts as
                none.
            seed: the seed that draws from more than 4096 weights.

        Raises:
            HandfulError: if there are no weights of people, or they do not fit the policies.
        """
        returns = self._returns()
        if prior is None:
            if self._wishes is None:
                raise HandfulError(
                    f"The bundle '{self.source}' was made without its users' weights: give a "
                    f"prior, or export it with --with-users."
                )
            prior = read_wishes(self._wishes, returns.names, f"{self.source}/{USERS}")
        return Router(returns, prior, tolerance, seed)

    def outputs(self, policy: int, vectors: NDArray[Any]) -> NDArray[Any]:
        """Return what a policy's network puts out, [M, H], at flattened observations [M, O]."""
        return self.policies[policy].outputs(np.asarray(vectors, np.float32))

    def _returns(self) -> Returns:
        return Returns.read(self.features, self.source)

    def _users(self) -> Assignment:
        if self._assignment is None:
            self._assignment = Assignment(
                self._assignment_data, self.num_policies, self._assignment_place
            )
        return self._assignment

    def _check_fallback(self) -> None:
        if self._mode not in ("count", "refuse", "fallback"):
            raise HandfulError(
                f"on_out_of_range must be 'count', 'refuse' or 'fallback', not {self._mode!r}."
            )
        has_none = self._fallback_policy is None and self._fallback_action is None
        if self._mode == "fallback" and has_none:
            raise HandfulError(
                "on_out_of_range='fallback' needs a fallback_policy or a fallback_action."
            )
        if self._fallback_policy is not None:
            self._check_policy(self._fallback_policy)
        if self._fallback_action is not None:
            actions = self.interface.actions
            given = np.asarray(self._fallback_action)
            if given.shape != actions.shape or given.dtype.kind not in "biuf":
                raise HandfulError(
                    f"A fallback_action must be an action of the simulator, of shape "
                    f"{list(actions.shape)}, not {self._fallback_action!r}."
                )
            self._fallback_action = given.astype(actions.dtype)

    def _read(self, observation: Any, flattened: bool) -> NDArray[Any]:
        """Return vectors float32 [..., O]."""
        try:
            if not flattened:
                return self.interface.reader(observation)
            rows = np.asarray(observation, np.float32)
        except SpaceError as error:
            raise HandfulError(
                f"The observation does not fit the policies: {error}. interface.json describes "
                f"what they see."
            ) from None
        except (TypeError, ValueError):
            rows = np.asarray(0.0)
        size = self.interface.observation_size
        if rows.shape[-1:] != (size,):
            raise HandfulError(
                f"A flattened observation has the shape [{size}], and a batch of them [..., "
                f"{size}], not {list(np.shape(observation))}."
            )
        return rows

    def _numbers(
        self, policy: Any, user: Any, batch: tuple[int, ...]
    ) -> tuple[int | NDArray[Any], NDArray[Any] | None]:
        """Return the number of the policy, or of each observation's own, and who is not known."""
        if (policy is None) == (user is None):
            raise HandfulError("act needs either the number of a policy or the name of a user.")
        if policy is not None:
            if type(policy) is int:
                return self._check_policy(policy), None
            return self._check_policies(policy, batch), None
        if isinstance(user, str | int | np.integer):
            one = user if isinstance(user, str) else int(user)
            found = self._users().get(one)
            if found is None and not self._has_fallback:
                self.policy_of(one)
            everybody = (int(np.prod(batch)),)
            return (found, None) if found is not None else (0, np.ones(everybody, bool))
        users = np.asarray(user)
        if users.shape != batch:
            raise HandfulError(
                f"user must be a name, or a list with one for each observation in shape "
                f"{list(batch)}."
            )
        names = [self._users().get(one) for one in users.reshape(-1).tolist()]
        unknown = np.array([name is None for name in names], bool)
        if unknown.any() and not self._has_fallback:
            self.policy_of(users.reshape(-1)[unknown].tolist()[0])
        numbers = np.array([name or 0 for name in names], np.int64)
        return numbers, unknown if unknown.any() else None

    @property
    def _has_fallback(self) -> bool:
        return self._fallback_policy is not None or self._fallback_action is not None

    def _check_policy(self, policy: Any) -> int:
        is_number = isinstance(policy, int | np.integer) and not isinstance(policy, bool)
        if not is_number or not 0 <= policy < self.num_policies:
            raise HandfulError(
                f"There is no policy {policy!r}: choose from 0 to {self.num_policies - 1}."
            )
        return int(policy)

    def _check_policies(self, policy: Any, batch: tuple[int, ...]) -> int | NDArray[Any]:
        numbers = np.asarray(policy)
        if numbers.ndim == 0:
            return self._check_policy(policy if numbers.dtype.kind not in "iu" else int(numbers))
        if numbers.dtype.kind not in "iu" or numbers.shape != batch:
            raise HandfulError(
                f"A policy is a whole number, or one for each observation in shape {list(batch)}, "
                f"not {policy!r}."
            )
        for number in np.unique(numbers).tolist():
            self._check_policy(number)
        return numbers.reshape(-1)

    def _refuse(self, rows: NDArray[Any], outside: NDArray[Any]) -> None:
        """Raise HandfulError if observations outside the ranges are refused, or have no action."""
        if self._mode == "fallback":
            return
        is_wrong = outside if self._mode == "refuse" else ~np.isfinite(rows).all(axis=1)
        if is_wrong.any():
            row = int(np.flatnonzero(is_wrong)[0])
            entry = self._watch.first_outside(rows[row])
            raise HandfulError(
                f"Observation {row} is not one that the policies were made for: entry {entry} "
                f"({self._entry_name(entry)}) is {rows[row, entry]:g}, and "
                f"{self.interface.seen_low[entry]:g} to {self.interface.seen_high[entry]:g} was "
                f"seen. Check the sensor, or set a fallback."
            )

    def _entry_name(self, entry: int) -> str:
        return self.interface.reader.names()[entry]

    def _with_fallback(
        self,
        rows: NDArray[Any],
        numbers: int | NDArray[Any],
        wrong: NDArray[Any],
        rng: np.random.Generator | None,
    ) -> NDArray[Any]:
        """Return actions, with the fallback's where something is wrong."""
        numbers = np.broadcast_to(np.asarray(numbers), (len(rows),)).copy()
        safe = np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, self._middle())
        if self._fallback_policy is not None:
            numbers[wrong] = self._fallback_policy
        actions = self._actions(safe.astype(np.float32), numbers, rng)
        if self._fallback_action is not None:
            actions[wrong] = self._fallback_action
        return actions

    def _middle(self) -> NDArray[Any]:
        """Return an observation that is possible, to stand for one that is none: [O]."""
        return self.interface.seen_low.astype(np.float32)

    def _actions(
        self, rows: NDArray[Any], numbers: int | NDArray[Any], rng: np.random.Generator | None
    ) -> NDArray[Any]:
        """Return the simulator's actions [M, ...] at observations [M, O]."""
        actions = self.interface.actions
        if isinstance(numbers, int):
            return actions.decode(actions.choose(self.policies[numbers], rows, rng))
        found = np.empty((len(rows), *actions.shape), actions.dtype)
        for number in np.unique(numbers).tolist():
            mine = numbers == number
            found[mine] = actions.decode(actions.choose(self.policies[number], rows[mine], rng))
        return found


def load(
    path: str | Path,
    *,
    on_out_of_range: OnOutOfRange = "count",
    fallback_policy: int | None = None,
    fallback_action: Any = None,
    slack: float = SLACK,
) -> Bundle:
    """Load a bundle to act with. It needs NumPy only, and runs no code of the bundle's.

    Args:
        path: the bundle's folder, or its zip file.
        on_out_of_range: what happens with an observation outside the ranges that were seen when the
            bundle was made: ``"count"`` counts it and acts, ``"refuse"`` raises an error, and
            ``"fallback"`` takes the fallback. Whatever it is, they are counted
            (:attr:`Bundle.out_of_range`), and numbers that are not finite never reach a policy.
        fallback_policy: the policy that acts for unknown users, and out of range if asked for.
        fallback_action: the action, as the simulator takes it, in the place of that policy's.
        slack: how far beyond the range that was seen an entry counts as inside, in parts of it.

    Returns:
        the bundle; ``bundle.act(observation, policy=2)`` acts.

    Raises:
        HandfulError: if there is no bundle, a file of it is damaged or was changed, or it holds
            what no bundle holds.
    """
    if not (isinstance(slack, int | float) and slack >= 0):
        raise HandfulError(f"slack must be a number from 0 on, not {slack!r}.")
    files = CheckedFiles(open_files(path))
    return Bundle(files, on_out_of_range, fallback_policy, fallback_action, float(slack))
