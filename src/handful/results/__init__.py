"""What is kept of a study once its run folders are gone: a few small files and their readers."""
