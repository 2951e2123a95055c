"""The model's own tokenizer: prompts in, ids out.

Invariants:
    - Words of people are never read as control tokens: ``<|im_end|>`` in a message is
      seven characters or so, not the end of a turn. Control tags come from a part's ``tags`` alone.
    - Ids that the model wrote with this tokenizer are taken as they are; encoding their text
      again would give other ids, and the story's keys and values would be lost.
    - An encoder belongs to one thread: encoding changes the tokenizer's state.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from jinja2 import TemplateError
from numpy.typing import NDArray
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from bot.engine.local.errors import ChatTemplateError
from bot.engine.types import PromptPart

# Either the first alone defines a tokenizer, or the others together do.
_WHOLE = "tokenizer.json"
_PARTS = (
    *("vocab.json", "merges.txt", "tokenizer.model", "spiece.model", "vocab.txt"),
    *("added_tokens.json", "special_tokens_map.json", "tokenizer_config.json"),
)
_CACHED_TEXTS = 512
_CACHED_WORD_LISTS = 16
_WORD_STARTS = ("\u0120", "\u2581")  # how byte-level BPE and SentencePiece write a space
_SPACELESS = "\u3005"  # from here on scripts put no space between words
_BORDERS = frozenset('\n"\u201c\u201d\u300c\u300d')
_CONTROL_TAG = re.compile(r"<\|[a-z]+:[^<>|]+\|>")
_OPEN, _CLOSE = "\ue000", "\ue001"  # private use: they mark where a message goes in a template


def load_tokenizer(path: Path) -> PreTrainedTokenizerBase:
    """Load a tokenizer from a folder; no code of the model is run."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        str(path), local_files_only=True, trust_remote_code=False
    )
    # The window is checked here with the reply; the library would only warn.
    tokenizer.model_max_length = 1 << 62
    return tokenizer


def hash_tokenizer(path: Path) -> str:
    """Return what marks a folder's tokenizer: the SHA-256 of the files that define it."""
    digest = hashlib.sha256()
    names = (_WHOLE,) if (path / _WHOLE).is_file() else _PARTS
    for name in names:
        file = path / name
        if file.is_file():
            digest.update(name.encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def decode(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """Return the text of ids, special tokens left out and no space tidied away."""
    text = tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return text if isinstance(text, str) else "".join(text)


def special_ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Return the control tokens by name, those of the vocabulary's additions included."""
    found = {
        str(token): int(number)
        for token, number in zip(
            tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True
        )
    }
    for number, token in tokenizer.added_tokens_decoder.items():
        if token.special:
            found[str(token)] = int(number)
    return found


def control_tags(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Return the control tags that a vocabulary has: special tokens spelled ``<|kind:value|>``."""
    return {
        name: number
        for name, number in special_ids(tokenizer).items()
        if _CONTROL_TAG.fullmatch(name)
    }


class TokenKinds:
    """What single tokens are in a text; all are looked at when it is made.

    Args:
        tokenizer: of the thread that makes it.

    Attributes:
        is_wordless: (n,) bool, by id: only punctuation, spaces or a part of a character.
        is_border: (n,) bool, by id: ends a line or stands at either end of a quotation.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        ids = list(range(1 + max(tokenizer.get_vocab().values())))
        texts = [decode(tokenizer, [token]) for token in ids]
        raws = tokenizer.convert_ids_to_tokens(ids)
        words = [_begun_word(text, str(raw)) for text, raw in zip(texts, raws, strict=True)]
        self.is_wordless = _flags(not any(map(str.isalnum, text)) for text in texts)
        self.is_border = _flags(not _BORDERS.isdisjoint(text) for text in texts)
        self._begins_word = _flags(map(bool, words))
        self._begun: dict[str, list[int]] = {}
        for token, word in enumerate(words):
            if word:
                self._begun.setdefault(word, []).append(token)
        self._content = lru_cache(maxsize=_CACHED_WORD_LISTS)(self._find_content)

    def is_content(self, function_words: frozenset[str]) -> NDArray[np.bool_]:
        """Return, by id, which tokens begin a word of several letters that is no function word."""
        return self._content(function_words)

    def is_exempt(self, ids: Collection[int]) -> NDArray[np.bool_]:
        """Return, by id, which tokens are wordless or among the given ones."""
        flags = self.is_wordless.copy()
        flags[list(ids)] = True
        return flags

    def _find_content(self, function_words: frozenset[str]) -> NDArray[np.bool_]:
        flags = self._begins_word.copy()
        for word in function_words:
            flags[self._begun.get(word, [])] = False
        flags.setflags(write=False)
        return flags


def _flags(claims: Iterable[bool]) -> NDArray[np.bool_]:
    flags = np.fromiter(claims, dtype=np.bool_)
    flags.setflags(write=False)
    return flags


def _begun_word(text: str, raw: str) -> str:
    """Return a token's word, folded; "" where it is none or goes on with one."""
    word = text.strip()
    # Scripts without spaces have whole words inside.
    begins = raw.startswith(_WORD_STARTS) or (bool(word) and word[0] >= _SPACELESS)
    return word.casefold() if begins and len(word) > 1 and word.isalpha() else ""


class PromptEncoder:
    """Turn prompts into ids.

    Args:
        tokenizer: an instance that nobody else uses.
        tokenizer_hash: marks stored ids as this tokenizer's.
        document_start: the id that an empty prompt is begun with.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, *, tokenizer_hash: str, document_start: int
    ) -> None:
        self._tokenizer = tokenizer
        self._hash = tokenizer_hash
        self._document_start = document_start
        self._tags = control_tags(tokenizer)
        self._size = len(tokenizer)
        self._text_ids = lru_cache(maxsize=_CACHED_TEXTS)(self._encode_text)
        plain = self._plain_ids("a")
        with_specials = self._tokenizer.encode("a", add_special_tokens=True)
        at = with_specials.index(plain[0]) if plain and plain[0] in with_specials else 0
        self._prefix = tuple(with_specials[:at])
        # SentencePiece takes every text for the start of one and puts a space before it.
        first = tokenizer.convert_ids_to_tokens(plain[:1])
        self._adds_space = bool(first) and str(first[0]).startswith("\u2581")

    def encode(self, parts: Iterable[PromptPart]) -> list[int]:
        """Return the ids of the parts, joined; never none.

        Raises:
            ChatTemplateError: the model's chat template refuses the parts.
        """
        parts = list(parts)
        if any(part.role is not None for part in parts) and self._tokenizer.chat_template:
            return self._encode_chat(parts)
        ids = list(self._prefix)
        begin = len(ids)
        for part in parts:
            is_first = len(ids) == begin
            ids += self._part_ids(part, is_first=is_first)
            if part.tags and is_first:
                begin = len(ids)  # as in training: what follows them is the start of a text
        return ids or [self._document_start]

    def exempt_ids(self, words: Collection[str]) -> frozenset[int]:
        """Return every id that writing one of the words may take."""
        ids: set[int] = set()
        for phrase in words:
            for word in {phrase, *phrase.split()}:
                if word.strip():
                    ids.update(self._text_ids(word, is_first=True))
                    ids.update(self._text_ids(" " + word, is_first=True))
        return frozenset(ids)

    def _part_ids(self, part: PromptPart, *, is_first: bool) -> Sequence[int]:
        if part.tags:
            return [self._tags[tag] for tag in part.tags if tag in self._tags]
        if (
            part.token_ids
            and part.tokenizer_hash == self._hash
            and all(0 <= token < self._size for token in part.token_ids)
        ):
            return part.token_ids
        return self._text_ids(part.text, is_first=is_first)

    def _plain_ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(
            text, add_special_tokens=False, split_special_tokens=True
        )
        return ids

    def _encode_text(self, text: str, *, is_first: bool) -> tuple[int, ...]:
        # A lone surrogate (half an emoji, cut somewhere) is no text for the tokenizer.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if not text:
            return ()
        if self._adds_space and not is_first:
            before = self._plain_ids("\n")
            ids = self._plain_ids("\n" + text)
            if ids[: len(before)] == before:
                return tuple(ids[len(before) :])
        return tuple(self._plain_ids(text))

    def _encode_chat(self, parts: Sequence[PromptPart]) -> list[int]:
        """Fill the model's chat template with messages; a last one of the assistant stays open."""
        turns: list[tuple[str, list[PromptPart]]] = []
        for part in parts:
            if turns and part.role in {None, turns[-1][0]}:
                turns[-1][1].append(part)
            else:
                turns.append((part.role or "user", [part]))
        is_continued = turns[-1][0] == "assistant"
        ids: list[int] = []
        for piece in self._render([role for role, _ in turns], is_continued=is_continued):
            if isinstance(piece, str):
                ids += self._tokenizer.encode(
                    piece, add_special_tokens=False, split_special_tokens=False
                )
            else:
                for part in turns[piece][1]:
                    ids += self._part_ids(part, is_first=False)
        return ids

    def _render(self, roles: Sequence[str], *, is_continued: bool) -> list[str | int]:
        """Return the template's own text and, between it, the numbers of the messages."""
        messages = [
            {"role": role, "content": f"{_OPEN}{index}{_CLOSE}"} for index, role in enumerate(roles)
        ]
        try:
            text = self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=not is_continued
            )
        except TemplateError as error:
            raise ChatTemplateError from error
        pieces: list[str | int] = []
        for at, chunk in enumerate(str(text).split(_OPEN)):
            if at == 0:
                pieces.append(chunk)
                continue
            number, _, rest = chunk.partition(_CLOSE)
            pieces += [int(number), rest]
        if is_continued and len(roles) - 1 in pieces:
            del pieces[pieces.index(len(roles) - 1) + 1 :]
        return [piece for piece in pieces if piece != ""]
