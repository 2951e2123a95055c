"""Roundtale: people and a language model write stories together, turn by turn."""

__version__ = "0.1.0"
