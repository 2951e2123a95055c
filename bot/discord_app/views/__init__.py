"""Buttons, selects and panels. Their state stands in their custom_ids.

Invariant: nothing here acts; whatever is pressed goes to the acts, by its ``Ref``.
"""
