"""The paper's four tasks in MuJoCo (section 4.2): a robot, and users who each want a speed."""

from dataclasses import replace
from functools import partial
from typing import Any

from handful.domains.speeds.optimum import solve
from handful.domains.speeds.robots import ANT, HALF_CHEETAH, HOPPER, TIME_LIMIT, WALKER2D, Robot
from handful.domains.speeds.targets import steady_motions, users_with_speeds
from handful.problem import RMDP
from handful.types import Preset

DISCOUNT = 0.99

RETURN_SCALE = 10.0
"""The return of a hundred steps, the discount's horizon, at exactly the wanted speed."""


def make_half_cheetah(**parameters: Any) -> RMDP:
    """Make HalfCheetah for users who want 0 to 4 m/s; parameters as of :func:`robot_task`."""
    return replace(robot_task(HALF_CHEETAH, **parameters), parameters=parameters)


def make_ant(**parameters: Any) -> RMDP:
    """Make Ant, healthy between heights of 0.4 and 1.0 m, for users who want 0 to 3 m/s."""
    task = robot_task(ANT, **parameters)
    return replace(
        task,
        learner_settings=_ant_settings,
        method_settings=_ant_method_settings,
        parameters=parameters,
    )


def make_hopper(**parameters: Any) -> RMDP:
    """Make Hopper for users who want 0 to 2.5 m/s.

    It has one leg: it stands or leaps, and little that lies between can be kept up. So plans made
    before training are wrong, and a choice among many things that one policy can do is best
    (``docs/methods.md``).
    """
    task = robot_task(HOPPER, **parameters)
    return replace(task, suited_method="universal", parameters=parameters)


def make_walker2d(**parameters: Any) -> RMDP:
    """Make Walker2d for users who want 0 to 2.5 m/s.

    One policy for all users was measured to be about as good as a family of policies here, and it
    serves every budget (``docs/methods.md``). Nothing that is known before training tells this
    robot from Ant, on which it is not.
    """
    task = robot_task(WALKER2D, **parameters)
    return replace(task, suited_method="universal", parameters=parameters)


def robot_task(robot: Robot, *, backend: str = "auto", **users: Any) -> RMDP:
    """Make the problem of a robot and its users.

    Args:
        robot: the robot to simulate.
        backend: the simulator of the robot: envpool, gymnasium, or auto (EnvPool if it is
            installed).
        users: the users, see :func:`handful.domains.speeds.targets.users_with_speeds`.

    Raises:
        HandfulError: if there are no users, or a target is out of its range.
    """
    population = users_with_speeds(robot.top_speed, TIME_LIMIT, **users)
    return RMDP(
        environment=replace(robot, backend=backend),
        population=population,
        discount=DISCOUNT,
        return_scale=RETURN_SCALE,
        constant_outcomes=partial(steady_motions, population, robot.top_speed),
        learner_settings=_robot_settings,
        method_settings=_method_settings,
        solver=solve,
        name=robot.name,
    )


def _robot_settings(num_policies: int, preset: Preset) -> dict[str, float]:
    """Set what the paper leaves open, and what is fast here, as chosen on HalfCheetah.

    With unit standard deviations at first a robot trembles more than it runs, and 200,000
    transitions bring less than half the welfare. Few environments see longer stretches of an
    episode between two updates, and still fill the threads that step them.

    Physics takes three quarters of the time, so that fewer epochs save little: ``fast`` learns more
    from each transition instead, and twice as often.
    """
    del num_policies
    settings = {"initial_log_std": -1.0, "num_envs": 8}
    if preset.is_fast:
        settings |= {
            "learning_rate": 7e-4,
            "batch_size": 1024,
            "minibatch_size": 64,
            "num_epochs": 10,
        }
    return settings


def _ant_settings(num_policies: int, preset: Preset) -> dict[str, float]:
    """Cut half of the episodes short if the preset is fast: ants fell soon after starts."""
    settings = _robot_settings(num_policies, preset)
    return settings | ({"short_episodes": 200} if preset.is_fast else {})


def _method_settings(method: str, preset: Preset) -> dict[str, Any]:
    """Give ``em``, and the method that begins with it, a longer warm-up.

    While every policy still trains for a fifth of the users, it is drawn to some speed of its own.
    With an early first E-step only users who want to stand still are served by anybody yet:
    policies crowd there, and one is left with all the others (HalfCheetah, k = 5, 500,000
    transitions: 24 with 15 updates, 28 to 29 with 100). With ``fast``, in updates half as long, 60,
    100 and 150 ended alike, and 100 was the first to have reached 20 (seed 100).
    """
    del preset
    return {"warm_up": 100} if method == "em" else {}


def _ant_method_settings(method: str, preset: Preset) -> dict[str, Any]:
    """Let ``family-em`` go on at every update, with goals that are nearer; else as every robot.

    On four legs it falls late, after hundreds of steps, and learns to run while it does: a policy
    that waits until it keeps up four fifths of an outcome, or half of one, is slower, and may still
    be on its way when EM takes over. What it can keep up falls with its speed more than the other
    robots': at 3 m/s policies have earned their best users less than a third of what slow ones earn
    theirs (``results/attainable``).
    """
    settings = {"footing": 0.0, "caution": 0.8} if method == "family-em" else {}
    return settings | _method_settings(method, preset)
