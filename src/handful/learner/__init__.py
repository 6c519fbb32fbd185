"""PPO for ``K`` policies on ``D``-dimensional rewards. It never sees a user."""
