"""Text as text: cleaning, sentences, words, quotes, names, loops, drift, passages.

Invariant: nothing here knows a story, a model or Discord; every function is pure,
thread-safe and never downloads anything.
"""
