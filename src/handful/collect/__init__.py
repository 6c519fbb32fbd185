"""Collectors: they run policies in environments and hand out transitions."""
