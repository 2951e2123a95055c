"""``roundtale play``: the same use cases as in Discord, in the terminal."""
