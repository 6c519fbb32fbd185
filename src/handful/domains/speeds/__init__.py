"""Users who each want a speed, of robots in MuJoCo or a body that glides (paper, section 4.2)."""

UNIT = "m/s"
"""The unit of velocities, by which reports know a bound of constant velocities."""
