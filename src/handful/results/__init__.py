"""What is kept of a study once its run folders are gone: a few small tables and their readers."""
