"""What a checker finds.

Invariant: a fault says where it is and by which rule, never how bad: a text with none passes.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """A place where a text lacks the form that it should have.

    Attributes:
        rule: what is wrong, one word or two.
        offset: of the line or sentence, in characters; the text's length where something is missing.
    """

    rule: str
    offset: int
