"""The public leaderboard: a CSV file, its schema, and the command that checks and updates it."""
