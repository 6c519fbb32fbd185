"""Robots in MuJoCo whose users differ in the speed that they want (section 4.2 of the paper)."""
