from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.errors import (
    ConflictError,
    EmptyTextError,
    InvalidInputError,
    NoStoryError,
    NotFoundError,
    NothingToRedoError,
    NothingToRetryError,
    NothingToUndoError,
    StaleError,
    StoryEndedError,
)
from bot.story import actions, tree
from bot.story.model import (
    AuthorKind,
    Concept,
    EntryKind,
    Pointer,
    Step,
    StoryStatus,
)
from tests.story.story_kit import ANN, BEN, MODEL, Teller, pointers, provenance


def test_start_gives_a_story_with_title_concept_main_branch_and_version_one() -> None:
    teller = Teller(Concept(title=" The Lamp ", genre="fantasy"))
    story = teller.story
    step = teller.steps[0]
    assert story.version == 1
    assert tree.title(story) == "The Lamp"
    assert tree.concept(story).genre == "fantasy"
    assert [branch.name for branch in story.branches.values()] == ["main"]
    assert tree.path(story) == ()
    assert [entry.kind for entry in step.entries] == [EntryKind.START]
    assert step.entries[0].seq == 1
    assert step.authors == (ANN,)
    assert step.branches == tuple(story.branches.values())
    assert set(step.texts) == set(story.texts.values())


def test_a_start_without_title_leaves_the_title_empty() -> None:
    teller = Teller(Concept())
    assert teller.story.title_id is None
    assert tree.title(teller.story) == ""


def test_add_puts_a_members_words_at_the_head_as_a_turn_of_its_own() -> None:
    teller = Teller()
    step = teller.add("  It was late.  ", BEN)
    assert teller.lines() == ["It was late."]
    assert step.authors == (BEN,)
    assert step.entries[0].turn_id == step.entries[0].id
    assert step.passages[0].kind is AuthorKind.MEMBER
    assert step.story.version == 2
    assert teller.add("Later.", BEN).authors == ()


def test_an_author_who_changed_their_name_is_news() -> None:
    teller = Teller()
    renamed = replace(ANN, name="Anna")
    assert teller.add("Hello.", renamed).authors == (renamed,)
    assert teller.story.authors[ANN.id].name == "Anna"


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\u200b\u200d", "\x00\x07"])
def test_text_without_words_is_refused(text: str) -> None:
    teller = Teller()
    teller.add("One.")
    with pytest.raises(EmptyTextError):
        teller.add(text)
    with pytest.raises(EmptyTextError):
        teller.answer(text)
    with pytest.raises(EmptyTextError):
        actions.edit(teller.story, teller.stamp(), teller.head(), text)
    with pytest.raises(EmptyTextError):
        actions.rename(teller.story, teller.stamp(), text)
    with pytest.raises(EmptyTextError):
        actions.create_branch(teller.story, teller.stamp(), text)


def test_an_answer_keeps_its_text_to_the_letter_and_joins_its_turn() -> None:
    teller = Teller()
    turn_id = teller.add("In a small village,").entries[0].turn_id
    step = teller.answer(" there lived a cat.\n", ids=(1, 2), turn_id=turn_id)
    assert teller.lines()[-1] == " there lived a cat.\n"
    assert step.entries[0].turn_id == turn_id
    assert step.entries[0].kind is EntryKind.ANSWER
    assert step.passages[0].provenance == provenance((1, 2))
    teller.undo()
    assert teller.lines() == []
    teller.redo()
    assert teller.lines() == ["In a small village,", " there lived a cat.\n"]


def test_an_answer_to_an_unknown_or_undone_turn_is_a_turn_of_its_own() -> None:
    teller = Teller()
    turn_id = teller.add("One.").entries[0].turn_id
    teller.undo()
    step = teller.answer("Two.", turn_id=turn_id)
    assert step.entries[0].turn_id == step.entries[0].id
    assert teller.answer("Three.", turn_id=999_999).entries[0].turn_id != 999_999


def test_a_rename_while_the_model_writes_is_kept_when_the_turn_is_undone() -> None:
    teller = Teller(Concept(title="Old"))
    turn_id = teller.add("One.").entries[0].turn_id
    teller.take(actions.rename(teller.story, teller.stamp(), "New"))
    teller.answer("Two.", turn_id=turn_id)
    both = pointers(teller.story)
    teller.undo()
    assert (teller.lines(), tree.title(teller.story)) == ([], "New")
    renamed = pointers(teller.story)
    teller.undo()
    assert tree.title(teller.story) == "Old"
    teller.redo()
    assert pointers(teller.story) == renamed
    teller.redo()
    assert pointers(teller.story) == both


def test_an_answer_leaves_its_turn_when_others_moved_the_head_in_between() -> None:
    teller = Teller()
    turn_id = teller.add("One.").entries[0].turn_id
    teller.add("Two.", BEN)
    step = teller.answer("Three.", turn_id=turn_id)
    assert step.entries[0].turn_id == step.entries[0].id
    teller.undo()
    assert teller.lines() == ["One.", "Two."]


def test_an_ending_ends_the_story_in_the_same_entry() -> None:
    teller = Teller(Concept(title="Lamp"))
    step = teller.answer("The end.", is_ending=True)
    assert step.entries[0].kind is EntryKind.END
    assert {change.pointer for change in step.entries[0].changes} == {
        Pointer.HEAD,
        Pointer.STATUS,
    }
    assert teller.story.status is StoryStatus.ENDED
    with pytest.raises(StoryEndedError, match="Lamp"):
        teller.add("More.")
    with pytest.raises(StoryEndedError):
        teller.answer("More.")
    reopened = teller.undo().story
    assert reopened.status is StoryStatus.WRITING
    assert teller.lines() == []


def test_retry_adds_a_sibling_and_keeps_the_first() -> None:
    teller = Teller()
    teller.turn("One.", "Two.")
    first = teller.head()
    teller.retry("Deux.")
    assert teller.lines() == ["One.", "Deux."]
    assert tree.alternates(teller.story, teller.head()) == (first, teller.head())
    teller.undo()
    assert teller.lines() == ["One.", "Two."]


def test_retry_needs_a_passage_of_the_model_at_the_head() -> None:
    teller = Teller()
    with pytest.raises(NothingToRetryError):
        teller.retry("Text.")
    teller.add("One.")
    with pytest.raises(NothingToRetryError):
        teller.retry("Text.")


def test_pick_moves_between_alternates_and_can_go_where_the_story_last_stood() -> None:
    teller = Teller()
    teller.answer("Two.")
    first = teller.head()
    teller.turn("Three.", "Four.")
    deep = teller.head()
    teller.undo()
    teller.retry("Deux.")
    second = teller.head()
    teller.take(actions.pick(teller.story, teller.stamp(), first))
    assert teller.lines() == ["Two."]
    teller.take(actions.pick(teller.story, teller.stamp(), second))
    # Four was undone, so the story last stood at Two, where the pick put it.
    assert tree.last_head_under(teller.story, first) == first
    teller.take(actions.pick(teller.story, teller.stamp(), deep))
    assert teller.lines() == ["Two.", "Three.", "Four."]


def test_pick_refuses_what_is_no_alternate_of_the_head() -> None:
    teller = Teller()
    with pytest.raises(NotFoundError):
        actions.pick(teller.story, teller.stamp(), 5)
    teller.answer("One.")
    first = teller.head()
    teller.answer("Two.")
    for wrong in (first, teller.head()):
        with pytest.raises(StaleError):
            actions.pick(teller.story, teller.stamp(), wrong)
    with pytest.raises(NotFoundError):
        actions.pick(teller.story, teller.stamp(), 5)
    teller.undo(2)
    with pytest.raises(StaleError):
        actions.pick(teller.story, teller.stamp(), first)


def test_edit_is_a_new_revision_and_the_old_wording_stays() -> None:
    teller = Teller()
    teller.answer("Teh cat.", ids=(1,), tokenizer_hash="h")
    step = teller.take(actions.edit(teller.story, teller.stamp(BEN), teller.head(), "The cat. "))
    passage = teller.story.passages[teller.head()]
    assert teller.lines() == ["The cat."]
    assert passage.is_edited
    assert step.revisions == ((passage.id, passage.revisions[-1]),)
    assert passage.revisions[-1].author_id == BEN.id
    teller.undo()
    assert teller.lines() == ["Teh cat."]
    assert not teller.story.passages[teller.head()].is_edited
    assert len(teller.story.passages[teller.head()].revisions) == 2
    with pytest.raises(NotFoundError):
        actions.edit(teller.story, teller.stamp(), 12345, "Text.")


def test_undo_takes_as_many_turns_as_there_are_and_says_when_there_is_none() -> None:
    teller = Teller()
    with pytest.raises(NothingToUndoError):
        teller.undo()
    for number in range(3):
        teller.turn(f"Words {number}.", f"Answer {number}.")
    step = teller.undo(2)
    assert len(step.undone) == 4
    assert teller.lines() == ["Words 0.", "Answer 0."]
    teller.undo(10)
    assert teller.lines() == []
    assert not tree.can_undo(teller.story)
    with pytest.raises(NothingToUndoError):
        teller.undo()
    assert len(teller.redo(10).redone) == 6
    with pytest.raises(NothingToRedoError):
        teller.redo()


@pytest.mark.parametrize("n", [0, -1])
def test_undo_and_redo_want_a_positive_number(n: int) -> None:
    teller = Teller()
    teller.add("One.")
    with pytest.raises(InvalidInputError):
        teller.undo(n)
    with pytest.raises(InvalidInputError):
        teller.redo(n)


def test_a_new_entry_after_an_undo_abandons_what_was_undone() -> None:
    teller = Teller()
    teller.turn("One.", "Two.")
    undone = teller.undo().undone
    step = teller.add("Uno.")
    assert step.abandoned == undone
    assert not tree.can_redo(teller.story)
    assert sum(entry.is_abandoned for entry in teller.story.journal) == 2
    with pytest.raises(NothingToRedoError):
        teller.redo()


def test_end_and_reopen_are_reversible() -> None:
    teller = Teller()
    with pytest.raises(InvalidInputError):
        actions.reopen(teller.story, teller.stamp())
    teller.take(actions.end(teller.story, teller.stamp()))
    with pytest.raises(StoryEndedError):
        actions.end(teller.story, teller.stamp())
    teller.take(actions.reopen(teller.story, teller.stamp()))
    teller.add("On.")
    teller.undo(2)
    assert teller.story.status is StoryStatus.ENDED


def test_rename_and_concept_move_the_title() -> None:
    teller = Teller(Concept(title="Lamp", genre="fantasy"))
    teller.take(actions.rename(teller.story, teller.stamp(), "The\n  Lamp"))
    assert tree.concept(teller.story) == Concept(title="The Lamp", genre="fantasy")
    step = teller.take(
        actions.set_concept(teller.story, teller.stamp(), Concept(title="Fog", genre="horror"))
    )
    assert len(step.entries[0].changes) == 2
    assert tree.title(teller.story) == "Fog"
    step = teller.take(
        actions.set_concept(teller.story, teller.stamp(), Concept(title="Fog", theme="fear"))
    )
    assert len(step.entries[0].changes) == 1
    teller.undo(3)
    assert tree.concept(teller.story) == Concept(title="Lamp", genre="fantasy")


def test_a_branch_goes_on_from_the_head_and_leaves_the_other_alone() -> None:
    teller = Teller()
    main = teller.story.active_branch_id
    teller.add("One.")
    step = teller.take(actions.create_branch(teller.story, teller.stamp(), "  dark  side "))
    assert step.branches[0].name == "dark side"
    teller.add("Two.")
    with pytest.raises(InvalidInputError):
        actions.create_branch(teller.story, teller.stamp(), "DARK side")
    with pytest.raises(InvalidInputError):
        actions.switch_branch(teller.story, teller.stamp(), step.branches[0].id)
    with pytest.raises(NotFoundError):
        actions.switch_branch(teller.story, teller.stamp(), 1)
    teller.take(actions.switch_branch(teller.story, teller.stamp(), main))
    assert teller.lines() == ["One."]
    teller.undo()
    assert teller.lines() == ["One.", "Two."]
    teller.undo(2)
    assert teller.story.active_branch_id == main
    assert len(teller.story.branches) == 2


def test_nothing_can_be_done_with_a_deleted_story() -> None:
    teller = Teller()
    teller.turn("One.", "Two.")
    gone = replace(teller.story, status=StoryStatus.DELETED)
    stamp = teller.stamp()
    acts: list[Callable[[], Step]] = [
        lambda: actions.add(gone, stamp, "Text."),
        lambda: actions.retry(gone, stamp, "Text.", provenance(), passage_id=1),
        lambda: actions.undo(gone, stamp),
        lambda: actions.redo(gone, stamp),
        lambda: actions.edit(gone, stamp, teller.head(), "Text."),
        lambda: actions.pick(gone, stamp, teller.head()),
        lambda: actions.end(gone, stamp),
        lambda: actions.reopen(gone, stamp),
        lambda: actions.rename(gone, stamp, "Text"),
        lambda: actions.set_concept(gone, stamp, Concept()),
        lambda: actions.create_branch(gone, stamp, "x"),
        lambda: actions.switch_branch(gone, stamp, 1),
    ]
    for act in acts:
        with pytest.raises(NoStoryError):
            act()


def test_a_passage_id_is_taken_once() -> None:
    teller = Teller()
    step = actions.add(teller.story, teller.stamp(), "One.", passage_id=7)
    assert step.passages[0].id == 7
    with pytest.raises(ConflictError):
        actions.add(step.story, teller.stamp(), "Two.", passage_id=7)


def test_the_key_is_kept_in_the_entry() -> None:
    teller = Teller()
    step = actions.add(teller.story, teller.stamp(key="i:1"), "One.")
    assert step.entries[0].key == "i:1"


def test_an_answer_is_written_by_the_stamps_author() -> None:
    teller = Teller()
    passage = teller.answer("Text.").passages[0]
    assert tree.author_of(teller.story, passage) == MODEL
