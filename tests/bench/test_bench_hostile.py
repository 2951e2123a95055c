"""Text that means harm, on every way in: it pings nobody, breaks nothing and stays readable."""

import json
from typing import Any

from tests.bench.bench_scene import HOSTILE, PATIENCE_S, assert_faultless, make_scene

NAME = "@everyone **`Ev\u202eil`** <@1>"


async def test_hostile_text_pings_nobody_and_breaks_nothing(  # noqa: PLR0915 -- one run
    fake: Any, bot: Any
) -> None:
    scene = make_scene(fake)
    here = scene.channel
    mallory = fake.add_user("mallory", guild=scene.guild, nick=NAME)
    async with bot() as run:
        await run.wait_ready()
        await scene.begin(by=mallory)
        wish = {
            "premise": HOSTILE["pings"] + HOSTILE["markdown"],
            "title": (HOSTILE["pings"] + HOSTILE["direction"])[:100],
            "genre": HOSTILE["markdown"],
            "theme": HOSTILE["invisible"],
        }
        crowded = wish | {"setting": HOSTILE["emoji"][:300]}
        refused = fake.slash(mallory, here, "story start", crowded)
        await scene.answer(refused, "Shorten them", patience_s=PATIENCE_S)
        asked = fake.slash(mallory, here, "story start", wish)
        card = await scene.answer(asked, "look!", patience_s=PATIENCE_S)
        form = await fake.click(mallory, card, "Plot")
        opening = f"{HOSTILE['pings']} {HOSTILE['zalgo']}"
        await fake.submit_modal(form, {"plot": "# - > 1.\n" * 5, "opening": opening})
        await fake.wait_until(lambda: "olf came" in card.text)
        passage = await scene.turn(lambda: fake.click(mallory, card, "Begin"))
        for text in HOSTILE.values():
            given = {"text": text}
            since = fake.now()
            await scene.answer(fake.slash(mallory, here, "story add", given))
            passage = await scene.passage(since)

        # As long as a form takes, in characters that count double and in one single word.
        form = await fake.click(mallory, passage, "Write")
        long = "\U0001f43a " * 1333 + "x"
        passage = await scene.turn(lambda: fake.submit_modal(form, {"text": long}))
        since = fake.now()
        await scene.answer(fake.slash(mallory, here, "story add", {"text": "*" * 4000}))
        await scene.passage(since)
        since = fake.now()
        await scene.answer(fake.slash(mallory, here, "story edit", {"text": "`|_ " * 1000}))
        await fake.wait_settled((await scene.passage(0)), quiet=0.3)

        # What holds no text at all is refused in words, and nothing is added.
        before = len(fake.messages(here))
        for nothing in ("   ", "\u200b\u200b", "\x00\x01\x02", "\n\n", "\u202e"):
            told = await scene.answer(fake.slash(mallory, here, "story add", {"text": nothing}))
            assert told.ephemeral
            assert "wrong (ref" not in told.text, nothing
        refused = await scene.answer(fake.slash(mallory, here, "story add", {"text": "y" * 6000}))
        assert "characters long" in refused.text
        assert len(fake.messages(here)) == before

        # A reply, a title and a file.
        newest = fake.messages(here)[-1]
        await scene.turn(lambda: fake.say(mallory, here, HOSTILE["pings"], reply_to=newest))
        for title in (HOSTILE["pings"], HOSTILE["direction"], "\u202e\u200b", "😀" * 100):
            given = {"title": title[:100]}
            await scene.answer(fake.slash(mallory, here, "story rename", given))
        for command in ("story show", "story list", "story context"):
            await scene.answer(fake.slash(mallory, here, command))
        await fake.autocomplete(mallory, here, "story open", "story", HOSTILE["markdown"])
        got = await scene.answer(fake.slash(mallory, here, "story export", {"format": "json"}))
        ((name, data),) = got.files.items()
        assert name.isascii()
        json.loads(data)
        weird = ("../../@everyone\u202e.json", data)
        await scene.answer(fake.slash(mallory, here, "story import", {"file": weird}))
    assert_faultless(fake)
    for message in fake.bot_messages(include_deleted=True):
        assert not message.data["mentions"]
        assert not message.data["mention_everyone"]
    assert "Traceback" not in run.log
    assert "look!" not in run.log  # nobody's text is logged


async def test_the_word_list_screens_what_members_write(fake: Any, bot: Any) -> None:
    scene = make_scene(fake)
    here = scene.channel
    async with bot() as run:
        await run.wait_ready()
        listed = {"name": "word_list", "value": "sea, wolf*"}
        await scene.answer(fake.slash(scene.admin, here, "storyadmin set", listed))
        given = {"opening": "A WOLFISH grin."}
        await scene.answer(fake.slash(scene.alice, here, "story start", given), "not allowed")
        passage = await scene.begin(opening="A small village slept.")
        form = await fake.click(scene.alice, passage, "Write")
        told = await scene.answer(fake.submit_modal(form, {"text": "The s3a rose."}))
        assert "not allowed" in told.text
        assert told.files["your-text.txt"] == b"The s3a rose."
        # The model writes "sea" all the time; not one version of it was ever shown.
        await scene.turn(lambda: fake.click(scene.bob, passage, "Continue"))
        shown = [text for m in fake.bot_messages(here) if not m.ephemeral for _, text in m.versions]
        assert not any(" sea" in f" {text}".casefold() for text in shown)
    assert_faultless(fake)
