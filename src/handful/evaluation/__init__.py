"""Evaluation, apart from training: fresh episodes, standard errors, the gap to the optimum."""
