"""An independent reference: one linear program over the occupancy measures of k policies.

The share of time that a policy spends in each state and action is what every return is linear in,
and the flow equations describe all policies. The tests try every assignment of users.
"""

import itertools

import numpy as np
from scipy.optimize import linprog


def best_worst(rmdp, num_policies, floors=None):
    """The highest return of the worst served user over all assignments and stochastic policies."""
    assignments = itertools.product(range(num_policies), repeat=rmdp.num_users)
    return max(_worst_for(rmdp, num_policies, np.array(a), floors) for a in assignments)


def _worst_for(rmdp, num_policies, assignment, floors):
    states, actions = rmdp.features.shape[:2]
    rewards = rmdp.features @ rmdp.coefficients.T  # [S, A, N]
    size = states * actions
    total = num_policies * size + 1
    flow = np.zeros((num_policies * states, total))
    for policy in range(num_policies):
        for s in range(states):
            row = policy * states + s
            for t in range(states):
                for a in range(actions):
                    column = policy * size + t * actions + a
                    flow[row, column] = (s == t) - rmdp.discount * rmdp.transitions[t, a, s]
    rows, limits = [], []
    for user, policy in enumerate(assignment):
        earned = np.zeros(total)
        earned[policy * size : (policy + 1) * size] = rewards[:, :, user].ravel()
        at_least = -earned
        at_least[-1] = 1.0
        rows.append(at_least)
        limits.append(0.0)
        if floors is not None:
            rows.append(-earned)
            limits.append(-floors[user])
    cost = np.zeros(total)
    cost[-1] = -1.0
    solution = linprog(
        cost,
        A_ub=np.array(rows),
        b_ub=np.array(limits),
        A_eq=flow,
        b_eq=np.tile(rmdp.start, num_policies),
        bounds=[(0, None)] * (total - 1) + [(None, None)],
    )
    return -solution.fun if solution.status == 0 else -np.inf
