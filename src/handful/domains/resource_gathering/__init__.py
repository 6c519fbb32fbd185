"""Resource Gathering: a grid on which every user wants one tile visited (paper, section 4.1)."""
