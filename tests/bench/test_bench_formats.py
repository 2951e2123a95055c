"""A fable, a screenplay and a lesson, from their beginning to the file that is taken away."""

from typing import Any

from bot.text.forms import fountain
from bot.text.forms.fountain import Kind
from tests.bench.bench_scene import PATIENCE_S, assert_faultless, make_scene

OPENING = (
    "The grandmother carried the lantern through the narrow valley. Mira followed the old"
    " fisherman to the harbour. They discovered a silver key under the enormous stones."
)


async def test_stories_of_each_format_are_begun_ended_and_carried_away(fake: Any, bot: Any) -> None:
    scene = make_scene(fake)
    alice, admin, here = scene.alice, scene.admin, scene.channel
    stage, school = (fake.add_channel(scene.guild, name) for name in ("stage", "school"))
    async with bot() as run:
        await run.wait_ready()
        offered = await fake.autocomplete(alice, here, "story start", "format", "")
        assert [one["value"] for one in offered] == ["prose", "fable", "screenplay", "lesson"]

        # A fable: a moral at the end, or a line that says that there is none.
        await scene.begin(format="fable")
        end = await scene.turn(lambda: fake.slash(alice, here, "story end"))
        assert "Moral: " in end.content or "could not keep the form" in end.content

        # A screenplay: from its card, by a member's words, to a file that is Fountain.
        given = {"premise": "A ferryman who never crossed", "format": "screenplay"}
        asked = await fake.slash(alice, stage, "story start", given)
        card = await fake.wait_reply(asked, timeout=PATIENCE_S)
        assert "Screenplay" in card.text
        first = await scene.turn(lambda: fake.click(alice, card, "Begin"), stage)
        assert any(line.startswith(("INT.", "EXT.")) for line in first.content.splitlines())
        told = {"text": "Mira looks at the ferry."}
        await scene.turn(lambda: fake.slash(alice, stage, "story continue", told), stage)
        kind = {"format": "Fountain, for screenwriting programs"}
        taken = await scene.answer(fake.slash(alice, stage, "story export", kind))
        ((name, data),) = taken.files.items()
        assert name.endswith(".fountain")
        script = fountain.parse(data.decode())
        kinds = [element.kind for element in script.elements]
        assert kinds[0] is Kind.HEADING
        assert Kind.DIALOGUE in kinds

        # A lesson: words, questions and answers to who ended it, and in the export.
        await scene.begin(school, opening=OPENING, format="lesson", age=8)
        since = fake.now()
        ended = await fake.slash(alice, school, "story end")
        await scene.passage(since, school)
        await fake.wait_until(
            lambda: any("lesson.txt" in one.files for one in ended.replies), PATIENCE_S
        )
        taught = next(one for one in ended.replies if one.files)
        assert taught.ephemeral
        assert "harbour" in taught.files["lesson.txt"].decode()
        taken = await scene.answer(
            fake.slash(alice, school, "story export", {"format": "plain text"})
        )
        ((name, data),) = taken.files.items()
        assert "Answers" in data.decode()

        # What is not to be started, and three versions of each passage.
        for name, value in (("formats", "lesson"), ("candidates", "3")):
            given = {"name": name, "value": value, "scope": "the whole server"}
            await scene.answer(fake.slash(admin, here, "storyadmin set", given), value)
        given = {"opening": "A fox came.", "format": "fable"}
        refused = await scene.answer(fake.slash(alice, here, "story start", given), "lesson")
        assert refused.ephemeral
        chosen = await scene.begin(opening="A fox came to the mill.", age=9)
        other = await scene.turn(lambda: fake.click(alice, chosen, "Continue"))
        assert other.content.strip()
    assert run.proc.returncode == 0
    assert_faultless(fake)
