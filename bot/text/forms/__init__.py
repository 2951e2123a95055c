"""The forms that a story can have: what makes a text one, and how one is put right.

Each module has a ``check``, which returns the faults of a text, and a ``repair``, which puts
right what can be put right without writing anything: prose, fable (a moral), screenplay
(Fountain), lesson (words and questions taken from the story).

Invariant: a checker judges the text alone, and a text without faults keeps none of the rules
of its form unkept; what ``repair`` gives may still have faults, and then it is said so.
"""

from bot.text.forms.faults import Fault

__all__ = ["Fault"]
