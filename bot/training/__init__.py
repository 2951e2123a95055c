"""Making a model tell better: tales, control tags, fine-tuning, search, evaluation.

Invariant: nothing here runs while the bot serves; it knows files, models and text, and neither
Discord nor the database. What it gives is a model folder like any other.
"""
