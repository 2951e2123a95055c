"""Every command of play, over the real services and a real database."""

import asyncio
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bot.engine.scripted import Answer, Script, ScriptedBackend
from bot.errors import EngineError
from bot.locales import Words
from bot.story import actions, tree
from bot.story.model import Concept
from bot.terminal import files, render
from bot.terminal.asking import GivenUpError
from bot.terminal.commands import COMMANDS
from tests.story.story_kit import MODEL, Teller, provenance
from tests.terminal.terminal_world import (
    LONG_ENOUGH,
    TerminalWorld,
    Typist,
    terminal_world,
)

OPENING = "Once upon a time in a small village,"
CONCEPT = "Mira found a key."


async def test_words_begin_a_story_and_the_model_goes_on(world: TerminalWorld) -> None:
    shown = await world.do(OPENING)
    assert LONG_ENOUGH.strip() in shown
    assert await world.texts() == [OPENING, LONG_ENOUGH.strip()]


async def test_enter_alone_asks_for_a_beginning_and_later_goes_on(world: TerminalWorld) -> None:
    assert "Type how your story begins" in await world.do("")
    await world.do(OPENING)
    await world.do("")
    assert len(await world.texts()) == 3


async def test_every_command_has_a_handler(world: TerminalWorld) -> None:
    assert set(world.session._handlers) == set(COMMANDS) - {"quit"}


async def test_continue_takes_words_and_a_length(world: TerminalWorld) -> None:
    await world.do(OPENING)
    await world.do("/continue Then the bell rang. --length short")
    assert (await world.texts())[2] == "Then the bell rang."
    assert "short, medium, long" in await world.do("/continue --length huge")


async def test_write_takes_lines_up_to_a_dot(world: TerminalWorld) -> None:
    await world.do("/write", Typist(["First line.", "", "Second line.", "."]))
    assert (await world.texts())[0] == "First line.\n\nSecond line."


async def test_add_begins_a_story_where_none_is_open(world: TerminalWorld) -> None:
    await world.do("/add It snowed.")
    assert await world.texts() == ["It snowed."]


async def test_write_ends_with_the_input_too(world: TerminalWorld) -> None:
    await world.do("/write", Typist(["Only line."]))
    assert (await world.texts())[0] == "Only line."


async def test_write_that_is_given_up_adds_nothing(world: TerminalWorld) -> None:
    assert "nothing was changed" in await world.do("/write", Typist(["First.", GivenUpError()]))
    assert await world.session.story() is None


async def test_write_needs_somebody_to_ask(world: TerminalWorld) -> None:
    assert "batch" in await world.do("/write")


async def test_add_asks_for_no_answer(world: TerminalWorld) -> None:
    await world.do(OPENING)
    await world.do("/add And it snowed.")
    assert (await world.texts())[-1] == "And it snowed."


async def test_retry_makes_alternates_and_pick_chooses(tmp_path: Path) -> None:
    answers = [" One way it went. It rained.", " Another way it went. It snowed."]
    async with terminal_world(tmp_path, answers=answers) as world:
        await world.do(OPENING)
        assert "◀ 2/2 ▶" in await world.do("/retry")
        assert "It rained." in await world.do("/pick previous")
        assert "It snowed." in await world.do("/pick")
        assert "next, previous" in await world.do("/pick sideways")


async def test_pick_needs_a_passage_and_an_alternate(world: TerminalWorld) -> None:
    assert "no story open" in await world.do("/pick")
    await world.do(OPENING)
    assert "error" in await world.do("/pick")
    await world.do("/undo")
    assert "not found" in await world.do("/pick")


async def test_undo_and_redo_show_where_the_story_stands(world: TerminalWorld) -> None:
    await world.do(OPENING)
    await world.do("Then the bell rang.")
    assert LONG_ENOUGH.strip() in await world.do("/undo")
    assert "empty" in await world.do("/undo 1")
    assert "Brought back: 2" in await world.do("/redo 2")
    assert len(await world.texts()) == 4


@pytest.mark.parametrize("given", ["x", "0", "-1", "1001", "²"])
async def test_a_number_that_is_none_is_refused(world: TerminalWorld, given: str) -> None:
    await world.do(OPENING)
    assert "from 1 to 1000" in await world.do(f"/undo {given}")
    assert len(await world.texts()) == 2


async def test_edit_rewords_the_newest_passage(world: TerminalWorld) -> None:
    await world.do(OPENING)
    assert "[red]Snow[/red]" in await world.do("/edit [red]Snow[/red] fell 🪁 שלום.")
    typist = Typist(["It thawed."])
    assert "It thawed." in await world.do("/edit", typist)
    assert typist.asked == [("edit> ", "[red]Snow[/red] fell 🪁 שלום.", False)]


async def test_edit_that_changes_nothing_leaves_everything(world: TerminalWorld) -> None:
    assert "no story open" in await world.do("/edit x")
    await world.do(OPENING)
    before = await world.texts()
    for answer in (LONG_ENOUGH, EOFError()):
        assert "Nothing was changed" in await world.do("/edit", Typist([answer]))
    assert "nothing was changed" in await world.do("/edit", Typist([GivenUpError()]))
    assert "no words" in await world.do("/edit")
    assert await world.texts() == before
    await world.do("/undo")
    assert "not found" in await world.do("/edit x")


async def test_a_long_text_is_edited_in_several_lines(tmp_path: Path) -> None:
    text = " The bell rang twice.\n\nNobody came to the door that night."
    async with terminal_world(tmp_path, answers=[text]) as world:
        await world.do(OPENING)
        typist = Typist(["The bell rang.\n\nSomebody came."])
        assert "Esc" in await world.do("/edit", typist)
        assert typist.asked[0][1:] == (text.strip(), True)
        assert (await world.texts())[-1] == "The bell rang.\n\nSomebody came."


async def test_show_concept_and_context_tell_what_is_there(world: TerminalWorld) -> None:
    await world.do(f"/start a lost key --title The Key --begin --opening {CONCEPT}")
    assert "The Key" in await world.do("/show")
    shown = await world.do("/concept")
    assert "Premise" in shown
    assert "a lost key" in shown
    assert CONCEPT in await world.do("/context")
    await world.do("/undo 2")
    assert "Nothing is written yet" in await world.do("/show")


async def test_start_shows_a_card_that_can_be_changed(world: TerminalWorld) -> None:
    typist = Typist(
        [
            "nonsense",
            "theme = what the sea gives back",
            "colour = red",
            "reroll genre",
            "r nothing",
            "begin",
        ]
    )
    shown = await world.do("/start a lost key --title The Brass Key", typist)
    assert "reroll [field]" in shown
    assert "“nonsense” is none of these" in shown
    assert "what the sea gives back" in shown
    assert "no colour here" in shown
    assert "no nothing here" in shown
    assert "The Brass Key" in await world.do("/list")


@pytest.mark.parametrize("answer", ["cancel", EOFError(), GivenUpError()])
async def test_a_card_that_is_given_up_begins_nothing(
    world: TerminalWorld, answer: str | Exception
) -> None:
    assert "Nothing was begun" in await world.do("/start a key", Typist([answer]))
    assert await world.session.story() is None


async def test_the_opening_of_a_card_is_shown_before_the_model_goes_on(
    world: TerminalWorld,
) -> None:
    shown = await world.do("/start a key --begin --opening The key was warm.")
    assert (
        shown.index("Opening") < shown.rindex("The key was warm.") < shown.rindex("lamp burned on")
    )


async def test_stories_are_listed_opened_and_renamed(world: TerminalWorld) -> None:
    assert "No story" in await world.do("/list")
    await world.do("/start --title Alpha --begin --opening Aaa.")
    await world.do("/start --title Beta --begin --opening Bbb.")
    assert "▶ Beta" in await world.do("/list")
    assert "Aaa." in await world.do("/open 2")
    assert "Bbb." in await world.do("/open Be")
    assert "“Gamma”" in await world.do("/rename Gamma")
    assert await world.session.titles("Ga") == ["Gamma"]
    assert "“zzz”" in await world.do("/open zzz")
    assert "Alpha" not in await world.do("/list Ga")


@pytest.mark.parametrize("command", ["add", "open", "rename", "import", "set"])
async def test_a_command_without_what_it_needs_shows_its_usage(
    world: TerminalWorld, command: str
) -> None:
    assert f"/{command} {COMMANDS[command].usage}" in await world.do(f"/{command}")


async def test_a_story_ends_with_or_without_an_ending(world: TerminalWorld) -> None:
    await world.do(OPENING)
    assert "has ended" in await world.do("/end")
    assert "has ended" in await world.do("more")
    await world.do("/undo")
    assert "has ended" in await world.do("/end --now")


async def test_an_ending_that_failed_is_not_called_one(tmp_path: Path) -> None:
    answers: list[Answer] = [LONG_ENOUGH, EngineError(reason="it broke.")]
    async with terminal_world(tmp_path, answers=answers) as world:
        await world.do(OPENING)
        shown = await world.do("/end")
        assert "it broke" in shown
        assert "has ended" not in shown
        assert world.stage.failures == 1


async def test_delete_wants_to_be_sure(world: TerminalWorld) -> None:
    await world.do("/start --title Alpha --begin --opening Aaa.")
    await world.do("/start --title Beta --begin --opening Bbb.")
    assert "--yes" in await world.do("/delete")
    assert "Deleted" in await world.do("/delete Alpha --yes")
    assert "Alpha" not in await world.do("/list")
    assert "Deleted" in await world.do("/delete --yes")
    assert "no story open" in await world.do("/delete --yes")


async def test_a_story_is_exported_and_imported(world: TerminalWorld, tmp_path: Path) -> None:
    await world.do("/start --title Alpha --begin --opening Aaa.")
    for name in ("a.txt", "a.md", "a.json"):
        assert str(tmp_path / name) in await world.do(f"/export {tmp_path / name}")
    assert "# Alpha" in (tmp_path / "a.md").read_text()
    json.loads((tmp_path / "a.json").read_text())
    assert "File exists" in await world.do(f"/export {tmp_path / 'a.txt'}")
    assert "No such file" in await world.do(f"/export {tmp_path / 'no' / 'a.txt'}")
    assert "txt, markdown, fountain, json" in await world.do(
        f"/export {tmp_path / 'b'} --format pdf"
    )
    assert "“Alpha” is open" in await world.do(f"/import {tmp_path / 'a.json'}")
    assert "No such file" in await world.do(f"/import {tmp_path / 'nothing'}")
    assert "not JSON" in await world.do(f"/import {tmp_path / 'a.txt'}")
    assert "is a directory" in (await world.do(f"/import {tmp_path}")).lower()


async def test_a_format_and_an_age_are_given_with_a_story(world: TerminalWorld) -> None:
    await world.do("/start --title Alpha --begin --format lesson --age 8 --opening Aaa.")
    shown = await world.do("/concept")
    assert "lesson" in shown
    assert "8" in shown
    assert "screenplay" in await world.do("/start --title B --begin --format screenpay")
    assert "3 – 18" in await world.do("/start --title B --begin --format lesson --age 99")  # noqa: RUF001 -- a range


async def test_a_lesson_that_ends_shows_its_words_questions_and_answers(
    world: TerminalWorld,
) -> None:
    opening = (
        "The grandmother carried the lantern through the narrow valley. Mira followed the old"
        " fisherman to the harbour. They discovered a silver key under the enormous stones."
    )
    await world.do(f"/start --title Alpha --begin --format lesson --age 8 --opening {opening}")
    shown = await world.do("/end --now")
    places = [shown.find(heading) for heading in ("Words\n", "Questions\n", "Answers\n")]
    assert -1 not in places
    assert places == sorted(places)


async def test_a_passage_without_its_form_says_so() -> None:
    origin = replace(provenance(), form="missed")
    teller = Teller(Concept(format="fable"))
    teller.take(
        actions.answer(
            teller.story, teller.stamp(MODEL), "They ate.", origin, passage_id=teller.new_id()
        )
    )
    (passage,) = tree.path(teller.story)
    console = Console(width=80, file=io.StringIO())
    console.print(render.passage(teller.story, passage, Words()))
    assert isinstance(console.file, io.StringIO)
    assert "could not keep the form" in console.file.getvalue()


async def test_an_export_without_a_name_gets_the_storys(
    world: TerminalWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    await world.do("/start --title Alpha --begin --opening Aaa.")
    await world.do("/export --format md")
    assert (tmp_path / "alpha.md").exists()


async def test_a_huge_file_is_not_read(
    world: TerminalWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_IMPORT_BYTES", 10)
    (tmp_path / "huge.json").write_text("x" * 11)
    assert "MiB" in await world.do(f"/import {tmp_path / 'huge.json'}")


async def test_settings_are_shown_changed_and_reset(world: TerminalWorld) -> None:
    assert "temperature" in await world.do("/settings")
    assert "temperature is 0.5 now" in await world.do("/set temperature 0.5")
    assert "channel" in await world.do("/settings")
    assert "0 to 2" in await world.do("/set temperature hot")
    assert "/set name value" in await world.do("/set temperature")
    assert "default: 1" in await world.do("/reset temperature")
    assert "default: 0" in await world.do("/reset")


async def test_help_lists_every_command(world: TerminalWorld) -> None:
    shown = await world.do("/help")
    for name in COMMANDS:
        assert f"/{name}" in shown


async def test_ctrl_c_keeps_what_is_whole_of_a_passage(tmp_path: Path) -> None:
    gate = asyncio.Event()
    script = Script(text=" It rained. It snowed. It thawed.", gates={5: gate})
    backend = ScriptedBackend([script])
    async with terminal_world(tmp_path, backend) as world:
        turn = asyncio.create_task(world.do(OPENING))
        await backend.started.wait()
        await asyncio.gather(world.session.stop(), world.session.stop())
        shown = await turn + world.seen()
        assert "What was whole is kept" in shown
        assert await world.texts() in ([OPENING, "It rained."], [OPENING, "It rained. It snowed."])


async def test_ctrl_c_before_a_sentence_is_whole_keeps_the_words(tmp_path: Path) -> None:
    script = Script(text=" It rained and rained.", gates={1: asyncio.Event()})
    backend = ScriptedBackend([script])
    async with terminal_world(tmp_path, backend) as world:
        turn = asyncio.create_task(world.do(OPENING))
        await backend.started.wait()
        await world.session.stop()
        assert "added nothing" in await turn + world.seen()
        assert await world.texts() == [OPENING]


async def test_ctrl_c_with_nothing_under_way_says_nothing(world: TerminalWorld) -> None:
    await world.session.stop()
    await world.do(OPENING)
    world.seen()
    await world.session.stop()
    assert world.seen() == ""


async def test_ctrl_c_gives_up_thinking_of_a_concept(tmp_path: Path) -> None:
    backend = ScriptedBackend([Script(text="x", gates={0: asyncio.Event()})])
    async with terminal_world(tmp_path, backend) as world:
        thinking = asyncio.create_task(world.do("/start a key --begin"))
        await backend.started.wait()
        await world.session.stop()
        assert "nothing was changed" in await thinking
        assert await world.session.story() is None


async def test_a_stop_that_the_database_refuses_is_said(
    world: TerminalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise EngineError(reason="it broke.")

    monkeypatch.setattr(world.stories, "stop", refuse)
    await world.session.stop()
    assert "it broke" in world.seen()


async def test_a_passage_that_an_end_interrupted_is_finished_at_the_next_start(
    tmp_path: Path,
) -> None:
    backend = ScriptedBackend([Script(text=LONG_ENOUGH, gates={2: asyncio.Event()})])
    async with terminal_world(tmp_path, backend) as world:
        turn = asyncio.create_task(world.do(OPENING))
        await backend.started.wait()
    assert "next start" in await turn
    async with terminal_world(tmp_path) as world:
        await world.session.finish_interrupted()
        shown = world.seen()
        assert "Finishing the passage" in shown
        assert LONG_ENOUGH.strip() in shown
        assert await world.texts() == [OPENING, LONG_ENOUGH.strip()]
        await world.session.finish_interrupted()
        assert world.seen() == ""
