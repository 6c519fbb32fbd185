"""The best k policies under every welfare function, with floors, and bounds on all others."""
