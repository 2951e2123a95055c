"""The engine: knows tokens and text, never stories and never Discord."""
