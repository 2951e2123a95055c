"""Making a model tell better: tales, control tags, fine-tuning, search, evaluation.

Invariant: nothing here runs while the bot serves; it knows files, models and text, and neither
Discord nor, but for evaluation, which writes through the services, the database. What training
gives is a model folder like any other.
"""
