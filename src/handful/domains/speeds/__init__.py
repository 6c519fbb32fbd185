"""Users who each want a speed, of robots in MuJoCo or a body that glides (paper, section 4.2)."""
