"""What stands between the services and the engine while stories are written for measuring."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

from bot.engine.backend import Backend
from bot.engine.collecting import collect
from bot.engine.scripted import ScriptedBackend
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
from bot.training.evaluation.keeping import Kept
from bot.training.evaluation.openings import Opening
from bot.training.evaluation.plan import Plan
from bot.training.evaluation.samples import Turn
from bot.training.evaluation.watching import Drawn, WatchedBackend
from bot.training.evaluation.writing import write_stories

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
    assert watched.drawn("a") == (Drawn(seed=0, words_beyond=3, tokens=14),)


async def test_a_request_that_is_given_up_was_drawn_too() -> None:
    _, watched = watch(Chunk(text="He", tokens=1), Chunk(text=" went", tokens=2), Chunk())
    watched.begin("a", 0)
    asked = GenerationRequest(prompt=[PromptPart("Once")], owner="a", seed=5)
    async with aclosing(watched.stream(asked)) as chunks:
        async for chunk in chunks:
            if chunk.tokens == 2:
                break
    assert watched.drawn("a") == (Drawn(seed=5, words_beyond=0, tokens=2),)
    watched.begin("a", 1)
    assert watched.drawn("a") == ()


async def test_a_seed_follows_from_place_turn_and_attempt() -> None:
    recited, watched = watch(Chunk(text="No.", finish=FinishReason.LENGTH, usage=USAGE))
    for place, turn, attempt in (("a", 0, 0), ("a", 0, 0), ("a", 1, 0), ("b", 0, 0), ("a", 0, 9)):
        watched.begin(place, turn)
        await write(watched, place, attempt)
    first, again, *others = recited.seeds
    assert first == again
    assert len({first, *others}) == 4
    assert all(0 <= seed < 2**63 for seed in recited.seeds)


async def test_the_engine_stays_open_for_the_next_column() -> None:
    recited, watched = watch()
    await watched.aclose()
    assert not recited.is_closed


async def written(folder: Path, plan: Plan, candidates: int, *answers: str) -> list[Turn]:
    """Have a story written whose requests are answered like this; return its turns."""
    kept = Kept(folder)
    stories = await write_stories(
        ScriptedBackend(list(answers)),
        [Opening("hill", "adventure", "Mira went up the hill.")],
        plan,
        settings={"candidates": str(candidates)},
        ablation=Ablation(),
        kept=kept,
        report=lambda done, total: None,
        seeds=1,
    )
    kept.forget()
    (sample,) = stories.samples
    return list(sample.turns)


LONG = " The lamp stood at the top of the hill, and it burned as if nobody had ever left it alone there."


async def test_tokens_of_versions_that_lose_are_counted(tmp_path: Path, plan: Plan) -> None:
    (alone,) = await written(tmp_path, plan, 1, LONG)
    assert alone.lost_tokens == 0
    (first,) = await written(tmp_path, plan, 3, LONG, "", "")
    assert first.lost_tokens == 0  # nothing was drawn for the others
    assert (first.sampled_tokens, first.kept_tokens) == (alone.sampled_tokens, alone.kept_tokens)
    (kept,) = await written(tmp_path, plan, 3, LONG, LONG, LONG)
    assert kept.kept_tokens == alone.kept_tokens
    assert kept.sampled_tokens == 3 * alone.sampled_tokens
    assert kept.lost_tokens == 2 * alone.sampled_tokens


async def test_an_attempt_that_could_not_be_used_is_counted(tmp_path: Path, plan: Plan) -> None:
    (alone,) = await written(tmp_path, plan, 1, LONG)
    (again,) = await written(tmp_path, plan, 1, "\u200b \u200b ", LONG)
    assert again.kept_tokens == alone.kept_tokens
    assert again.lost_tokens == again.sampled_tokens - alone.sampled_tokens > 0
