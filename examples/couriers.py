"""The tutorial's ten lines: three policies for two hundred riders."""

import numpy as np
from courier import Courier

import handful

features = ["speed", "comfort", "scenery"]
table = np.genfromtxt("courier_users.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
weights = np.stack([table[name] for name in features], axis=1)
riders = handful.Population.from_array(weights, user_ids=table["user"].tolist())
problem = handful.from_gymnasium(Courier, riders, features=features, time_limit=8)
result = handful.train(problem, num_policies=3, steps=60_000, preset="fast", out="runs/couriers")
print(result.evaluation.welfare, result.assignment)
