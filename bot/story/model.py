"""The story: a tree of passages, movable pointers over it, a journal of their moves.

Invariants:
    - What was written is immutable: a text never changes, an edit is a new revision,
      an alternate is a sibling. Only *pointers* move (a branch's head, a passage's
      current revision, the title, the concept, the status, the active branch).
    - Every move is a ``Change`` inside an ``Entry`` of the journal. Undo puts the
      pointers of the last turn back, redo moves them forward again; both are exact.
    - The path from the root to the active branch's head is the story as it reads.
    - ``version`` grows with every committed step.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum

StoryId = int
PassageId = int
TextId = int
AuthorId = int
BranchId = int
EntryId = int


class AuthorKind(StrEnum):
    """Who wrote a passage."""

    MEMBER = "member"
    MODEL = "model"


class StoryStatus(IntEnum):
    """Where a story stands; the number is what the journal keeps."""

    WRITING = 0
    ENDED = 1
    DELETED = 2


@dataclass(frozen=True, slots=True)
class Text:
    """One immutable piece of text; ``body`` is "" once it was forgotten."""

    id: TextId
    body: str
    is_blanked: bool = False


@dataclass(frozen=True, slots=True)
class Author:
    """The surrogate behind which a member stands; blanking it anonymises everything."""

    id: AuthorId
    kind: AuthorKind
    name: str  # display name when last seen; model name for the model; "" once forgotten
    platform: str = ""  # "discord", "terminal"; "" for the model
    user_id: int | None = None  # None for the model and for a forgotten member


class FormOutcome(StrEnum):
    """How a passage came to have the form of its story's format."""

    KEPT = "kept"  # as it was first sampled
    RESAMPLED = "resampled"  # parts of it were sampled again
    REPAIRED = "repaired"  # parts of it were put right afterwards
    MISSED = "missed"  # it has not got it


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """How the model wrote a passage: enough to write it again.

    ``sampling`` holds the SamplingParams by name; ``token_ids`` are the ids of the
    passage's first revision, valid for the tokenizer with ``tokenizer_hash`` only.
    """

    model: str
    model_revision: str
    engine_version: str
    precision: str
    seed: int
    sampling: Mapping[str, float | int]
    finish: str
    prompt_tokens: int
    completion_tokens: int
    rewinds: int
    duration_s: float
    form: str = ""  # a FormOutcome; "" where the format asked for nothing
    tokenizer_hash: str = ""
    token_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Revision:
    """One wording of a passage."""

    text_id: TextId
    author_id: AuthorId
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A node of the tree.

    ``text_id`` is the current revision's (a pointer; it moves by an edit), and
    ``revisions`` are all wordings, oldest first.
    """

    id: PassageId
    parent_id: PassageId | None
    kind: AuthorKind
    author_id: AuthorId
    at: datetime
    text_id: TextId
    revisions: tuple[Revision, ...]
    provenance: Provenance | None = None

    @property
    def is_edited(self) -> bool:
        """Whether the current wording is not the first."""
        return self.text_id != self.revisions[0].text_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A named head; ``head_id`` None is the empty story."""

    id: BranchId
    name: str
    head_id: PassageId | None


class EntryKind(StrEnum):
    """What an entry of the journal did."""

    START = "start"  # the story was created; never undone
    ADD = "add"  # a member's passage
    ANSWER = "answer"  # the model's passage
    RETRY = "retry"  # another alternate by the model
    PICK = "pick"  # another alternate was chosen
    EDIT = "edit"
    END = "end"
    REOPEN = "reopen"
    RENAME = "rename"
    CONCEPT = "concept"
    BRANCH = "branch"  # a branch was created and made active
    SWITCH = "switch"  # another branch was made active


class Pointer(StrEnum):
    """What can move."""

    HEAD = "head"  # key: branch id; values: passage ids or None
    REVISION = "revision"  # key: passage id; values: text ids
    TITLE = "title"  # key 0; values: text ids or None
    CONCEPT = "concept"  # key 0; values: text ids (a Concept as JSON) or None
    STATUS = "status"  # key 0; values: StoryStatus
    ACTIVE_BRANCH = "active_branch"  # key 0; values: branch ids


@dataclass(frozen=True, slots=True)
class Change:
    """One pointer's move."""

    pointer: Pointer
    key: int
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the journal.

    Entries with the same ``turn_id`` (a member's words and the model's answer) are
    undone and redone together. ``key`` is the interaction's or message's id and
    unique in the whole database, so that a redelivery adds nothing. An entry that
    was undone and then overtaken by a new one ``is_abandoned``: redo skips it.
    """

    id: EntryId
    seq: int  # 1, 2, 3 … within the story
    turn_id: EntryId
    kind: EntryKind
    author_id: AuthorId
    at: datetime
    changes: tuple[Change, ...]
    key: str | None = None
    is_undone: bool = False
    is_abandoned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CastMember:
    """A character with a line about them."""

    name: str
    line: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """Stage one of a story: what it is about, before a word of it is written."""

    title: str = ""
    genre: str = ""
    format: str = "prose"
    reader_age: int = 0  # of a lesson's class, years; 0 is not said
    theme: str = ""
    setting: str = ""
    premise: str = ""
    cast: tuple[CastMember, ...] = ()
    plot: tuple[str, ...] = ()  # beats in order
    beat: int = 0  # index of the current one


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One story whole: structure, texts and journal.

    ``place`` is where it lives ("discord:<channel id>", "terminal:<name>");
    ``guild_id`` is None in direct messages and in the terminal. ``is_current`` marks
    the one story of its place that is open; all others are archived.
    """

    id: StoryId
    place: str
    guild_id: int | None
    starter_id: AuthorId
    created_at: datetime
    updated_at: datetime
    version: int = 0
    is_current: bool = True
    status: StoryStatus = StoryStatus.WRITING
    title_id: TextId | None = None
    concept_id: TextId | None = None
    active_branch_id: BranchId = 0
    branches: Mapping[BranchId, Branch] = field(default_factory=dict)
    passages: Mapping[PassageId, Passage] = field(default_factory=dict)
    texts: Mapping[TextId, Text] = field(default_factory=dict)
    authors: Mapping[AuthorId, Author] = field(default_factory=dict)
    journal: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What an action gives: the state after it, and exactly what is new in it.

    Storage writes the news and the moved pointers of ``entries``; it never compares
    whole stories. ``undone``/``redone``/``abandoned`` name entries whose flag changed.
    ``revisions`` are new wordings of passages that existed before (a new passage
    carries its own); ``authors`` are new ones or ones with a new name. Where a step
    moves pointers, ``story`` holds them as they stand after it.
    """

    story: Story
    entries: tuple[Entry, ...] = ()
    texts: tuple[Text, ...] = ()
    passages: tuple[Passage, ...] = ()
    revisions: tuple[tuple[PassageId, Revision], ...] = ()
    branches: tuple[Branch, ...] = ()
    authors: tuple[Author, ...] = ()
    undone: tuple[EntryId, ...] = ()
    redone: tuple[EntryId, ...] = ()
    abandoned: tuple[EntryId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StorySummary:
    """A line in a list of stories."""

    id: StoryId
    place: str
    guild_id: int | None
    title: str
    status: StoryStatus
    is_current: bool
    passages: int
    updated_at: datetime
    starter_name: str
    starter_user_id: int | None
