"""Named environments, one a file. Importing this package imports none of them."""
