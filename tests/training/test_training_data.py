# ruff: noqa: RUF001 -- typographic quotes are meant as they stand

import csv
import json
import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.story.model import Concept
from bot.story.portable import to_portable
from bot.training.data import Tale, clean, deduplicate, folds, read_tales, reading, split
from bot.training.data.cleaning import clean_tale_text
from bot.training.errors import (
    BrokenLineError,
    MissingPathError,
    NoTalesError,
    NotOptedInError,
    NotTextError,
    TaleTooLongError,
    TooFewTalesError,
    TooMuchTextError,
    TrainingError,
    UnknownKindError,
)
from tests.story.story_kit import Teller
from tests.support.tiny_model import WORDS

LONG = "The fox went over the hill and looked at the moon for a long time. " * 5


def tale(number: object, text: str = LONG, source: str = "book") -> Tale:
    return Tale(
        id=str(number),
        title=f"Tale {number}",
        source=source,
        genre=None,
        format="prose",
        text=text,
        licence="CC0",
    )


def words_of(seed: int, count: int = 120) -> str:
    chance = random.Random(seed)
    return " ".join(chance.choice(WORDS) for _ in range(count)) + "."


def ids(tales: Iterable[Tale]) -> list[str]:
    return [each.id for each in tales]


def test_a_folder_gives_its_texts_in_order_and_passes_over_licences(tmp_path: Path) -> None:
    (tmp_path / "grimm").mkdir()
    (tmp_path / "grimm" / "b.txt").write_text("second", encoding="utf-8")
    (tmp_path / "grimm" / "a.md").write_text("\ufefffirst", encoding="utf-8")
    (tmp_path / "grimm" / "LICENCE.txt").write_text("no story", encoding="utf-8")
    (tmp_path / "grimm" / "picture.png").write_bytes(b"\x89PNG\0")
    (tmp_path / "empty.txt").write_text(" \n")
    found = list(read_tales([tmp_path]))
    assert [(each.title, each.text, each.source) for each in found] == [
        ("a", "first", "grimm"),
        ("b", "second", "grimm"),
    ]


def test_jsonl_and_csv_carry_title_genre_format_and_licence(tmp_path: Path) -> None:
    record = {
        "title": "The Crow",
        "story": "Once a crow …",
        "genre": "Sci-Fi",
        "format": "fable",
        "license": "CC0",
        "source": "Birds",
    }
    (tmp_path / "a.jsonl").write_text(json.dumps(record) + "\n\n", encoding="utf-8")
    with (tmp_path / "b.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(record))
        writer.writeheader()
        writer.writerow({**record, "story": "Once,\na crow …", "format": "opera"})
    first, second = read_tales([tmp_path])
    assert (first.genre, first.format, first.licence) == ("science fiction", "fable", "CC0")
    assert (first.source, first.title) == ("Birds", "The Crow")
    assert second.text == "Once,\na crow …"
    assert second.format == "prose"
    assert first.id != second.id


def test_writing_prompts_pairs_lose_their_token_spaces(tmp_path: Path) -> None:
    (tmp_path / "train.wp_source").write_text("[ WP ] A door , at last .\n", encoding="utf-8")
    (tmp_path / "train.wp_target").write_text(
        "`` Do n't go , '' she said . <newline> He went .\n", encoding="utf-8"
    )
    (found,) = read_tales([tmp_path / "train.wp_target"])
    assert found.title == "A door, at last."
    assert found.text == '"Don\'t go," she said.\nHe went.'


def test_pairs_of_unequal_length_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train.wp_source").write_text("a\nb\n")
    (tmp_path / "train.wp_target").write_text("one\n")
    with pytest.raises(BrokenLineError, match=r"train\.wp_target"):
        list(read_tales([tmp_path]))


def export(**more: object) -> str:
    teller = Teller(Concept(title="The Owl", genre="fantasy"))
    teller.turn("An owl woke.", "It flew.")
    teller.retry("It slept again.")
    return json.dumps({**to_portable(teller.story), **more})


def test_an_export_gives_its_current_path_only_where_its_authors_agree(tmp_path: Path) -> None:
    asked = tmp_path / "asked.json"
    asked.write_text(export(**{reading.OPT_IN: True}))
    silent = tmp_path / "silent.json"
    silent.write_text(export())
    refused = tmp_path / "refused.json"
    refused.write_text(export(**{reading.OPT_IN: "yes"}))
    (found,) = read_tales([tmp_path])
    assert (found.title, found.genre) == ("The Owl", "fantasy")
    assert found.text == "An owl woke.\n\nIt slept again."
    for path in (silent, refused):
        with pytest.raises(NotOptedInError, match=reading.OPT_IN):
            list(read_tales([path]))


@pytest.mark.parametrize(
    ("name", "content", "error", "said"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"text": ', BrokenLineError, "Line 2"),
        ("a.jsonl", b"[1]\n", BrokenLineError, "no object"),
        ("a.jsonl", b'{"body": "x"}\n', BrokenLineError, "text, story, content"),
        ("a.jsonl", b"[" * 100_000, BrokenLineError, "no JSON"),
        ("a.csv", b"title\nx\n", BrokenLineError, "no text"),
        ("a.txt", b"caf\xe9", NotTextError, "byte 3"),
        ("a.txt", b"GIF\0", NotTextError, "byte 3"),
        ("a.jsonl", b'{"text": "x"}\n\x80', NotTextError, "byte 14"),
        ("a.json", b'{"format": "roundtale-story/9"}', BrokenLineError, "no export"),
        ("a.json", b"{", BrokenLineError, "no JSON"),
        ("a.exe", b"MZ", UnknownKindError, "wp_source"),
        ("a.txt", b"  ", NoTalesError, "a.txt"),
        ("a.wp_source", b"x\n", MissingPathError, "wp_target"),
    ],
)
def test_bad_files_are_told_by_name(
    tmp_path: Path, name: str, content: bytes, error: type[TrainingError], said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error) as raised:
        list(read_tales([tmp_path / name]))
    assert said in str(raised.value)
    assert str(tmp_path) in str(raised.value)


def test_what_is_not_there_or_empty_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingPathError):
        list(read_tales([tmp_path / "nothing"]))
    with pytest.raises(NoTalesError):
        list(read_tales([tmp_path]))


def test_endless_texts_are_refused_before_they_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_TALE_CHARACTERS", 1000)
    monkeypatch.setattr(reading, "_MAX_LINE_BYTES", 4000)
    monkeypatch.setattr(reading, "MAX_TOTAL_CHARACTERS", 2500)
    for name in ("a.txt", "a.jsonl"):
        (tmp_path / name).write_bytes(b"x" * 4001)
        with pytest.raises(TaleTooLongError, match="1000"):
            list(read_tales([tmp_path / name]))
        (tmp_path / name).unlink()
    for number in range(3):
        (tmp_path / f"{number}.txt").write_bytes(b"x" * 900)
    with pytest.raises(TooMuchTextError):
        list(read_tales([tmp_path]))


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("“It’s late,” she said…", '"It\'s late," she said...'),
        ("``Oh,'' he said, `not now'", "\"Oh,\" he said, 'not now'"),
        ("a  wide\tspace -- and a dash", "a wide space—and a dash"),
        ("so _very_ old", "so very old"),
        ("snake_case_name", "snake_case_name"),
        ("one\r\n\r\n\r\n\r\ntwo", "one\n\ntwo"),
        (
            "It was a long line that somebody had broken at seventy columns,\n  as books do.\n\nSo.",
            "It was a long line that somebody had broken at seventy columns, as books do.\n\nSo.",
        ),
        ("Twinkle, twinkle,\nlittle bat!", "Twinkle, twinkle,\nlittle bat!"),
        (
            "x\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\nOnce.\n*** END OF THE PROJECT GUTENBERG",
            "Once.",
        ),
    ],
)
def test_texts_come_into_one_form(raw: str, cleaned: str) -> None:
    assert clean_tale_text(raw) == cleaned


@given(st.text(alphabet="ab _-`'“”’\n\t\r.…*"))
def test_cleaning_twice_changes_nothing(raw: str) -> None:
    for is_prose in (True, False):
        once = clean_tale_text(raw, is_prose=is_prose)
        assert clean_tale_text(once, is_prose=is_prose) == once


def test_a_screenplay_keeps_its_lines() -> None:
    text = (
        "INT. A HOUSE -- NIGHT\n\n  MIRA\nWho is there, at this late hour of the night, I ask\nyou?"
    )
    assert clean_tale_text(text, is_prose=False) == text


def test_what_is_no_story_is_left_out() -> None:
    assert ids(clean([tale(1), tale(2, "Contents")])) == ["1"]


def test_the_same_tale_and_nearly_the_same_stand_once() -> None:
    text = words_of(1)
    nearly = text.replace(text.split()[60], "otherwise", 1)
    tales = [
        tale(1, text),
        tale(2, text.upper().replace(" ", "\n")),
        tale(3, nearly),
        tale(4, words_of(2)),
        tale(5, "Short."),
        tale(6, "Brief."),
    ]
    assert ids(deduplicate(tales)) == ["1", "4", "5", "6"]


def test_a_split_is_whole_disjoint_and_the_same_for_any_order() -> None:
    tales = [tale(number, source="a" if number < 30 else f"b{number}") for number in range(40)]
    one = split(tales, seed=3)
    assert sorted(ids(one.train + one.validation + one.test)) == sorted(ids(tales))
    assert (len(one.validation), len(one.test)) == (4, 4)
    assert split(tales[::-1], seed=3) == one
    assert split(tales, seed=4) != one
    assert {each.source for each in one.test} > {"a"}


def test_three_tales_are_the_least() -> None:
    one = split([tale(number, source=str(number)) for number in range(3)], seed=1)
    assert [len(part) for part in one] == [1, 1, 1]
    with pytest.raises(TooFewTalesError, match="1 different"):
        split([tale(1)], seed=1)
    with pytest.raises(TooFewTalesError):
        folds([tale(1)], 2, seed=1)


def test_folds_keep_sources_together_unless_one_has_most_of_the_text() -> None:
    tales = [tale(number, source=str(number % 6)) for number in range(24)]
    parts = folds(tales, 3, seed=1)
    assert sorted(ids(each for part in parts for each in part)) == sorted(ids(tales))
    assert [len(part) for part in parts] == [8, 8, 8]
    for source in range(6):
        assert sum(any(each.source == str(source) for each in part) for part in parts) == 1
    uneven = [replace(each, source="one") for each in tales[:20]] + tales[20:]
    assert all("one" in {each.source for each in part} for part in folds(uneven, 3, seed=1))
