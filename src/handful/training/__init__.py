"""Training: one pytree of state, a pure step, a host loop."""
