"""The slash commands: they parse, call an act, and present."""
