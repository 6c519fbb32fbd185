"""Funds for investors who differ in risk aversion and taste."""
