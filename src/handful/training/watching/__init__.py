"""Following a run: callbacks, loggers, and the findings at its end."""
