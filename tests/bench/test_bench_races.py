"""People who press at the same time, too late, or what is no longer there."""

import asyncio
from typing import Any

from tests.bench.bench_scene import assert_faultless, make_scene


def custom_id(message: Any, label: str) -> str:
    return next(str(one["custom_id"]) for one in message.buttons if one.get("label") == label)


async def test_of_two_who_press_at_once_one_writes_and_the_other_is_told(
    fake: Any, bot: Any, slow_model: Any
) -> None:
    scene = make_scene(fake)
    alice, bob, here = scene.alice, scene.bob, scene.channel
    async with bot(env={"ROUNDTALE_MODEL": str(slow_model)}) as run:
        await run.wait_ready()
        passage = await scene.begin()
        old = {label: custom_id(passage, label) for label in ("Continue", "Retry", "Undo", "Write")}
        since = fake.now()
        pressed = await asyncio.gather(
            fake.press_raw(alice, passage, old["Continue"]),
            fake.press_raw(bob, passage, old["Continue"]),
        )
        await fake.wait_until(lambda: sum(len(one.followups) for one in pressed) == 1)
        newest = await scene.passage(since)
        told = [one.followups[0] for one in pressed if one.followups]
        assert told[0].ephemeral
        assert "being written" in told[0].text or "moved on" in told[0].text
        regular = [m for m in fake.bot_messages(here) if not m.ephemeral]
        assert regular[-1] is newest
        assert regular[-2] is passage

        # The same button twice by the same person, and two different ones.
        other = await asyncio.gather(
            fake.press_raw(alice, newest, custom_id(newest, "Continue")),
            fake.press_raw(alice, newest, custom_id(newest, "Retry")),
            fake.press_raw(bob, newest, custom_id(newest, "Undo")),
        )
        await fake.wait_until(lambda: sum(len(one.followups) for one in other) >= 1)
        last = await fake.wait_message(
            here, lambda m: not m.ephemeral and "More" in m.labels, timeout=30
        )
        await fake.wait_settled(last, quiet=2)

        # Buttons of long ago.
        for label in ("Continue", "Retry", "Undo"):
            await scene.answer(fake.press_raw(bob, passage, old[label]), "moved on")
        form = await fake.press_raw(bob, passage, old["Write"])
        assert form.kind == "modal"  # words are never lost to an old button
        for outdated in ("rt0:continue:1:1", "rt1:dance:1:1", "rt1:continue:zz:1!", "rt1:menu:1:1"):
            told_so = await scene.answer(fake.press_raw(bob, passage, outdated))
            assert "another version" in told_so.text
        assert "Traceback" not in run.log
    assert_faultless(fake)


async def test_buttons_serve_on_messages_and_stories_that_were_deleted(fake: Any, bot: Any) -> None:
    scene = make_scene(fake)
    alice, bob, here = scene.alice, scene.bob, scene.channel
    async with bot() as run:
        await run.wait_ready()
        passage = await scene.begin()
        ids = {label: custom_id(passage, label) for label in passage.labels}
        form = await fake.click(alice, passage, "Write")
        more = await fake.wait_reply(await fake.click(alice, passage, "More"))
        question = await fake.wait_reply(await fake.slash(alice, here, "story delete"))
        card = await fake.wait_reply(
            await fake.slash(alice, here, "story start", {"premise": "a wolf", "card": True})
        )
        await fake.delete_message(passage)
        since = fake.now()
        await fake.press_raw(bob, passage, ids["Continue"])
        second = await scene.passage(since)
        # The form was opened under the message that is gone; its words still count.
        since = fake.now()
        await fake.submit_modal(form, {"text": "Words by an old form."})
        third = await scene.passage(since)
        await fake.delete_message(third)
        await fake.slash(bob, here, "story undo")
        await fake.slash(bob, here, "story redo")
        await fake.wait_until(
            lambda: (
                any(scene.is_at_rest(m) for m in fake.bot_messages(here) if m is not second)
                or scene.is_at_rest(second)
            )
        )
        his = await fake.wait_reply(await fake.slash(bob, here, "story delete"))
        await scene.answer(fake.click(bob, his, "Delete for good"), "Only the member who started")
        await fake.click(alice, question, "Delete for good")
        await fake.wait_until(lambda: "was deleted" in question.text)
        for label in ("Continue", "Retry", "Undo"):
            told = await scene.answer(fake.press_raw(bob, passage, ids[label]))
            assert "wrong (ref" not in told.text
        told = await scene.answer(fake.press_raw(bob, passage, ids["Write"]))
        assert told.ephemeral
        key = more.selects[0]["custom_id"]
        await scene.answer(fake.select(alice, more, key, "Read"), "no story open")
        form = await fake.click(alice, card, "Edit")
        await fake.press_raw(bob, card, card.buttons[0]["custom_id"], wait=None)  # not his card
        await scene.turn(lambda: fake.click(alice, card, "Begin"))
        refused = await fake.submit_modal(form, {"title": "Too late"})
        await fake.wait_until(lambda: refused.followups)
        assert "not found" in refused.followups[0].text
        assert "Traceback" not in run.log
    assert_faultless(fake)


async def test_an_expired_token_costs_the_sentence_and_not_the_passage(fake: Any, bot: Any) -> None:
    scene = make_scene(fake)
    alice, here = scene.alice, scene.channel
    async with bot() as run:
        await run.wait_ready()
        fake.token_lifetime = 0.2
        fake.faults.add("PATCH", "/webhooks/*", delay=0.4, times=3)
        await scene.begin()
        await scene.turn(lambda: fake.slash(alice, here, "story continue", {"text": "On."}))
        await fake.slash(alice, here, "story show")
        await fake.wait_until(lambda: len(fake.calls_for("PATCH", "/webhooks/*")) == 3)
        fake.token_lifetime = 900.0
        await scene.turn(lambda: fake.slash(alice, here, "story continue"))
        assert "Traceback" not in run.log
    assert {one.kind for one in fake.violations} == {"expired_token"}
    assert_faultless(fake, allow=("expired_token",))


async def test_every_interaction_is_acknowledged_in_time_while_eight_channels_generate(
    fake: Any, bot: Any, slow_model: Any
) -> None:
    scene = make_scene(fake)
    alice, bob = scene.alice, scene.bob
    channels = [fake.add_channel(scene.guild, f"room-{n}") for n in range(8)]
    fake.ack_timeout = 1.0
    async with bot(env={"ROUNDTALE_MODEL": str(slow_model)}) as run:
        await run.wait_ready()
        passages = await asyncio.gather(*(scene.begin(one) for one in channels))
        mores = [await fake.wait_reply(await fake.click(bob, one, "More")) for one in passages]
        since = fake.now()
        long = {"length": "long"}
        await asyncio.gather(*(fake.slash(alice, c, "story continue", long) for c in channels))
        for channel, more in zip(channels, mores, strict=True):
            asked = [
                fake.slash(bob, channel, "story show"),
                fake.slash(bob, channel, "story help"),
                fake.slash(bob, channel, "story add", {"text": "Bob waits."}),
            ]
            await asyncio.gather(*asked)
            assert (await fake.slash(bob, channel, "story write")).kind == "modal"
            await fake.autocomplete(bob, channel, "story open", "story", "")
            await scene.answer(fake.select(bob, more, more.selects[0]["custom_id"], "Read"))
        writing = [m for c in channels for m in fake.bot_messages(c) if "Stop" in m.labels]
        assert writing
        await asyncio.gather(*(fake.click(alice, message, "Stop") for message in writing))
        await asyncio.gather(*(scene.passage(since, one) for one in channels))
        for channel in channels:
            # Old buttons are taken away when there is time.
            await fake.wait_until(lambda here=channel: scene.count_at_rest(here) == 1)
            await scene.answer(fake.slash(bob, channel, "story show"), "Bob waits.")
    assert_faultless(fake)
