"""Writes a passage of a screenplay: the layout is set here, the words are the model's.

A small model that is to write Fountain writes lists of names. So each element is asked for by
itself, as a play is printed ("Mira: …", see ``screenplay.as_play``), after a lead that says whose
it is; of several candidates one without faults is taken that repeats the least. Where there is
none, others are sampled; where there still is none, the best is put right or left out.

Invariant: what is yielded follows from the request and the scene alone, element by element, and
each element is whole.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, replace

from bot.engine.backend import Backend
from bot.engine.collecting import collect
from bot.engine.types import Chunk, FinishReason, GenerationRequest, PromptPart, Usage
from bot.story.model import FormOutcome
from bot.text.forms import fountain, screenplay
from bot.text.forms.fountain import Element, Kind, Script
from bot.text.forms.lines import clean, element_of, faults, mend, staleness
from bot.text.passage import PassageMonitor

CANDIDATES = 4
ROUNDS = 3
_STALE = 0.7
"""From here on an element repeats too much to be taken before others were tried."""

_VERBS = (
    *("looks", "turns", "walks", "takes", "opens", "sits", "stands", "points", "picks", "holds"),
    *("steps", "puts", "leans", "reaches", "runs", "pulls", "listens", "hides"),
)
"""An action begins with one: without it a model that is amid a dialogue goes on with that."""

_SEEDS = 2**63
_MOST_ELEMENTS = 24
_TOKENS = 56  # of one element
_SPEECHES = (2, 4)  # between two actions, at least and at most
_CONTEXT_CHARS = 2000
_ENDS = frozenset({FinishReason.DEADLINE, FinishReason.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where a passage of a screenplay takes up.

    Attributes:
        names: of the cast, at least one.
        heading: of a scene that begins; "" goes on with the one before.
        before: the script so far as the model sees it.
        goes_on: the passage goes on in the middle of a sentence.
        speaker: who spoke last; "" for nobody.
        target_chars: from here on the passage may end.
        is_ending: the script ends with it.
    """

    names: tuple[str, ...]
    heading: str
    before: str
    goes_on: bool
    speaker: str
    target_chars: int
    is_ending: bool


@dataclass(slots=True)
class _Took:
    """What the elements took together."""

    prompt_tokens: int = 0
    kept_tokens: int = 0
    sampled_tokens: int = 0
    cached_tokens: int = 0
    rewinds: int = 0
    prefill_s: float = 0.0
    decode_s: float = 0.0
    queued_s: float = 0.0

    def add(self, usage: Usage, *, is_kept: bool) -> None:
        self.prompt_tokens = max(self.prompt_tokens, usage.prompt_tokens)
        self.cached_tokens = max(self.cached_tokens, usage.cached_tokens)
        self.kept_tokens += usage.completion_tokens if is_kept else 0
        self.sampled_tokens += usage.sampled_tokens
        self.rewinds += usage.rewinds
        self.queued_s = max(self.queued_s, usage.queued_s)
        self.prefill_s += usage.prefill_s
        self.decode_s += usage.decode_s


@dataclass(frozen=True, slots=True)
class _Candidate:
    text: str
    usage: Usage | None
    finish: FinishReason | None


class Screenwriter:
    """Writes one passage.

    Args:
        backend: writes the words.
        request: of the whole passage: its prompt, sampling, seed and limits.
        scene: where it takes up.

    Attributes:
        outcome: how the elements came to be what they are, once all are there.
    """

    def __init__(self, backend: Backend, request: GenerationRequest, scene: Scene) -> None:
        self._backend = backend
        self._request = request
        self._scene = scene
        self._elements: list[Element] = []
        self._took = _Took()
        self._asked = 0
        self.outcome = FormOutcome.KEPT

    async def stream(self) -> AsyncGenerator[Chunk, None]:
        """Yield the passage as Fountain, one element at a time.

        Raises:
            EngineError: the model failed.
        """
        written = ""
        finish = FinishReason.MONITOR
        scene = self._scene
        if scene.heading:
            self._elements.append(Element(Kind.HEADING, scene.heading))
        for kind, name in self._plan():
            found, ended = await self._write(kind, name)
            if ended in {FinishReason.DEADLINE, FinishReason.CANCELLED}:
                finish = ended
                break
            self._elements.extend(found)
            chunk = self._text()[len(written) :]
            written += chunk
            if chunk:
                yield Chunk(text=chunk, tokens=self._took.kept_tokens)
            if len(written) >= scene.target_chars and self._has_speech():
                break
        if scene.is_ending and self._has_speech() and finish is FinishReason.MONITOR:
            self._elements.append(Element(Kind.TRANSITION, "FADE OUT."))
        yield Chunk(
            text=self._text()[len(written) :],
            tokens=self._took.kept_tokens,
            finish=finish,
            usage=self._usage(),
        )

    def _plan(self) -> Iterator[tuple[Kind, str]]:
        """Give the elements in turn: an action, some speeches, an action, and so on."""
        scene, names = self._scene, self._scene.names
        speaker = scene.speaker
        is_first = not scene.before.strip() or bool(scene.heading) or scene.goes_on
        number = 0
        while number < _MOST_ELEMENTS:
            if is_first or number:
                yield Kind.ACTION, self._next(names, "", number)
                number += 1
            is_first = False
            low, high = _SPEECHES
            for _ in range(low + self._draw(f"speeches {number}") % (high - low + 1)):
                speaker = self._next(names, speaker, number)
                yield Kind.CHARACTER, speaker
                number += 1

    def _next(self, names: Sequence[str], last: str, number: int) -> str:
        """Return who comes next: mostly the two who talk, now and then another."""
        others = [name for name in names if name != last] or list(names)
        recent = [
            name
            for name in reversed(fountain.speakers(self._elements))
            if name != screenplay.cue_of(last)
        ]
        partner = [name for name in others if recent and screenplay.cue_of(name) == recent[0]]
        draw = self._draw(f"who {number}")
        if last and partner and draw % 4:
            return partner[0]
        return others[(draw >> 8) % len(others)]

    def _draw(self, salt: str) -> int:
        digest = hashlib.blake2b(f"{self._request.seed}:{salt}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big")

    async def _write(
        self, kind: Kind, name: str
    ) -> tuple[tuple[Element, ...], FinishReason | None]:
        """Return an element in the layout of its kind; none where nothing could be used."""
        goes_on = self._scene.goes_on and not self._elements
        lead = "" if goes_on else self._lead(kind, name)
        found: list[_Candidate] = []
        for attempt in range(ROUNDS):
            found.extend(await self._sample(lead, goes_on=goes_on))
            fit = self._fit(found, kind, lead)
            is_last = attempt == ROUNDS - 1
            if fit and (fit[0][0] < _STALE or is_last):
                _, best, first = fit[0]
                if first >= CANDIDATES:  # the first ones all had faults
                    self._note(FormOutcome.RESAMPLED)
                self._keep(best)
                return element_of(kind, lead, clean(best.text)), None
            ended = next((one.finish for one in found if one.finish in _ENDS), None)
            if ended is not None:
                return (), ended
        for candidate in found:
            text = mend(candidate.text)
            if text and not faults(text, kind, lead, self._context()):
                self._note(FormOutcome.REPAIRED)
                self._keep(candidate)
                return element_of(kind, lead, text), None
        self._note(FormOutcome.RESAMPLED)
        return (), None

    def _note(self, outcome: FormOutcome) -> None:
        if self.outcome is not FormOutcome.REPAIRED:
            self.outcome = outcome

    def _keep(self, candidate: _Candidate) -> None:
        if candidate.usage is not None:
            self._took.kept_tokens += candidate.usage.completion_tokens

    def _lead(self, kind: Kind, name: str) -> str:
        """Return what stands before the model's words."""
        if kind is not Kind.ACTION:
            return f"{name}:"
        if not name.isascii() or not self._elements[1:]:
            return name  # who they are comes first
        return f"{name} {_VERBS[self._draw(f'verb {self._asked}') % len(_VERBS)]}"

    def _fit(
        self, found: Sequence[_Candidate], kind: Kind, lead: str
    ) -> list[tuple[float, _Candidate, int]]:
        """Return the candidates without faults, the freshest first, each with the place of the first."""
        context = self._context()
        fit = [
            (staleness(clean(one.text), context, kind, lead), at)
            for at, one in enumerate(found)
            if not faults(clean(one.text), kind, lead, context)
        ]
        first = min((at for _, at in fit), default=0)
        return [(stale, found[at], first) for stale, at in sorted(fit)]

    async def _sample(self, lead: str, *, goes_on: bool) -> list[_Candidate]:
        self._asked += 1
        play = screenplay.as_play(self._text())
        gap = "" if goes_on or not (play or self._scene.before.strip()) else "\n\n"
        head = f"\n\n{play}" if play and not self._scene.before.endswith("\n\n") else play
        text = head + (gap if play or not self._scene.before.endswith("\n\n") else "") + lead
        role = None if self._request.prompt[-1].role is None else "assistant"
        tail = f"{self._scene.before}{text}"[-_CONTEXT_CHARS:]
        request = replace(
            self._request,
            prompt=[*self._request.prompt, *([PromptPart(text, role=role)] if text else [])],
            max_tokens=min(_TOKENS, self._request.max_tokens),
            min_tokens=3,
            stop=("\n",),
            monitor=PassageMonitor(
                min_chars=12, target_chars=70, max_chars=220, context_tail=tail, forbids_loops=False
            ),
        )
        seeds = [self._draw(f"element {self._asked} {at}") % _SEEDS for at in range(CANDIDATES)]
        return list(
            await asyncio.gather(*(self._ask(replace(request, seed=seed)) for seed in seeds))
        )

    async def _ask(self, request: GenerationRequest) -> _Candidate:
        found = await collect(self._backend, request)
        if found.last.usage is not None:
            self._took.add(found.last.usage, is_kept=False)
        return _Candidate(found.text, found.last.usage, found.last.finish)

    def _context(self) -> str:
        return f"{self._scene.before}\n\n{screenplay.as_play(self._text())}"[-_CONTEXT_CHARS:]

    def _has_speech(self) -> bool:
        return any(element.kind is Kind.DIALOGUE for element in self._elements)

    def _text(self) -> str:
        if not self._elements:
            return ""
        text = fountain.write(Script(tuple(self._elements))).rstrip("\n")
        return f" {text}" if self._scene.goes_on else text

    def _usage(self) -> Usage:
        took = self._took
        return Usage(
            prompt_tokens=took.prompt_tokens,
            cached_tokens=took.cached_tokens,
            completion_tokens=took.kept_tokens,
            sampled_tokens=took.sampled_tokens,
            rewinds=took.rewinds,
            queued_s=took.queued_s,
            prefill_s=took.prefill_s,
            decode_s=took.decode_s,
        )
