"""How much a text gains from a story: what candidates are ranked by.

Invariant: nothing but the prompt differs between the two likelihoods.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from bot.engine.types import GenerationRequest, PromptPart, Score, ScoreRequest

Before = tuple[Sequence[PromptPart], str]
"""A prompt, and the key under which the engine keeps it."""


async def gain(
    score: Callable[[ScoreRequest], Awaitable[Score]],
    asked: GenerationRequest,
    text: str,
    *,
    known: Before,
    blind: Before,
) -> float:
    """Return by how much likelier what is known of a story makes a text, in nats a token.

    Likelihood by itself prefers what fits everywhere, and loops (pointwise mutual information, as
    in Li et al. 2016, "A diversity-promoting objective function for neural conversation models").

    Args:
        score: asks the model.
        asked: the request that the text answers; its owner, group and limit of time hold.
        text: the candidate.
        known: the prompt with the story.
        blind: the same with nothing said of it.

    Raises:
        EngineError: the model failed.
    """
    with_story, without = await asyncio.gather(
        *(
            score(
                ScoreRequest(
                    prompt=prompt,
                    text=text,
                    owner=asked.owner,
                    group=asked.group,
                    cache_key=cache_key,
                    timeout_s=asked.timeout_s,
                )
            )
            for prompt, cache_key in (known, blind)
        )
    )
    return with_story.mean - without.mean
