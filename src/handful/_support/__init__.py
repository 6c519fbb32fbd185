"""Helpers that any part of the library may use; they do not know policies or users."""
