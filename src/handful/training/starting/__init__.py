"""Runs that begin with policies that are there: given ones, or those of a run that goes on."""
