"""The files that remain of a study without its run folders, and their readers."""
