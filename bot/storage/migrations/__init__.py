"""Migrations of the database, in the order of their numbers.

Invariant: a migration that was released is never changed; it repeats the types it
needs and imports nothing from the tables of today.
"""
