"""An insulin pump's programs for people who differ in what they aim at."""
