"""What the paper's experiments are: its tasks and budgets."""

GRID_TASK = "resource-gathering"
ROBOTS = ("half-cheetah", "hopper", "walker2d", "ant")
CHEETAH = ROBOTS[0]
TASKS = (GRID_TASK, *ROBOTS)

BUDGET = 5
"""The one at which figures that show one budget show methods if they can."""

WALKED = (1, 2, 3, 5)
"""Budgets whose walks figure 1 shows."""

MIDDLE = (2, 3, 5, 10)
"""Between one policy and one for each of the 25 users of Resource Gathering, as we ran them."""

ROBOT_BUDGETS = (2, 5, 10, 50)
"""Those of the robots at which there is something to assign."""
