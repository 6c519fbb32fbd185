"""The tutorial's ten lines: three policies for two hundred riders."""

import csv

from courier import Courier

import handful

features = ["speed", "comfort", "scenery"]
with open("courier_users.csv", newline="") as file:
    rows = list(csv.DictReader(file))
weights = [[float(row[name]) for name in features] for row in rows]
riders = handful.Population.from_array(weights, user_ids=[row["user"] for row in rows])
problem = handful.from_gymnasium(Courier, riders, features=features, time_limit=8)
result = handful.train(problem, num_policies=3, steps=60_000, preset="fast", out="runs/couriers")
print(result.evaluation.welfare, result.assignment)
