"""All that speaks Discord: the only package that imports discord.

Invariant: cogs, views and messages parse, call one use case, and present; what is
true stands in the store, and everything shown can be shown again from there.
"""
