"""``roundtale train --search``: which settings tell unseen tales best.

Invariants:
    - The test set is taken away before anything is tried, and no trial sees it.
    - All settings are tried on the same folds, rows and seeds, so that their differences are paired.
    - What a killed search had measured is kept, and not measured again.
"""
