"""Policies in service: who gets which and what it earns them, and how two releases differ.

Everything here follows from a few tables of numbers, which a run folder and a bundle both have. No
simulator, no network and no JAX is needed.
"""

from handful.service.compare import Comparison, compare_services
from handful.service.served import Service

__all__ = ["Comparison", "Service", "compare_services"]
