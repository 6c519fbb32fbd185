"""Collectors, which run policies in environments and give transitions."""
