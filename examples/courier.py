"""A toy environment for the tutorial: a courier decides how to ride, street by street."""

import gymnasium
import numpy as np


class Courier(gymnasium.Env):
    """Eight streets; on each one rides slowly (0), fast (1) or through the park (2)."""

    observation_space = gymnasium.spaces.Box(0.0, 1.0, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.street, self.rain = 0, self.np_random.uniform()
        return self._observe(), {}

    def step(self, action):
        minutes = (6.0, 3.0, 7.0)[action]
        effort = (1.0, 2.0 + 2.0 * self.rain, 1.5)[action]
        scenery = (1.0, 0.0, 5.0 - 4.0 * self.rain)[action]
        self.street += 1
        info = {"speed": -minutes, "comfort": -effort, "scenery": scenery}
        return self._observe(), -minutes, self.street == 8, False, info

    def _observe(self):
        return np.array([self.street / 8, self.rain], np.float32)
