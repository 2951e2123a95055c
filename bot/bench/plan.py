"""What is measured, and how often.

Invariant: a plan is plain data, so that it can be sent to another process as JSON.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The sizes of one run.

    Attributes:
        repeats: measurements of each figure; medians and spread come from them.
        batches: texts that are written at once.
        prompt_tokens: of each of those texts.
        new_tokens: of each of those texts.
        first_tokens: lengths of the prompts whose first token is timed.
        cached_tokens: of a story that goes on.
        added_tokens: that come to it before the model goes on.
        snippet_threads: calls of the naive way at once.
        compares: whether ways other than the naive one and the engine are measured.
        channels: streams under load, one measurement for each number.
        shortest_context: tokens of the shortest story under load.
        longest_context: tokens of the longest story under load, and of the prompt whose
            prefill others have to wait for.
        turns: passages that each channel writes under load.
        turn_tokens: of each passage.
        steps: pairs of batch and tokens of context for which a decode step is timed.
        step_tokens: tokens that each row writes meanwhile.
        threads: that every way computes with; as many as this process may use where None.
    """

    repeats: int = 3
    batches: tuple[int, ...] = (1, 8, 16, 32)
    prompt_tokens: int = 40
    new_tokens: int = 64
    first_tokens: tuple[int, ...] = (40, 400, 900)
    cached_tokens: int = 870
    added_tokens: int = 30
    snippet_threads: int = 8
    compares: bool = True
    channels: tuple[int, ...] = (1, 8, 32)
    shortest_context: int = 100
    longest_context: int = 900
    turns: int = 3
    turn_tokens: int = 32
    steps: tuple[tuple[int, int], ...] = (
        *((1, 100), (2, 100), (4, 100), (8, 100), (16, 100), (32, 100)),
        *((1, 800), (8, 800)),
    )
    step_tokens: int = 32
    threads: int | None = None

    @property
    def window_tokens(self) -> int:
        """The longest text that the plan writes: prompt and new tokens together."""
        return max(
            self.prompt_tokens + self.new_tokens,
            *(length + 1 for length in self.first_tokens),
            self.cached_tokens + self.added_tokens + 1,
            *(context + self.step_tokens for _, context in self.steps),
            self.longest_story,
        )

    @property
    def kv_tokens(self) -> int:
        """Tokens of all stories that the engine holds at most, outside the load."""
        return (
            max(self.batches) * (self.prompt_tokens + self.new_tokens)
            + self.cached_tokens
            + self.added_tokens
            + sum(batch * (context + self.step_tokens) for batch, context in self.steps)
        )

    @property
    def longest_story(self) -> int:
        """Tokens of the longest story after its last turn under load."""
        return self.longest_context + self.turns * self.turn_tokens

    def context_of(self, channel: int, channels: int) -> int:
        """Return how long a channel's story is when the load begins: evenly spread, tokens."""
        if channels == 1:
            return (self.shortest_context + self.longest_context) // 2
        spread = self.longest_context - self.shortest_context
        return self.shortest_context + spread * channel // (channels - 1)


FULL = Plan()
QUICK = replace(
    FULL,
    repeats=2,
    batches=(1, 8),
    new_tokens=24,
    first_tokens=(40, 900),
    compares=False,
    channels=(8,),
    turns=2,
    steps=((1, 100), (8, 100)),
    step_tokens=16,
)
