"""What is allowed and how things are set: settings, rights, budgets, screening of text.

Invariant: everything here decides and nothing here acts; no Discord, no SQL, no clock.
"""
