"""The process itself: crashes, gentle ends, second starts and starts that are refused."""

import asyncio
from typing import Any

from tests.bench.bench_scene import assert_faultless, make_scene

CONTENT_INTENT = 1 << 15


def regular(fake: Any, channel: Any) -> list[Any]:
    return [m for m in fake.bot_messages(channel) if not m.ephemeral]


async def test_a_crash_in_mid_passage_is_healed_at_the_next_start(
    fake: Any, bot: Any, slow_model: Any
) -> None:
    scene = make_scene(fake)
    alice, bob, here = scene.alice, scene.bob, scene.channel
    env = {"ROUNDTALE_MODEL": str(slow_model)}
    # While it streams, with words that wait.
    async with bot(env=env) as run:
        await run.wait_ready()
        first = await scene.begin()
        since = fake.now()
        given = {"text": "Alice turned.", "length": "long"}
        await fake.slash(alice, here, "story continue", given)
        growing = await scene.growing(since)
        waits = fake.slash(bob, here, "story add", {"text": "Bob waited."})
        await scene.answer(waits, "right after it")
        await run.kill()
    count = len(regular(fake, here))
    # Between Discord's receipt and its answer.
    async with bot(env=env) as run:
        await run.wait_ready(timeout=60)
        await fake.wait_until(lambda: "Stop" not in growing.labels, 60)
        added = await scene.passage(int(growing.id))
        assert "Bob waited." in added.content
        assert len(regular(fake, here)) == count + 1
        assert fake.syncs == 1
        fake.faults.add("POST", "/channels/*/messages", status=502, after=True, times=9)
        mark = len(regular(fake, here))
        await fake.click(alice, added, "Continue")
        await fake.wait_until(lambda: len(regular(fake, here)) > mark)
        await run.kill()
    fake.faults.clear()
    async with bot(env=env) as run:
        await run.wait_ready(timeout=60)
        lost = regular(fake, here)[-1]
        await fake.wait_until(lambda: scene.is_at_rest(lost), 60)
        assert len(regular(fake, here)) == mark + 1
        # Buttons and cards of before serve on.
        assert (await fake.click(bob, lost, "Write")).kind == "modal"
        await scene.turn(lambda: fake.click(bob, lost, "Continue"))
        text = (await scene.answer(fake.slash(bob, here, "story show"))).text
        assert text.index("Alice turned.") < text.index("Bob waited.")
        assert text.count("Alice turned.") == text.count("Bob waited.") == 1
        assert first.content.split("\n")[-1][:20] in text
        assert "Traceback" not in run.log
    assert await run.stop() == 0
    assert_faultless(fake, paced=False)


async def test_a_gentle_end_loses_nothing_and_a_second_start_registers_nothing(
    fake: Any, bot: Any, slow_model: Any
) -> None:
    scene = make_scene(fake)
    alice, here = scene.alice, scene.channel
    env = {"ROUNDTALE_MODEL": str(slow_model), "ROUNDTALE_DRAIN_S": "0.2"}
    async with bot(env=env) as run:
        await run.wait_ready()
        await scene.begin()
        since = fake.now()
        await fake.slash(alice, here, "story continue", {"length": "long"})
        growing = await scene.growing(since)
        assert await run.stop() == 0
    assert "Stop" not in growing.labels
    paused = growing.content
    count = len(regular(fake, here))
    mark = fake.mark()
    async with bot(env=env) as run:
        await run.wait_ready(timeout=60)
        await fake.wait_until(lambda: scene.is_at_rest(growing), 60)
        assert growing.content != paused or "restarts" not in paused
        assert len(regular(fake, here)) == count
        await scene.turn(lambda: fake.click(alice, growing, "Continue"))
    assert await run.stop() == 0
    assert not fake.calls_for("PUT", "/applications/*", since=mark)
    assert fake.syncs == 1
    assert not run.outside
    assert_faultless(fake)


async def test_starts_that_discord_refuses_end_with_a_sentence(
    bench: Any, tmp_path: Any, bot: Any, fake: Any
) -> None:
    # A token that Discord does not know.
    wrong = "MTIz.wrong.token-nobody-knows"
    run = bot(env={"DISCORD_TOKEN": wrong})
    await run.start()
    assert await run.wait_exit(60) == 1
    assert "DISCORD_TOKEN" in run.log
    assert "developer portal" in run.log
    assert "Traceback" not in run.log
    assert wrong not in run.log
    assert wrong.rsplit(".", 1)[1] not in run.log
    # No privileged intent.
    fake.approved_intents &= ~CONTENT_INTENT
    run = bot(env={"ROUNDTALE_LISTEN_TO_ALL": "true"})
    await run.start()
    assert await run.wait_exit(60) == 1
    assert "ROUNDTALE_LISTEN_TO_ALL" in run.log
    assert "Privileged Gateway Intents" in run.log
    assert "Traceback" not in run.log
    assert fake.token not in run.log
    assert {one.kind for one in fake.violations} == {"gateway"}
    # Discord is down altogether.
    fake.faults.add("*", "*", status=503, times=10**6)
    run = bot()
    await run.start()
    await asyncio.wait_for(fake.wait_until(lambda: fake.calls and fake.calls[-1].status == 503), 60)
    assert await run.stop() in {0, 1}
    assert fake.token not in run.log


async def test_every_message_is_a_turn_where_an_admin_wants_it(fake: Any, bot: Any) -> None:
    scene = make_scene(fake)
    alice, here = scene.alice, scene.channel
    async with bot(env={"ROUNDTALE_LISTEN_TO_ALL": "true"}) as run:
        await run.wait_ready()
        assert fake.gateway.identifies[0]["intents"] & CONTENT_INTENT
        await scene.begin()
        calls = fake.mark()
        await fake.say(alice, here, "Nobody listens yet.")
        on = {"name": "listen_to_all", "value": "on"}
        await scene.answer(fake.slash(scene.admin, here, "storyadmin set", on))
        said = await fake.say(alice, here, "Everybody hears this.")
        await scene.passage(int(said.id))
        assert len(fake.calls_for("POST", "/channels/*/messages", since=calls)) == 1
    assert_faultless(fake)
