"""Any Gymnasium or MO-Gymnasium environment, stepped in this process or in others.

The modules that worker processes load (``sources``, ``spaces``, ``features``, ``slice``,
``worker``) know nothing of JAX, so that a process starts quickly.
"""
