"""Turns by message, in channels, threads and direct messages, and the languages of people."""

from typing import Any

from tests.bench.bench_scene import assert_faultless, make_scene

CONTENT_INTENT = 1 << 15


async def test_replies_and_mentions_are_turns_without_the_message_content_intent(  # noqa: PLR0915 -- one run, one journey
    fake: Any, bot: Any
) -> None:
    scene = make_scene(fake)
    alice, bob, here = scene.alice, scene.bob, scene.channel
    async with bot() as run:
        await run.wait_ready()
        assert not fake.gateway.identifies[0]["intents"] & CONTENT_INTENT
        # Nobody is answered who did not ask.
        calls = fake.mark()
        await fake.say(alice, here, "Just talking.")
        # A mention where no story is open offers one.
        asked = await fake.say(alice, here, "hello", mentions_bot=True)
        offer = await fake.wait_reply(asked)
        assert len(fake.calls_for("POST", "/channels/*/messages", since=calls)) == 1
        form = await fake.click(alice, offer, "Begin a story")
        passage = await scene.turn(
            lambda: fake.submit_modal(form, {"opening": "The sea was calm."})
        )

        # A reply is a turn; the member's own message is the passage and is not copied.
        before = len(fake.bot_messages(here))
        said = await fake.say(bob, here, "A ship came in.", reply_to=passage)
        second = await scene.passage(int(said.id))
        assert len(fake.bot_messages(here)) == before + 1
        context = await scene.answer(fake.slash(bob, here, "story context"))
        assert b"A ship came in." in context.files["context.txt"]
        # A reply without its ping cannot be read, and is told so, for a while.
        since = fake.now()
        mute = await fake.say(bob, here, "Unread.", reply_to=second, ping_reply=False)
        hint = await fake.wait_message(here, lambda m: "ping is off" in m.content, since=since)
        assert hint.reply_to == mute.id
        # A mention is a turn; mentions of people become names.
        said = await fake.say(alice, here, f"Then {bob.mention} sang.", mentions_bot=True)
        third = await scene.passage(int(said.id))
        context = await scene.answer(fake.slash(bob, here, "story context"))
        assert b"Then @Bob sang." in context.files["context.txt"]
        # Whole phrases are commands, and files are no text.
        await fake.say(bob, here, "Undo that!", reply_to=third)
        await fake.wait_until(lambda: "Undone" in third.content)
        await fake.say(bob, here, "redo", mentions_bot=True)
        await fake.wait_until(lambda: scene.is_at_rest(third))
        pictured = await fake.say(bob, here, "", reply_to=third, files=[("x.png", b"png")])
        await fake.wait_reply(pictured, lambda m: "not files" in m.content)
        helped = await fake.say(bob, here, "help", mentions_bot=True)
        await fake.wait_reply(helped, lambda m: "story start" in m.content)
        # A reply to somebody else's message is none of the bot's business.
        calls = fake.mark()
        other = await fake.say(alice, here, "I like it.")
        await fake.say(bob, here, "Me too.", reply_to=other)
        end = await fake.say(bob, here, "the end", reply_to=third)
        last = await fake.wait_message(here, lambda m: "The end." in m.text, since=int(end.id))
        assert last.author_id == fake.bot.id
        assert not [c for c in fake.calls_for("POST", since=calls) if "Me too" in str(c.body)]

        # A thread has a story of its own, one that was opened while the bot is running.
        thread = await fake.add_thread(here, alice, "a side story")
        there = await scene.begin(thread)
        said = await fake.say(bob, thread, "In the thread.", reply_to=there)
        await scene.passage(int(said.id), thread)
        listed = await scene.answer(fake.slash(bob, thread, "story list"))
        assert "The sea" not in listed.text

        # A direct message: an offer, then every message is a turn.
        direct = fake.dm_channel(bob)
        offer = await fake.wait_reply(await fake.say(bob, direct, "hi"))
        assert offer.labels == ["Begin a story"]
        since = fake.now()
        await fake.slash(bob, direct, "story start", {"opening": "I was alone."})
        await scene.passage(since, direct)
        said = await fake.say(bob, direct, "It was dark.")
        await scene.passage(int(said.id), direct)
        panel = await fake.wait_reply(await fake.slash(bob, direct, "storyadmin settings"))
        assert "enabled" in panel.text
    assert_faultless(fake)


async def test_words_that_come_while_the_model_writes_get_one_joint_answer(
    fake: Any, bot: Any, slow_model: Any
) -> None:
    scene = make_scene(fake)
    alice, bob, here = scene.alice, scene.bob, scene.channel
    async with bot(env={"ROUNDTALE_MODEL": str(slow_model)}) as run:
        await run.wait_ready()
        passage = await scene.begin()
        since = fake.now()
        await fake.slash(alice, here, "story continue", {"length": "long"})
        growing = await scene.growing(since)
        waits = fake.slash(bob, here, "story continue", {"text": "Bob by command."})
        await scene.answer(waits, "your words come right after it")
        said = await fake.say(alice, here, "Alice by reply.", reply_to=passage)
        form = await fake.slash(bob, here, "story write")
        await scene.answer(fake.submit_modal(form, {"text": "Bob by form."}), "right after")
        await scene.answer(fake.slash(bob, here, "story continue"), "being written")
        joint = await scene.passage(int(growing.id))
        assert not growing.buttons or "Continue" not in growing.labels
        context = await scene.answer(fake.slash(bob, here, "story context"))
        text = context.files["context.txt"].decode()
        places = [text.index(one) for one in ("Bob by command.", "Alice by reply.", "Bob by form.")]
        assert places == sorted(places)
        assert text.index(joint.content.split("\n")[-1][:20]) > places[-1]
        reactions = [c for c in fake.calls_for("PUT", "*/reactions/*") if said.id in c.path]
        assert reactions
    assert_faultless(fake)


async def test_people_of_every_language_are_served(fake: Any, bot: Any) -> None:
    scene = make_scene(fake, locale="fr")
    here = scene.channel
    people = [
        fake.add_user(f"person{n}", guild=scene.guild, locale=locale, permissions=["manage_guild"])
        for n, locale in enumerate(("de", "ja", "pt-BR", "zh-CN", "es-419", "no", "hi"))
    ]
    async with bot() as run:
        await run.wait_ready()
        shown = fake.shown_commands(people[0], here)
        assert {name.split()[0] for name in shown} == {"story", "storyadmin"}
        for name, command in shown.items():
            assert command["description"], name
            assert all(one["description"] for one in command["options"].values()), name
        passage = await scene.begin(by=people[0])
        for person in people:
            helped = await scene.answer(fake.slash(person, here, "story help"))
            assert "Roundtale" in helped.text
            await scene.answer(fake.slash(person, here, "story list"), "Stories")
            await scene.answer(fake.slash(person, here, "storyadmin settings"), "enabled")
            await fake.autocomplete(person, here, "story start", "genre", "")
            await fake.autocomplete(person, here, "storyadmin set", "name", "")
            await fake.wait_reply(await fake.click(person, passage, "More"))
            assert (await fake.click(person, passage, "Write")).kind == "modal"
        await scene.turn(lambda: fake.click(people[1], passage, "Continue"))
    assert_faultless(fake)
