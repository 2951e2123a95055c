"""What can be done with a story: a state in, a ``Step`` out.

Invariant: an action writes new content and one entry of the journal; it never
changes or drops what was written before. Undo and redo write no entry: they move
the pointers of a turn's entries back and forth, exactly, and flag the entries.

An answer joins the turn of the words it answers only while nothing in between
moved the same pointers, so that a turn can always be taken back by itself.
"""

from collections.abc import Sequence
from dataclasses import replace

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
from bot.locales import N_
from bot.story import tree
from bot.story.concept_fields import concept_to_json
from bot.story.journal import Stamp, flag, head_change, move, record, touch
from bot.story.model import (
    AuthorKind,
    Branch,
    BranchId,
    Change,
    Concept,
    EntryId,
    EntryKind,
    Passage,
    PassageId,
    Pointer,
    Provenance,
    Revision,
    Step,
    Story,
    StoryStatus,
    Text,
)

__all__ = [
    "MAIN_BRANCH",
    "Stamp",
    "add",
    "answer",
    "create_branch",
    "edit",
    "end",
    "pick",
    "redo",
    "rename",
    "reopen",
    "retry",
    "set_concept",
    "start",
    "switch_branch",
    "undo",
]

MAIN_BRANCH = "main"


def start(stamp: Stamp, *, place: str, guild_id: int | None, concept: Concept) -> Step:
    """Begin a story without passages; its title is the concept's."""
    branch = Branch(id=stamp.new_id(), name=MAIN_BRANCH, head_id=None)
    story = Story(
        id=stamp.new_id(),
        place=place,
        guild_id=guild_id,
        starter_id=stamp.author.id,
        created_at=stamp.at,
        updated_at=stamp.at,
        branches={branch.id: branch},
    )
    concept_text = Text(stamp.new_id(), concept_to_json(concept))
    texts = [concept_text]
    changes = [
        Change(Pointer.ACTIVE_BRANCH, 0, None, branch.id),
        Change(Pointer.CONCEPT, 0, None, concept_text.id),
    ]
    if concept.title.strip():
        title_text = Text(stamp.new_id(), concept.title.strip())
        texts.append(title_text)
        changes.append(Change(Pointer.TITLE, 0, None, title_text.id))
    return record(story, stamp, EntryKind.START, changes, texts=texts, branches=(branch,))


def add(story: Story, stamp: Stamp, text: str, *, passage_id: PassageId | None = None) -> Step:
    """Put a member's words at the head, as a turn of its own.

    Raises:
        EmptyTextError: nothing readable is in the text.
        StoryEndedError: the story has ended.
    """
    _require_writing(story)
    body = _require_words(text).strip()
    return _append(
        story,
        stamp,
        EntryKind.ADD,
        body,
        kind=AuthorKind.MEMBER,
        parent_id=tree.head_id(story),
        passage_id=passage_id,
    )


def answer(
    story: Story,
    stamp: Stamp,
    text: str,
    provenance: Provenance,
    *,
    passage_id: PassageId,
    turn_id: EntryId | None = None,
    is_ending: bool = False,
) -> Step:
    """Put the model's passage at the head.

    Args:
        story: the state.
        stamp: with the model's author.
        text: exactly as generated, white space at its start included: text and
            token ids must stay the same thing.
        provenance: how it was written.
        passage_id: the job's id.
        turn_id: the turn of the words it answers; None makes a turn of its own.
        is_ending: end the story in the same entry.

    Raises:
        EmptyTextError: nothing readable is in the text.
        StoryEndedError: the story has ended.
    """
    _require_writing(story)
    changes: list[Change] = []
    if is_ending:
        changes.append(Change(Pointer.STATUS, 0, story.status, StoryStatus.ENDED))
    return _append(
        story,
        stamp,
        EntryKind.END if is_ending else EntryKind.ANSWER,
        _require_words(text),
        kind=AuthorKind.MODEL,
        parent_id=tree.head_id(story),
        passage_id=passage_id,
        provenance=provenance,
        turn_id=turn_id,
        changes=changes,
    )


def retry(
    story: Story, stamp: Stamp, text: str, provenance: Provenance, *, passage_id: PassageId
) -> Step:
    """Put another alternate of the model beside the head passage, and the head on it.

    Raises:
        NothingToRetryError: the head passage is not the model's.
        EmptyTextError: nothing readable is in the text.
    """
    head = tree.head(_require_present(story))
    if head is None or head.kind is not AuthorKind.MODEL:
        raise NothingToRetryError
    return _append(
        story,
        stamp,
        EntryKind.RETRY,
        _require_words(text),
        kind=AuthorKind.MODEL,
        parent_id=head.parent_id,
        passage_id=passage_id,
        provenance=provenance,
    )


def pick(story: Story, stamp: Stamp, passage_id: PassageId) -> Step:
    """Move the head to one of its alternates, or to a passage that follows one of them.

    ``tree.last_head_under`` says where the story last stood under an alternate.

    Raises:
        NotFoundError: there is no such passage.
        StaleError: the passage is neither an alternate of the head nor below one.
    """
    head = tree.head(_require_present(story))
    if passage_id not in story.passages:
        raise NotFoundError(what=N_("That passage"))
    if head is None or passage_id == head.id:
        raise StaleError
    alternates = frozenset(tree.alternates(story, head.id))
    if not any(passage.id in alternates for passage in tree.path(story, passage_id)):
        raise StaleError
    return record(story, stamp, EntryKind.PICK, [head_change(story, passage_id)])


def edit(story: Story, stamp: Stamp, passage_id: PassageId, text: str) -> Step:
    """Give a passage a new wording; the earlier ones stay.

    Raises:
        NotFoundError: there is no such passage.
        EmptyTextError: nothing readable is in the text.
    """
    passage = _require_present(story).passages.get(passage_id)
    if passage is None:
        raise NotFoundError(what=N_("That passage"))
    new_text = Text(stamp.new_id(), _require_words(text).strip())
    revision = Revision(new_text.id, stamp.author.id, stamp.at)
    revised = replace(passage, revisions=(*passage.revisions, revision))
    return record(
        replace(story, passages={**story.passages, passage_id: revised}),
        stamp,
        EntryKind.EDIT,
        [Change(Pointer.REVISION, passage_id, passage.text_id, new_text.id)],
        texts=(new_text,),
        revisions=((passage_id, revision),),
    )


def undo(story: Story, stamp: Stamp, n: int = 1) -> Step:
    """Take back the last ``n`` turns, or as many as there are.

    Raises:
        NothingToUndoError: there is none.
    """
    _require_present(story)
    _require_count(n)
    undone: list[EntryId] = []
    state = story
    for _ in range(n):
        turn = tree.last_turn(state)
        if not turn:
            break
        for entry in reversed(turn):
            state = move(
                state, ((change.pointer, change.key, change.before) for change in entry.changes)
            )
        undone.extend(entry.id for entry in turn)
        state = flag(state, frozenset(entry.id for entry in turn), is_undone=True)
    if not undone:
        raise NothingToUndoError
    return Step(story=touch(state, stamp), undone=tuple(undone))


def redo(story: Story, stamp: Stamp, n: int = 1) -> Step:
    """Bring the last ``n`` undone turns back, or as many as there are.

    Raises:
        NothingToRedoError: there is none.
    """
    _require_present(story)
    _require_count(n)
    redone: list[EntryId] = []
    state = story
    for _ in range(n):
        turn = tree.next_turn(state)
        if not turn:
            break
        for entry in turn:
            state = move(
                state, ((change.pointer, change.key, change.after) for change in entry.changes)
            )
        redone.extend(entry.id for entry in turn)
        state = flag(state, frozenset(entry.id for entry in turn), is_undone=False)
    if not redone:
        raise NothingToRedoError
    return Step(story=touch(state, stamp), redone=tuple(redone))


def end(story: Story, stamp: Stamp) -> Step:
    """End the story as it stands.

    Raises:
        StoryEndedError: it has ended already.
    """
    _require_writing(story)
    return record(
        story,
        stamp,
        EntryKind.END,
        [Change(Pointer.STATUS, 0, story.status, StoryStatus.ENDED)],
    )


def reopen(story: Story, stamp: Stamp) -> Step:
    """Let an ended story take words again.

    Raises:
        InvalidInputError: it has not ended.
    """
    if _require_present(story).status is not StoryStatus.ENDED:
        raise InvalidInputError(reason=N_("this story has not ended."))
    return record(
        story,
        stamp,
        EntryKind.REOPEN,
        [Change(Pointer.STATUS, 0, story.status, StoryStatus.WRITING)],
    )


def rename(story: Story, stamp: Stamp, title: str) -> Step:
    """Give the story another title.

    Raises:
        EmptyTextError: nothing readable is in the title.
    """
    _require_present(story)
    text = Text(stamp.new_id(), " ".join(_require_words(title).split()))
    change = Change(Pointer.TITLE, 0, story.title_id, text.id)
    return record(story, stamp, EntryKind.RENAME, [change], texts=(text,))


def set_concept(story: Story, stamp: Stamp, concept: Concept) -> Step:
    """Replace the concept; a title in it that differs becomes the story's."""
    _require_present(story)
    text = Text(stamp.new_id(), concept_to_json(concept))
    texts = [text]
    changes = [Change(Pointer.CONCEPT, 0, story.concept_id, text.id)]
    title = concept.title.strip()
    if title and title != tree.title(story):
        title_text = Text(stamp.new_id(), title)
        texts.append(title_text)
        changes.append(Change(Pointer.TITLE, 0, story.title_id, title_text.id))
    return record(story, stamp, EntryKind.CONCEPT, changes, texts=texts)


def create_branch(story: Story, stamp: Stamp, name: str) -> Step:
    """Name a second head where the story stands, and go on there.

    Raises:
        EmptyTextError: nothing readable is in the name.
        InvalidInputError: the name is taken.
    """
    _require_present(story)
    wanted = " ".join(_require_words(name).split())
    if any(branch.name.casefold() == wanted.casefold() for branch in story.branches.values()):
        raise InvalidInputError(reason=N_("a branch has that name already."))
    branch = Branch(id=stamp.new_id(), name=wanted, head_id=tree.head_id(story))
    return record(
        replace(story, branches={**story.branches, branch.id: branch}),
        stamp,
        EntryKind.BRANCH,
        [Change(Pointer.ACTIVE_BRANCH, 0, story.active_branch_id, branch.id)],
        branches=(branch,),
    )


def switch_branch(story: Story, stamp: Stamp, branch_id: BranchId) -> Step:
    """Go on at another branch's head.

    Raises:
        NotFoundError: there is no such branch.
        InvalidInputError: it is the active one.
    """
    if branch_id not in _require_present(story).branches:
        raise NotFoundError(what=N_("That branch"))
    if branch_id == story.active_branch_id:
        raise InvalidInputError(reason=N_("the story is on that branch already."))
    change = Change(Pointer.ACTIVE_BRANCH, 0, story.active_branch_id, branch_id)
    return record(story, stamp, EntryKind.SWITCH, [change])


def _require_present(story: Story) -> Story:
    if story.status is StoryStatus.DELETED:
        raise NoStoryError
    return story


def _require_writing(story: Story) -> None:
    if _require_present(story).status is StoryStatus.ENDED:
        raise StoryEndedError(title=tree.title(story))


def _require_words(text: str) -> str:
    # Zero-width and control characters are neither printable nor words.
    if not any(letter.isprintable() and not letter.isspace() for letter in text):
        raise EmptyTextError
    return text


def _require_count(n: int) -> None:
    if n < 1:
        raise InvalidInputError(reason=N_("the number of turns must be 1 or more."))


def _append(
    story: Story,
    stamp: Stamp,
    entry_kind: EntryKind,
    body: str,
    *,
    kind: AuthorKind,
    parent_id: PassageId | None,
    passage_id: PassageId | None,
    provenance: Provenance | None = None,
    turn_id: EntryId | None = None,
    changes: Sequence[Change] = (),
) -> Step:
    new_id = stamp.new_id() if passage_id is None else passage_id
    if new_id in story.passages:
        raise ConflictError
    text = Text(stamp.new_id(), body)
    passage = Passage(
        id=new_id,
        parent_id=parent_id,
        kind=kind,
        author_id=stamp.author.id,
        at=stamp.at,
        text_id=text.id,
        revisions=(Revision(text.id, stamp.author.id, stamp.at),),
        provenance=provenance,
    )
    return record(
        replace(story, passages={**story.passages, new_id: passage}),
        stamp,
        entry_kind,
        [head_change(story, new_id), *changes],
        turn_id=turn_id,
        texts=(text,),
        passages=(passage,),
    )
