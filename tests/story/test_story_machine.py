from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bot.story import actions, tree
from bot.story.actions import Stamp
from bot.story.model import Author, Concept, Step, StoryStatus
from bot.story.portable import to_portable
from bot.story.portable_import import from_portable
from tests.story.story_kit import ANN, BEN, Teller, pointers

WORDS = st.text("abc .,!?\n\u3002\u4f60\u597d", min_size=1, max_size=12)
AUTHORS = st.sampled_from([ANN, BEN])


@dataclass
class Written:
    """What a passage or text must be for ever."""

    texts: dict[int, str]
    parents: dict[int, int | None]
    revisions: dict[int, int]


class StoryMachine(RuleBasedStateMachine):
    """Does everything that can be done with a story, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.teller = Teller(Concept(title="Lamp"))
        self.version = self.teller.story.version
        self.seen = Written({}, {}, {})
        self.open_turn: int | None = None
        self.depth = 0  # how many undone turns can be brought back
        self._remember()

    def _remember(self) -> None:
        story = self.teller.story
        self.seen.texts.update({text.id: text.body for text in story.texts.values()})
        for passage in story.passages.values():
            self.seen.parents[passage.id] = passage.parent_id
            self.seen.revisions[passage.id] = len(passage.revisions)

    def _do(self, step: Step) -> Step:
        before = self.teller.story
        self.teller.take(step)
        assert step.story.version == before.version + 1
        assert len(step.entries) == 1
        # Every action is reversible, and redo after undo is the identity.
        if step.entries[0].turn_id == step.entries[0].id:
            undone = actions.undo(step.story, self.teller.stamp())
            assert pointers(undone.story)[:4] == pointers(before)[:4]
            assert [p.id for p in tree.path(undone.story)] == [p.id for p in tree.path(before)]
        again = actions.redo(
            actions.undo(step.story, self.teller.stamp()).story, self.teller.stamp()
        )
        assert pointers(again.story) == pointers(step.story)
        assert again.story.journal == step.story.journal
        # A step holds exactly what is new.
        assert {text.id for text in step.texts} == set(step.story.texts) - set(before.texts)
        assert {p.id for p in step.passages} == set(step.story.passages) - set(before.passages)
        assert {b.id for b in step.branches} == set(step.story.branches) - set(before.branches)
        assert set(step.story.journal) - set(before.journal) == set(step.entries) | {
            entry for entry in step.story.journal if entry.id in step.abandoned
        }
        self.depth = 0
        self._remember()
        return step

    def _stamp(self, author: Author = ANN) -> Stamp:
        return self.teller.stamp(author)

    @property
    def is_writing(self) -> bool:
        return self.teller.story.status is StoryStatus.WRITING

    @precondition(lambda self: self.is_writing)
    @rule(text=WORDS, author=AUTHORS)
    def add(self, text: str, author: Author) -> None:
        if text.strip():
            step = self._do(actions.add(self.teller.story, self._stamp(author), text))
            self.open_turn = step.entries[0].turn_id

    @precondition(lambda self: self.is_writing)
    @rule(text=WORDS, joins=st.booleans(), is_ending=st.booleans())
    def answer(self, text: str, joins: bool, is_ending: bool) -> None:
        if text.strip():
            teller = Teller.__new__(Teller)
            teller.__dict__.update(self.teller.__dict__, steps=[])
            turn_id = self.open_turn if joins else None
            self._do(teller.answer(text, turn_id=turn_id, is_ending=is_ending))

    @rule(text=WORDS)
    def retry(self, text: str) -> None:
        head = tree.head(self.teller.story)
        if text.strip() and head is not None and head.provenance is not None:
            self._do(
                actions.retry(
                    self.teller.story,
                    self._stamp(),
                    text,
                    head.provenance,
                    passage_id=self.teller.new_id(),
                )
            )

    @rule(data=st.data())
    def pick(self, data: st.DataObject) -> None:
        story = self.teller.story
        head = tree.head_id(story)
        if head is None:
            return
        others = [other for other in tree.alternates(story, head) if other != head]
        if others:
            chosen = data.draw(st.sampled_from(others))
            target = data.draw(st.sampled_from([chosen, tree.last_head_under(story, chosen)]))
            self._do(actions.pick(story, self._stamp(), target))

    @rule(data=st.data(), text=WORDS)
    def edit(self, data: st.DataObject, text: str) -> None:
        story = self.teller.story
        if story.passages and text.strip():
            passage_id = data.draw(st.sampled_from(sorted(story.passages)))
            self._do(actions.edit(story, self._stamp(BEN), passage_id, text))

    @rule(title=WORDS)
    def rename(self, title: str) -> None:
        if title.strip():
            self._do(actions.rename(self.teller.story, self._stamp(), title))

    @rule(title=st.sampled_from(["", "Lamp", "Fog"]))
    def set_concept(self, title: str) -> None:
        self._do(actions.set_concept(self.teller.story, self._stamp(), Concept(title=title)))

    @rule(name=st.sampled_from(["a", "b", "c"]))
    def branch(self, name: str) -> None:
        story = self.teller.story
        if name not in {branch.name for branch in story.branches.values()}:
            self._do(actions.create_branch(story, self._stamp(), name))

    @rule(data=st.data())
    def switch(self, data: st.DataObject) -> None:
        story = self.teller.story
        others = [branch for branch in sorted(story.branches) if branch != story.active_branch_id]
        if others:
            branch_id = data.draw(st.sampled_from(others))
            self._do(actions.switch_branch(story, self._stamp(), branch_id))

    @rule()
    def end_or_reopen(self) -> None:
        act = actions.end if self.is_writing else actions.reopen
        self._do(act(self.teller.story, self._stamp()))

    @precondition(lambda self: tree.can_undo(self.teller.story))
    @rule(n=st.integers(1, 4))
    def undo(self, n: int) -> None:
        before = self.teller.story
        step = self.teller.undo(n)
        turns = len({entry.turn_id for entry in before.journal if entry.id in step.undone})
        self.depth += turns
        redone = actions.redo(step.story, self._stamp(), turns)
        assert pointers(redone.story) == pointers(before)
        assert redone.story.journal == before.journal
        assert set(redone.redone) == set(step.undone)

    @precondition(lambda self: tree.can_redo(self.teller.story))
    @rule(n=st.integers(1, 4))
    def redo(self, n: int) -> None:
        before = self.teller.story
        step = self.teller.redo(n)
        turns = len({entry.turn_id for entry in before.journal if entry.id in step.redone})
        self.depth -= turns
        undone = actions.undo(step.story, self._stamp(), turns)
        assert pointers(undone.story) == pointers(before)

    @invariant()
    def nothing_written_is_lost(self) -> None:
        story = self.teller.story
        for text_id, body in self.seen.texts.items():
            assert story.texts[text_id].body == body
        for passage_id, parent_id in self.seen.parents.items():
            assert story.passages[passage_id].parent_id == parent_id
            assert len(story.passages[passage_id].revisions) >= self.seen.revisions[passage_id]

    @invariant()
    def the_path_is_the_story(self) -> None:
        story = self.teller.story
        walked = tree.path(story)
        assert (walked[-1].id if walked else None) == tree.head_id(story)
        assert [p.parent_id for p in walked] == [None, *(p.id for p in walked[:-1])][: len(walked)]

    @invariant()
    def versions_only_grow(self) -> None:
        assert self.teller.story.version >= self.version
        self.version = self.teller.story.version

    @invariant()
    def the_journal_has_no_gap(self) -> None:
        journal = self.teller.story.journal
        assert [entry.seq for entry in journal] == list(range(1, len(journal) + 1))

    @invariant()
    def undone_turns_are_counted(self) -> None:
        redoable = {
            entry.turn_id
            for entry in self.teller.story.journal
            if entry.is_undone and not entry.is_abandoned
        }
        assert len(redoable) == self.depth

    def teardown(self) -> None:
        """Whatever came about can be written to a file and read back."""
        data = to_portable(self.teller.story)
        step = from_portable(data, self._stamp(), place="terminal:other", guild_id=None)
        assert to_portable(step.story) == data
        assert [tree.text_of(step.story, p) for p in tree.path(step.story)] == self.teller.lines()


StoryMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestStoryMachine = StoryMachine.TestCase
