"""A bundle behind HTTP: answers with their release, an audit log, and a second bundle rolled out.

Only the standard library and NumPy are needed.
"""

from handful.serving.rollout import Rollout
from handful.serving.server import Serving, make_server

__all__ = ["Rollout", "Serving", "make_server"]
