"""The use cases, called alike by Discord and the terminal.

Invariant: every use case takes an ``Actor`` and asks policy; words are committed
before a model writes; no unit of work is open while one does.
"""
