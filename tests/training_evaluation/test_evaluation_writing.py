"""What stands between the services and the engine while stories are written for measuring."""

from collections.abc import AsyncGenerator, Sequence

from bot.engine.backend import Backend
from bot.engine.collecting import collect
from bot.engine.types import (
    Chunk,
    FinishReason,
    GenerationRequest,
    Health,
    ModelInfo,
    PromptPart,
    Score,
    ScoreRequest,
    Usage,
)
from bot.policy.settings import resolve
from bot.training.evaluation.ablations import Ablation
from bot.training.evaluation.writing import Beyond, WatchedBackend

USAGE = Usage(
    prompt_tokens=3,
    cached_tokens=0,
    completion_tokens=6,
    sampled_tokens=14,
    rewinds=1,
    queued_s=0.0,
    prefill_s=0.0,
    decode_s=0.0,
)


class Recited(Backend):
    """Gives the same chunks to everybody, and remembers the seeds."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self._chunks = chunks
        self.seeds: list[int] = []
        self.is_closed = False

    @property
    def info(self) -> ModelInfo:
        raise NotImplementedError

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        self.seeds.append(request.seed)
        for chunk in self._chunks:
            yield chunk

    async def score(self, request: ScoreRequest) -> Score:
        raise NotImplementedError

    def count_tokens(self, parts: Sequence[PromptPart]) -> int:
        return sum(len(part.text) for part in parts)

    def health(self) -> Health:
        return Health(is_ok=True, detail="", waiting=0, active=0)

    async def aclose(self) -> None:
        self.is_closed = True


async def write(backend: WatchedBackend, place: str, seed: int = 0) -> str:
    asked = GenerationRequest(prompt=[PromptPart("Once")], owner=place, seed=seed)
    return (await collect(backend, asked)).text


def watch(*chunks: Chunk) -> tuple[Recited, WatchedBackend]:
    recited = Recited(chunks)
    return recited, WatchedBackend(recited, Ablation(), resolve({}))


async def test_words_beyond_the_end_are_counted_and_rewound_ones_are_not() -> None:
    _, watched = watch(
        Chunk(text="He went home, and again and again and again"),
        Chunk(retract=len(", and again and again and again"), text="."),
        Chunk(text=" Then the old"),
        Chunk(retract=len(" Then the old"), finish=FinishReason.MONITOR, usage=USAGE),
    )
    assert await write(watched, "a") == "He went home."
    assert watched.last == {"a": Beyond(words=3, sampled_tokens=14, kept_tokens=6)}


async def test_a_seed_follows_from_place_turn_and_attempt() -> None:
    recited, watched = watch(Chunk(text="No.", finish=FinishReason.LENGTH, usage=USAGE))
    for place, turn, attempt in (("a", 0, 0), ("a", 0, 0), ("a", 1, 0), ("b", 0, 0), ("a", 0, 9)):
        watched.turns[place] = turn
        await write(watched, place, attempt)
    first, again, *others = recited.seeds
    assert first == again
    assert len({first, *others}) == 4
    assert all(0 <= seed < 2**63 for seed in recited.seeds)


async def test_the_engine_stays_open_for_the_next_column() -> None:
    recited, watched = watch()
    await watched.aclose()
    assert not recited.is_closed
