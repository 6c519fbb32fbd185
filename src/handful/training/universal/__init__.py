"""The first stage of `universal`: one policy for all users, and the best k of what it can do."""
