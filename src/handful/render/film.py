"""One policy's robot, step by step, as pictures."""

from collections import deque
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import gymnasium
import jax
import numpy as np
from PIL import Image

from handful.envs.mujoco.quiet import without_remarks
from handful.envs.mujoco.robots import Robot
from handful.learner.policies import Policies
from handful.palette import policy_colour
from handful.render.camera import Camera
from handful.render.caption import Caption

FRAME_SECONDS = 0.04
"""A picture about every so often, where steps are shorter."""

VELOCITY_SECONDS = 1.0
"""The velocity on the film is the mean over so long."""


@dataclass(frozen=True, eq=False)
class Film:
    """Pictures in a row.

    Attributes:
        pictures: all of one size.
        colour: the policy's, which is on every picture.
        frame_seconds: how long each is shown, so that time runs as it does for the robot.
    """

    pictures: list[Image.Image]
    colour: str
    frame_seconds: float


def shoot(
    robot: Robot,
    policies: Policies,
    caption: Caption,
    *,
    seconds: float,
    width: int,
    height: int,
    seed: int,
    backend: str,
) -> Film:
    """The first ``seconds`` of an episode with a policy's likeliest actions, or all of it.

    Args:
        robot: the environment of the run.
        policies: all of the run's.
        caption: says which policy plays.
        seconds: of the robot's time.
        width, height: in pixels.
        seed: of the episode.
        backend: an OpenGL that works here.
    """
    act = jax.jit(partial(policies.act, policy=caption.policy))
    every = max(1, round(FRAME_SECONDS / robot.seconds_per_step))
    recent: deque[float] = deque(maxlen=round(VELOCITY_SECONDS / robot.seconds_per_step))
    pictures = []
    with without_remarks():
        stage: Any = gymnasium.make(robot.gymnasium_id, **dict(robot.gymnasium_options))
    with closing(stage), ExitStack() as afterwards:
        observation, _ = stage.reset(seed=seed)
        camera = Camera(stage.unwrapped.model, stage.unwrapped.data, width, height, backend)
        afterwards.callback(camera.close)
        for step in range(min(robot.time_limit, round(seconds / robot.seconds_per_step))):
            action = np.asarray(act(np.asarray(observation, np.float32)))
            observation, _, terminated, _, info = stage.step(action)
            recent.append(float(info["x_velocity"]))
            if step % every == 0:
                pictures.append(caption.write(camera.picture(), float(np.mean(recent))))
            if terminated:
                break
    return Film(pictures, policy_colour(caption.policy), every * robot.seconds_per_step)
