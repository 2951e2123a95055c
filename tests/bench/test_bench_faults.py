"""Discord that fails: error answers, cut connections, permissions and places that go away."""

from typing import Any

from tests.bench.bench_scene import assert_faultless, assert_paced, make_scene

MESSAGES = "/channels/*/messages"


def regular(fake: Any, channel: Any) -> list[Any]:
    return [m for m in fake.bot_messages(channel) if not m.ephemeral]


async def test_error_answers_neither_lose_nor_double_a_message(fake: Any, bot: Any) -> None:
    scene = make_scene(fake)
    alice, here = scene.alice, scene.channel
    async with bot() as run:
        await run.wait_ready()
        passage = await scene.begin()
        count = len(regular(fake, here))

        async def turn_with(*faults: dict[str, Any]) -> Any:
            nonlocal count
            for one in faults:
                fake.faults.add(**one)
            newest = await scene.turn(lambda: fake.slash(alice, here, "story continue"))
            count += 1
            assert len(regular(fake, here)) == count, [m.text for m in regular(fake, here)]
            fake.faults.clear()
            return newest

        edit, create = f"{MESSAGES}/*", MESSAGES
        await turn_with(
            {"method": "PATCH", "path": edit, "status": 429, "retry_after": 0.4, "times": 2},
            {"method": "PATCH", "path": "/webhooks/*", "status": 429, "retry_after": 0.4},
        )
        await turn_with(
            {"method": "POST", "path": create, "status": 502},
            {"method": "PATCH", "path": edit, "status": 500},
            {"method": "POST", "path": "*/typing", "status": 502, "times": 6},
        )
        # The work is done, the answer is lost: the nonce keeps it from being doubled.
        await turn_with({"method": "POST", "path": create, "status": 502, "after": True})
        await turn_with({"method": "POST", "path": create, "disconnect": True})
        await turn_with(
            {"method": "PATCH", "path": edit, "disconnect": True},
            {"method": "PATCH", "path": edit, "status": 502, "after": True, "skip": 1},
        )
        await turn_with({"method": "POST", "path": "/interactions/*", "status": 502})
        await turn_with({"method": "PATCH", "path": "/webhooks/*", "status": 500, "times": 2})
        passage = await turn_with({"method": "PATCH", "path": edit, "delay": 0.8, "times": 2})
        # A message too old for more edits, where the button's answer must come anew.
        fake.faults.add("PATCH", edit, status=400, code=30046, message="too old", times=4)
        since = fake.now()
        await fake.slash(alice, here, "story edit", {"text": "Edited."})
        await scene.passage(since)
        assert passage.labels  # it could not be tidied
        assert "Traceback" not in run.log
    assert_faultless(fake, paced=False, ack_limit_s=fake.ack_timeout)


async def test_a_gateway_that_breaks_interrupts_no_passage(
    fake: Any, bot: Any, slow_model: Any
) -> None:
    scene = make_scene(fake)
    alice, here = scene.alice, scene.channel
    gateway = fake.gateway
    async with bot(env={"ROUNDTALE_MODEL": str(slow_model)}) as run:
        await run.wait_ready()
        passage = await scene.begin()
        for breakage in (
            gateway.drop,
            lambda: gateway.drop(4000),
            gateway.reconnect,
            lambda: gateway.invalid_session(resumable=True),
            lambda: gateway.invalid_session(resumable=False),
        ):
            since = fake.now()
            closes = len(gateway.closes)
            await fake.click(alice, passage, "Continue")
            growing = await scene.growing(since)
            await breakage()
            await fake.wait_until(lambda: len(gateway.closes) > closes, 20)  # noqa: B023 -- now
            await fake.wait_until(lambda: gateway.connected, 40)
            passage = await scene.passage(since)
            assert passage is growing
        assert gateway.resumes
        assert len(gateway.identifies) >= 2
        assert len(regular(fake, here)) == 8
        await scene.turn(lambda: fake.click(alice, passage, "Continue"))
        assert "Traceback" not in run.log
    assert_faultless(fake)


async def test_an_outage_in_mid_passage_is_made_up_for(
    fake: Any, bot: Any, slow_model: Any
) -> None:
    scene = make_scene(fake)
    alice, here = scene.alice, scene.channel
    async with bot(env={"ROUNDTALE_MODEL": str(slow_model)}) as run:
        await run.wait_ready()
        await scene.begin()
        since = fake.now()
        await fake.slash(alice, here, "story continue", {"length": "long"})
        growing = await scene.growing(since)
        await fake.outage(4)
        await fake.wait_until(lambda: scene.is_at_rest(growing), 60)
        await fake.wait_until(lambda: fake.gateway.connected, 60)
        await scene.turn(lambda: fake.click(alice, growing, "Continue"))
        assert len(regular(fake, here)) == 5
    assert_faultless(fake, paced=False)


async def test_missing_permissions_are_named_and_nothing_is_lost(
    fake: Any, bot: Any, slow_model: Any
) -> None:
    scene = make_scene(fake)
    alice, here = scene.alice, scene.channel
    async with bot(env={"ROUNDTALE_MODEL": str(slow_model)}) as run:
        await run.wait_ready()
        passage = await scene.begin()
        # Before: named, and nothing is written.
        await fake.deny_bot(here, "send_messages")
        add = fake.slash(alice, here, "story add", {"text": "Not taken."})
        await scene.answer(add, "Send Messages")
        await scene.answer(fake.click(alice, passage, "Continue"), "Send Messages")
        told = await scene.answer(fake.click(alice, passage, "Write"), "Send Messages")
        assert told.ephemeral
        said = await fake.say(alice, here, "Not taken.", reply_to=passage)
        await fake.wait_until(lambda: fake.calls_for("PUT", f"*/{said.id}/reactions/*"))
        shown = await scene.answer(fake.slash(alice, here, "story show"))
        assert "Not taken." not in shown.text
        await fake.allow_bot(here, "send_messages")
        assert not fake.violations  # what is not permitted is not tried
        # In the middle: the passage is kept, and stands there once it may again.
        since = fake.now()
        await fake.slash(alice, here, "story continue", {"text": "Taken.", "length": "long"})
        growing = await scene.growing(since)
        await fake.deny_bot(here, "view_channel", "send_messages")
        await fake.wait_until(lambda: fake.violations, 30)
        await fake.allow_bot(here, "view_channel", "send_messages")
        for _ in range(60):
            told = await scene.answer(fake.slash(alice, here, "story retry"))
            if "being written" not in told.text:
                break
            await fake.wait_settled(told, quiet=0.3)
        text = (await scene.answer(fake.slash(alice, here, "story show"), "Taken.")).text
        # What was written stands in the story, and a click brings its picture up to date.
        await fake.wait_until(lambda: "2/2" in growing.labels, 30)
        assert text
        await scene.turn(lambda: fake.slash(alice, here, "story continue"))
        # A thread, without the right to read or attach.
        thread = await fake.add_thread(here, alice, "side")
        there = await scene.begin(thread)
        await fake.deny_bot(here, "attach_files", "read_message_history", "embed_links")
        await scene.turn(lambda: fake.click(alice, there, "Continue"), thread)
        got = fake.slash(alice, here, "story export")
        await scene.answer(got)
        assert "Traceback" not in run.log
    assert_faultless(fake, allow=("permission",))


async def test_places_that_vanish_in_mid_passage_take_nothing_else_along(
    fake: Any, bot: Any, slow_model: Any
) -> None:
    scene = make_scene(fake)
    alice, here = scene.alice, scene.channel
    doomed = fake.add_channel(scene.guild, "doomed")
    island = fake.add_guild("Island")
    shore = fake.add_channel(island, "shore")
    carol = fake.add_user("carol", guild=island)
    async with bot(env={"ROUNDTALE_MODEL": str(slow_model)}) as run:
        await run.wait_ready()
        thread = await fake.add_thread(here, alice, "side")
        long = {"length": "long"}
        await scene.begin()
        # A message.
        since = fake.now()
        await fake.slash(alice, here, "story continue", long)
        growing = await scene.growing(since)
        await fake.delete_message(growing)
        again = await scene.passage(since)
        assert again is not growing
        # A channel, a thread, a guild.
        for who, place in ((alice, doomed), (alice, thread), (carol, shore)):
            await scene.begin(place, by=who)
            since = fake.now()
            await fake.slash(who, place, "story continue", long)
            await scene.growing(since, place)
            if place is shore:
                await fake.remove_bot(island)
            else:
                await fake.delete_channel(place)
            await scene.turn(lambda: fake.slash(alice, here, "story continue"))
        # The guild takes the bot back: the story is still there.
        await fake.join_guild(island)
        # The passage that nobody saw may still be under way.
        since = fake.now()
        for _ in range(60):
            told = await scene.answer(fake.slash(carol, shore, "story continue"))
            if "being written" not in told.text:
                break
            await fake.wait_settled(told, quiet=0.5)
        await scene.passage(since, shore)
        # A guild that is away for a while.
        await fake.guild_outage(scene.guild)
        await fake.guild_outage(scene.guild, back=True)
        await scene.turn(lambda: fake.slash(alice, here, "story continue"))
        assert "Traceback" not in run.log
    assert_faultless(fake, allow=("permission",), paced=False)
    assert_paced(fake)
