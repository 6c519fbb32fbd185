"""Bundles in use: policies that act with NumPy alone, without a simulator, JAX or a learner.

    import handful

    bundle = handful.load("bundle/")
    bundle.act(observation, policy=2)
    bundle.act(observation, user="rider-017")

A bundle may come from a stranger. Reading one runs no code of it, opens no file outside it, and
takes no more memory than its files' true sizes ask for.
"""

from handful.deploy.bundle import Bundle, load
from handful.deploy.formats import Format, formats, register_format
from handful.deploy.onnx_format import ONNX
from handful.deploy.verifying import Replayed, Verified, verify

register_format(ONNX)

__all__ = [
    "Bundle",
    "Format",
    "Replayed",
    "Verified",
    "formats",
    "load",
    "register_format",
    "verify",
]
