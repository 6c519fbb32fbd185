"""Adapters for environments of other packages. Importing this package imports none of them."""
