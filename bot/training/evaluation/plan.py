"""How much is written and measured.

Invariant: a plan is plain data and stands in every report.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The sizes of one evaluation.

    Attributes:
        openings: that stories are written from.
        seeds: stories for each opening.
        turns: passages that the model writes in each story at most, until there are enough words.
        words: to which each story's text is cut; a shorter one is left out and counted.
        human_passages: of people's text, cut to as many words, at most.
        window_tokens: of the windows in which text is scored.
        context_tokens: of a window that were scored in the one before.
        scored_tokens: of people's text, for perplexity, at most; 0 is all.
        genre_pieces: of people's text of each genre, for a model with genre tags, at most.
        genre_openings: from which it writes a story of each of its genres.
        facts: whose retention is tested.
        distances: between a fact and the question for it, tokens.
        draws: of each bootstrap and permutation test.
        max_active: stories that are written at once.
        samples: stories that the report shows of each column.
        formats: stories in each format whose form is checked.
        concepts: concept cards that are counted.
    """

    openings: int = 30
    seeds: int = 7
    turns: int = 6
    words: int = 150
    human_passages: int = 300
    window_tokens: int = 512
    context_tokens: int = 256
    scored_tokens: int = 0
    genre_pieces: int = 60
    genre_openings: int = 15
    facts: int = 12
    distances: tuple[int, ...] = (50, 200, 400, 800)
    draws: int = 2000
    max_active: int = 32
    samples: int = 6
    formats: int = 0
    concepts: int = 0


FULL = Plan()
QUICK = replace(
    FULL,
    openings=12,
    seeds=1,
    words=60,
    human_passages=60,
    scored_tokens=8000,
    genre_pieces=20,
    genre_openings=6,
    facts=4,
    distances=(50, 400),
    samples=3,
)
