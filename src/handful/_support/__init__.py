"""Helpers that any part of the library may use; they know nothing of policies or users."""
