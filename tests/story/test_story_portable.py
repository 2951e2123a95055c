import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import InvalidInputError
from bot.story import actions, tree
from bot.story.model import Author, AuthorKind, Concept, Step, StoryStatus
from bot.story.portable import FORMAT, export_json, to_portable
from bot.story.portable_import import from_portable, import_json
from bot.story.portable_reader import MAX_BYTES
from tests.story.story_kit import ANN, BEN, Teller

IMPORTER = Author(77, AuthorKind.MEMBER, "Cleo", "discord", 5)


def rich() -> Teller:
    teller = Teller(Concept(title="Lamp", genre="fantasy"))
    teller.turn("In a small village,", " there was a lamp.")
    teller.answer("More.", ids=(1, 2, 3), tokenizer_hash="h")
    teller.retry("Mehr.")
    teller.take(actions.edit(teller.story, teller.stamp(BEN), teller.head(), "Noch mehr."))
    teller.take(actions.create_branch(teller.story, teller.stamp(), "dark"))
    teller.add("Dark.", BEN)
    teller.undo()
    teller.add("Darker.", BEN)
    teller.answer("The end.", is_ending=True)
    teller.take(actions.rename(teller.story, teller.stamp(), "Lamps"))
    teller.undo()
    return teller


def read(data: object, teller: Teller, key: str | None = None) -> Step:
    return from_portable(data, teller.stamp(IMPORTER, key), place="discord:9", guild_id=3)


def test_a_story_comes_back_whole_under_new_ids() -> None:
    teller = rich()
    step = import_json(
        export_json(teller.story).encode(),
        teller.stamp(IMPORTER, "i:1"),
        place="discord:9",
        guild_id=3,
    )
    story = step.story
    assert to_portable(story) == to_portable(teller.story)
    assert [tree.text_of(story, passage) for passage in tree.path(story)] == teller.lines()
    assert story.status is StoryStatus.ENDED
    assert (story.place, story.guild_id, story.starter_id, story.version) == ("discord:9", 3, 77, 1)
    assert story.is_current
    old = (
        {story.id for story in [teller.story]}
        | set(teller.story.passages)
        | set(teller.story.texts)
    )
    assert old.isdisjoint({story.id} | set(story.passages) | set(story.texts))
    assert step.entries == story.journal
    assert [entry.key for entry in step.entries][:2] == ["i:1", None]
    assert {passage.id: passage for passage in step.passages} == story.passages
    assert IMPORTER in step.authors


def test_undo_and_redo_go_on_after_an_import() -> None:
    teller = rich()
    story = read(to_portable(teller.story), teller).story
    redone = actions.redo(story, teller.stamp()).story
    assert tree.title(redone) == "Lamps"
    undone = actions.undo(redone, teller.stamp(), 100).story
    assert (tree.title(undone), tree.path(undone)) == ("Lamp", ())


def test_no_id_of_a_member_and_no_token_id_leaves() -> None:
    teller = rich()
    text = export_json(teller.story)
    assert str(ANN.user_id) not in text
    assert "discord" not in text
    assert "token_ids" not in text
    authors = read(to_portable(teller.story), teller).story.authors.values()
    assert {author.user_id for author in authors if author != IMPORTER} == {None}


def test_token_ids_in_a_file_are_ignored() -> None:
    teller = rich()
    data = portable(teller)
    data["passages"][1]["provenance"] |= {"token_ids": [666], "tokenizer_hash": "h"}
    story = read(data, teller).story
    assert all(
        passage.provenance is None or passage.provenance.token_ids == ()
        for passage in story.passages.values()
    )


def test_blanked_texts_stay_blank() -> None:
    teller = rich()
    data = portable(teller)
    data["texts"][2] |= {"body": "", "is_blanked": True}
    assert to_portable(read(data, teller).story) == data


def portable(teller: Teller) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(export_json(teller.story))
    return data


def put(*keys: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    def change(data: Any) -> None:
        for key in keys[:-1]:
            data = data[key]
        data[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (put("format", value="roundtale-story/2"), "roundtale-story/2"),
        (put("format", value="epub"), "no story"),
        (put("format", value=None), "no story"),
        (put("status", value="deleted"), "status"),
        (put("created_at", value="yesterday"), "created_at"),
        (put("created_at", value="2026-01-01T00:00:00"), "created_at"),
        (put("created_at", value="0001-01-01T00:00:00+23:59"), "created_at"),
        (put("created_at", value=5), "created_at"),
        (put("title", value=999), "title names 999"),
        (put("title", value=True), "title"),
        (put("concept", value="1"), "concept"),
        (put("active_branch", value=99), "active_branch"),
        (put("active_branch", value=None), "active_branch"),
        (put("authors", value={}), "authors"),
        (put("authors", 0, value="Ann"), r"authors\[0\]"),
        (put("authors", 0, "name", value="x" * 500), r"authors\[0\].name is longer"),
        (put("authors", 0, "kind", value="ghost"), r"authors\[0\].kind"),
        (put("authors", 0, "kind", value=["member"]), r"authors\[0\].kind"),
        (put("authors", 1, "id", value=1), r"authors\[1\].id is there twice"),
        (put("texts", 0, "id", value=-1), r"texts\[0\].id"),
        (put("texts", 0, "body", value=None), r"texts\[0\].body"),
        (put("texts", 0, "body", value="a\x00b"), r"texts\[0\].body"),
        (put("texts", 0, "body", value="\ud800"), r"texts\[0\].body"),
        (put("texts", 0, "is_blanked", value="yes"), r"texts\[0\].is_blanked"),
        (put("passages", 0, "parent", value=2), "ring"),
        (put("passages", 1, "parent", value=2), "ring"),
        (put("passages", 1, "parent", value=77), r"passages\[1\].parent names 77"),
        (put("passages", 0, "text", value=1), r"passages\[0\].revisions"),
        (put("passages", 0, "revisions", value=[]), r"passages\[0\].revisions"),
        (put("passages", 0, "revisions", value=[{}] * 2000), r"passages\[0\].revisions has more"),
        (put("passages", 0, "author", value=88), r"passages\[0\].author"),
        (put("passages", 1, "provenance", "seed", value=-1), "provenance.seed"),
        (put("passages", 1, "provenance", "seed", value=2**80), "provenance.seed"),
        (put("passages", 1, "provenance", "duration_s", value=float("inf")), "duration_s"),
        (put("passages", 1, "provenance", "duration_s", value="1"), "duration_s"),
        (put("passages", 1, "provenance", "sampling", "top_k", value=10**40), "top_k"),
        (
            put(
                "passages", 1, "provenance", "sampling", value=dict.fromkeys(map(str, range(99)), 1)
            ),
            "sampling has more",
        ),
        (put("branches", 0, "head", value=404), r"branches\[0\].head"),
        (put("branches", 0, "head", value=1), r"journal\[\d+\] does not follow"),
        (put("journal", value=[]), "journal"),
        (put("journal", 0, "kind", value="add"), r"journal\[0\].kind"),
        (put("journal", 1, "kind", value="start"), r"journal\[1\].kind"),
        (put("journal", 0, "is_undone", value=True), r"journal\[0\].kind"),
        (put("journal", 1, "is_abandoned", value=True), r"journal\[1\].is_abandoned"),
        (put("journal", 1, "turn", value=9), r"journal\[1\].turn"),
        (put("journal", 3, "turn", value=3), r"journal\[3\].turn"),
        (put("journal", 1, "is_undone", value=True), r"journal\[\d+\] does not follow"),
        (put("journal", -1, "changes", 0, "before", value=1), r"journal\[\d+\] does not follow"),
        (put("journal", 1, "changes", 0, "after", value=2), r"journal\[\d+\] does not follow"),
        (put("journal", 1, "changes", 0, "pointer", value="soul"), "pointer"),
        (put("journal", 1, "changes", 0, "key", value=44), "key names 44"),
        (put("journal", 0, "changes", 0, "after", value=None), "after"),
        (put("journal", 0, "changes", 1, "key", value=1), "key"),
        (put("journal", 1, "changes", value=[{}] * 17), "changes has more"),
        (put("journal", 5, "changes", 0, "before", value=None), "before"),
        (put("journal", 5, "changes", 0, "before", value=1), r"journal\[5\] does not follow"),
    ],
)
def test_a_file_that_is_wrong_is_refused_and_the_place_is_named(
    change: Callable[[dict[str, Any]], None], where: str
) -> None:
    teller = rich()
    data = portable(teller)
    change(data)
    with pytest.raises(InvalidInputError, match=where):
        read(data, teller)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff\xfe", b"[" * 200_000, b"[]", b'"x"', b"null", b"{}", b"1" * 9999],
)
def test_what_is_no_story_at_all_is_refused(data: bytes) -> None:
    teller = Teller()
    with pytest.raises(InvalidInputError):
        import_json(data, teller.stamp(), place="x", guild_id=None)


def test_a_file_that_is_too_large_is_refused() -> None:
    teller = Teller()
    with pytest.raises(InvalidInputError, match="32 MB"):
        import_json(b" " * (MAX_BYTES + 1), teller.stamp(), place="x", guild_id=None)


def test_a_file_with_a_byte_order_mark_is_read() -> None:
    teller = rich()
    data = b"\xef\xbb\xbf" + export_json(teller.story).encode()
    story = import_json(data, teller.stamp(), place="x", guild_id=None).story
    assert to_portable(story)["format"] == FORMAT


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 9), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner)
    ),
    max_leaves=6,
)


@settings(max_examples=300)
@given(data=st.data())
def test_a_damaged_file_gives_a_sound_story_or_a_clear_refusal(data: st.DataObject) -> None:
    teller = rich()
    file = copy.deepcopy(portable(teller))
    for _ in range(data.draw(st.integers(1, 3))):
        at: Any = file
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(at[key], dict | list) and data.draw(st.integers(0, 9)):
                at = at[key]
                continue
            at[key] = data.draw(JSON)
            break
    try:
        story = read(file, teller).story
    except InvalidInputError:
        return
    # A story that was accepted can be undone, redone and written again.
    tree.path(story)
    if tree.can_undo(story):
        undone = actions.undo(story, teller.stamp(), 100)
        again = actions.redo(undone.story, teller.stamp(), len(undone.undone))
        assert again.story.branches is not None
    to_portable(story)
