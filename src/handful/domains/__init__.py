"""The tasks that come with the library: a folder each, with its environment, users and optimum."""
