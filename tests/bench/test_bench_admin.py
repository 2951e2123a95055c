"""What admins set, by panel and by command, and who may not."""

from typing import Any

import pytest

from tests.bench.bench_scene import assert_faultless, make_scene


async def test_admins_set_by_panel_and_command_and_members_do_not(  # noqa: PLR0915 -- one run, one journey
    bench: Any, fake: Any, bot: Any
) -> None:
    scene = make_scene(fake)
    admin, alice, here = scene.admin, scene.alice, scene.channel
    async with bot() as run:
        await run.wait_ready()
        # The panel: every group, both scopes, choices and numbers.
        panel = await fake.wait_reply(await fake.slash(admin, here, "storyadmin settings"))
        assert panel.ephemeral
        assert "enabled" in panel.text
        group_key = panel.selects[0]["custom_id"]
        groups = [one["label"] for one in panel.selects[0]["options"]]
        for group in groups:
            key = panel.selects[0]["custom_id"]
            before = len(panel.versions)
            await fake.select(admin, panel, key, group)
            await fake.wait_until(lambda: len(panel.versions) > before)  # noqa: B023 -- awaited here
        key = panel.selects[0]["custom_id"]
        await fake.select(admin, panel, key, "sampling")
        await fake.wait_until(lambda: "temperature" in panel.text)
        pick_key = panel.selects[1]["custom_id"]
        form = await fake.select(admin, panel, pick_key, "temperature")
        assert form.kind == "modal"
        await fake.submit_modal(form, {"value": "1.25"})
        await fake.wait_until(lambda: "1.25" in panel.text)
        form = await fake.select(admin, panel, pick_key, "temperature")
        told = await scene.answer(fake.submit_modal(form, {"value": "hot"}), "temperature")
        assert told.ephemeral
        await fake.click(admin, panel, panel.buttons[0]["label"])
        await fake.wait_until(lambda: "whole server" in panel.text)

        # By command, with autocomplete.
        names = await fake.autocomplete(admin, here, "storyadmin set", "name", "length")
        assert "passage_length" in [one["value"] for one in names]
        given = {"name": "passage_length"}
        values = await fake.autocomplete(admin, here, "storyadmin set", "value", "", given)
        assert [one["value"] for one in values] == ["short", "medium", "long"]
        await fake.autocomplete(admin, here, "storyadmin set", "value", "x", {"name": "nothing"})
        given = {"name": "passage_length", "value": "short", "scope": "the whole server"}
        await scene.answer(fake.slash(admin, here, "storyadmin set", given), "short")
        for wrong in (
            {"name": "passage_length", "value": "endless"},
            {"name": "no_such_setting", "value": "1"},
            {"name": "temperature", "value": "99"},
            {"name": "top_k", "value": "@everyone"},
        ):
            told = await scene.answer(fake.slash(admin, here, "storyadmin set", wrong))
            assert told.ephemeral
            assert "wrong (ref" not in told.text, told.text
        await scene.answer(
            fake.slash(admin, here, "storyadmin reset", {"name": "temperature"}), "taken back"
        )
        await scene.answer(fake.slash(admin, here, "storyadmin reset"), "taken back")

        # Members: not offered, and refused where they press what is not theirs.
        for command in ("settings", "set", "reset"):
            with pytest.raises(bench.ClientRefused):
                await fake.slash(alice, here, f"storyadmin {command}", {})
        open_form = await fake.select(admin, panel, panel.selects[1]["custom_id"], "top_k")
        for pressed in (
            fake.press_raw(alice, panel, group_key, component_type=3, values=["sampling"]),
            fake.press_raw(alice, panel, pick_key, component_type=3, values=["top_k"]),
            fake.press_raw(alice, panel, panel.buttons[0]["custom_id"]),
            fake.submit_modal(open_form, {"value": "7"}, user=alice),
        ):
            assert (await scene.answer(pressed, "Manage Server")).ephemeral
        show = await fake.slash(admin, here, "storyadmin settings", {"group": "Sampling"})
        again = await fake.wait_reply(show)
        assert "**7**" not in again.text

        # Off and on.
        passage = await scene.begin()
        off = {"name": "enabled", "value": "off"}
        await scene.answer(fake.slash(admin, here, "storyadmin set", off), "off")
        calls = fake.mark()
        add = fake.slash(alice, here, "story add", {"text": "Words."})
        await scene.answer(add, "switched off in this channel")
        await scene.answer(fake.click(alice, passage, "Continue"), "switched off")
        reply = await fake.say(alice, here, "Words by reply.", reply_to=passage)
        told = await fake.wait_reply(reply)
        assert "switched off" in told.text
        assert not fake.calls_for("POST", "*/typing", since=calls)
        await scene.answer(fake.slash(admin, here, "storyadmin reset", {"name": "enabled"}))
        await scene.turn(lambda: fake.click(alice, passage, "Continue"))

        # Streaming off: the passage comes whole.
        off = {"name": "streaming", "value": "off"}
        await scene.answer(fake.slash(admin, here, "storyadmin set", off))
        whole = await scene.turn(lambda: fake.slash(alice, here, "story continue"))
        assert len(whole.versions) == 1
    assert_faultless(fake)
