"""Bundles: the policies of a run in a form that others can use without the run and the simulator.

:mod:`handful.deploy` reads them.
"""
