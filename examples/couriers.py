"""The tutorial's script: three policies for two hundred riders."""

from courier import Courier

import handful

features = ["speed", "comfort", "scenery"]
problem = handful.from_gymnasium(Courier, "courier_users.csv", features=features, time_limit=8)
result = handful.train(problem, num_policies=3, steps=60_000, preset="fast", out="runs/couriers")
print(result.evaluation.welfare, result.assignment)
