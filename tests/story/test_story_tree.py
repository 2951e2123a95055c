from dataclasses import replace

import pytest

from bot.story import actions, order, tree
from bot.story.model import AuthorKind, Concept
from tests.story.story_kit import ANN, MODEL, Teller


def test_the_path_of_another_head_is_found() -> None:
    teller = Teller()
    teller.add("One.")
    first = teller.head()
    teller.add("Two.")
    assert [passage.id for passage in tree.path(teller.story, first)] == [first]
    assert len(tree.path(teller.story)) == 2


def test_a_path_of_thousands_of_passages_needs_no_recursion() -> None:
    teller = Teller()
    for _ in range(3000):
        teller.story = actions.add(teller.story, teller.stamp(), "On.").story
        if len(teller.story.passages) >= 1500:
            break
    assert len(tree.path(teller.story)) == 1500


def test_a_ring_ends_in_an_error_and_not_in_a_hang() -> None:
    teller = Teller()
    teller.add("One.")
    passage = replace(teller.story.passages[teller.head()], parent_id=teller.head())
    damaged = replace(teller.story, passages={passage.id: passage})
    with pytest.raises(ValueError, match="ring"):
        tree.path(damaged)


def test_alternates_are_siblings_by_the_same_kind_of_author_oldest_first() -> None:
    teller = Teller()
    teller.answer("One.")
    first = teller.head()
    teller.retry("Uno.")
    second = teller.head()
    teller.undo(2)
    teller.add("Mine.")
    assert tree.alternates(teller.story, first) == (first, second)
    assert tree.alternates(teller.story, teller.head()) == (teller.head(),)
    assert tree.children(teller.story, None) == (first, second, teller.head())
    assert tree.children(teller.story, first) == ()


def test_the_last_head_under_a_passage_is_where_the_story_stood() -> None:
    teller = Teller()
    teller.answer("Root.")
    root = teller.head()
    teller.add("Two.")
    deep = teller.head()
    assert tree.last_head_under(teller.story, root) == deep
    stranger = replace(teller.story, journal=())
    assert tree.last_head_under(stranger, root) == root


def test_turns_say_what_undo_and_redo_would_do() -> None:
    teller = Teller()
    assert tree.last_turn(teller.story) == ()
    assert tree.next_turn(teller.story) == ()
    assert not tree.can_undo(teller.story)
    teller.turn("One.", "Two.")
    assert [entry.kind for entry in tree.last_turn(teller.story)] == ["add", "answer"]
    teller.undo()
    assert [entry.kind for entry in tree.next_turn(teller.story)] == ["add", "answer"]
    assert tree.can_redo(teller.story)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("— … !", 0),
        ("Don't stop the well-known man.", 5),
        ("雾越来越浓了。", 6),
        ("Mira 说 hello", 3),
        ("안녕하세요 여러분", 2),
    ],
)
def test_words_are_counted_in_any_script(text: str, words: int) -> None:
    assert tree.count_words(text) == words


def test_a_story_counts_the_words_of_its_path_alone() -> None:
    teller = Teller()
    teller.turn("One two.", "Three.")
    teller.retry("Four five six.")
    assert tree.word_count(teller.story) == 5


def test_authors_and_concept_are_found() -> None:
    teller = Teller(Concept(title="Lamp", genre="horror"))
    teller.turn("One.", "Two.")
    first, second = tree.path(teller.story)
    assert tree.author_of(teller.story, first) == ANN
    assert tree.author_of(teller.story, second) == MODEL
    assert second.kind is AuthorKind.MODEL
    bare = replace(teller.story, concept_id=None, title_id=None)
    assert tree.concept(bare) == Concept()


def test_in_free_order_everybody_may_write_at_any_time() -> None:
    assert order.is_turn_of(Teller().story, ANN.id, order.TurnMode.FREE)
