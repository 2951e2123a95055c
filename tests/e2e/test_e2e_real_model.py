"""A story from the packaged model itself: from the concept to an undo, and it reads as one."""

# ruff: noqa: RUF001 -- typographic quotes are meant as they stand

import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from tests.discord_server.state import StandInTimeoutError
from tests.discord_server.world import Message
from tests.e2e.scenes import Scene, open_scene, plain, use_real_model

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.real_model,
    pytest.mark.slow,
]

PREMISE = "A shy fox opens a bakery in a snowy village"
REAL_S = 120.0
"""A real model on a machine that tests other things beside it."""
STEPS_AT_ONCE = 8
COMMON = frozenset(
    [
        "the",
        "a",
        "and",
        "to",
        "of",
        "was",
        "in",
        "he",
        "she",
        "it",
        "his",
        "her",
        "that",
        "they",
        "with",
        "had",
        "on",
        "for",
        "as",
        "at",
    ]
)
BREAKS_ROLE = re.compile(
    r"^\W*(?:user|assistant|system|human|ai|question|answer|note|title|theme|setting)\s*:"
    r"|\bas an ai\b|language model|here is (?:a|the) (?:story|continuation)",
    re.IGNORECASE | re.MULTILINE,
)
WORD = re.compile(r"[a-z’']+")
SENTENCE_END = re.compile(r"[.!?…][\"'”’)]*\Z")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def real_scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("real")
    async with open_scene(folder, Path(), is_tapped=True) as scene:
        missing = await use_real_model(scene)
        if missing is not None:
            pytest.skip(f"no package index answers: {missing}")
        await scene.start_bot()
        yield scene


def growth(message: Message) -> list[str]:
    """Return the versions of a passage that were longer than all before."""
    longest: list[str] = []
    for _, text in message.versions:
        if not text.startswith("-# ") and len(text) > len(longest[-1] if longest else ""):
            longest.append(text)
    return longest


async def grow(scene: Scene, message: Message, versions: int) -> None:
    """Let the model write on until a passage was seen to grow so often."""
    for _ in range(30):
        seen = len(growth(message))
        if seen >= versions:
            return
        scene.tap.let(STEPS_AT_ONCE)
        # Where the model takes something back, it needs more steps to grow again.
        with contextlib.suppress(StandInTimeoutError):
            await scene.discord.wait_for(partial(has_grown, message, seen), 4)
    raise AssertionError(growth(message))


def has_grown(message: Message, seen: int) -> bool:
    return len(growth(message)) > seen


def rows_of(text: str) -> list[tuple[str, ...]]:
    """Return every row of twelve words: nothing that long comes twice by chance."""
    words = WORD.findall(text.lower())
    return list(zip(*(words[at:] for at in range(12)), strict=False))


def assert_prose(text: str, before: str = "") -> None:
    """Hold a passage against what no story should be."""
    assert SENTENCE_END.search(text), text[-60:]
    assert not re.search(r"<\||\|>|\[/?INST\]|</?s>|�", text)
    assert not BREAKS_ROLE.search(text)
    words = WORD.findall(text.lower())
    assert len(words) >= 20
    assert sum(word in COMMON for word in words) / len(words) > 0.15
    rows = Counter(rows_of(before) + rows_of(text))
    assert max(rows.values(), default=1) == 1, rows.most_common(1)


async def test_a_story_from_its_concept_to_an_undo_is_real_prose(real_scene: Scene) -> None:
    scene, discord = real_scene, real_scene.discord
    channel = scene.channel()
    asked = await discord.slash(
        scene.alice, channel, "story start", {"premise": PREMISE}, wait="reply", timeout_s=REAL_S
    )
    card = asked.reply
    assert card is not None
    assert card.labels == ["Begin", "Edit", "Plot", "Reroll"]
    assert PREMISE in card.text
    assert not re.search(r"<\||\|>", card.text)

    scene.tap.close()
    await discord.click(scene.alice, card, "Begin")
    scene.tap.let(STEPS_AT_ONCE)
    first = await scene.growing(channel)
    await grow(scene, first, 3)
    scene.tap.open()
    await discord.wait_for(lambda: "Continue" in first.labels, REAL_S)
    begun = await scene.stored(channel)
    assert begun.kinds == "m"
    assert plain(first) == begun.text.strip()
    assert len(growth(first)) >= 3
    assert min(first.edit_gaps_s) >= 1.0
    assert_prose(begun.text.strip())

    await discord.click(scene.bob, first, "Continue")
    second = await scene.passage(channel, [first], timeout_s=REAL_S)
    continued = await scene.stored(channel)
    assert continued.kinds == "mm"
    assert continued.texts[0] == begun.text
    assert plain(second) == continued.text.strip()
    assert_prose(continued.text.strip(), begun.text)
    print("\n\n".join(continued.texts))  # noqa: T201 - for whoever wants to read it

    await discord.click(scene.bob, second, "Undo")
    await discord.wait_for(lambda: "Undone" in second.content and "Continue" in first.labels)
    undone = await scene.stored(channel)
    assert undone.texts == begun.texts
    assert continued.text in undone.every_text
    discord.assert_clean()
    discord.assert_no_mass_pings()
    assert scene.problems == []
