"""The story domain: pure Python, standard library only.

Invariant: nothing here knows Discord, torch or SQL, and nothing here waits.
"""
