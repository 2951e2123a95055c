"""Samples: what is read, cut and paired."""

import json
from pathlib import Path

import pytest

from bot.policy.settings import resolve
from bot.text.words import count_words
from bot.training.errors import NoTalesError
from bot.training.evaluation.ablations import ABLATIONS, find_ablation
from bot.training.evaluation.errors import UnknownMeasureError
from bot.training.evaluation.openings import openings, spread
from bot.training.evaluation.samples import by_source, cut, normalise, pieces, read_texts
from bot.training.evaluation.wishes import Wish, columns_wanted


def test_the_openings_are_thirty_sentences_of_many_genres() -> None:
    every = openings()
    assert len(every) == 30
    assert len({each.text for each in every}) == len({each.name for each in every}) == 30
    assert len({each.genre for each in every}) >= 9
    assert all(8 <= count_words(each.text) <= 30 for each in every)


def test_a_few_openings_are_of_many_genres_too() -> None:
    assert len({each.genre for each in spread(10)}) >= 8
    assert spread(99) == openings()


def test_a_text_is_normalised() -> None:
    given = "\u201cNo,\u201d  she\nsaid.\r\n\r\n\r\nDon\u2019t. "
    assert normalise(given) == '"No," she said.\n\nDon\'t.'


def test_a_text_is_cut_after_so_many_words() -> None:
    assert cut("One two three. Four", 3) == "One two three."
    assert cut("One two three (four)", 3) == "One two three"
    assert cut("One two", 3) is None


def test_pieces_begin_with_sentences_and_take_turns_by_tale() -> None:
    tales = {"a": "One two three four. " * 6, "b": "Five six seven eight. " * 2}
    found = pieces(tales, words=6, limit=3)
    assert [(each.source, each.seed) for each in found] == [("a", 1), ("b", 1), ("a", 2)]
    assert all(count_words(each.text) == 6 for each in found)
    assert found[0].before == ""
    assert found[0].text == "One two three four. One two"
    assert found[2].before == "One two three four. One two three four."


def test_values_are_grouped_by_source_and_gaps_left_out() -> None:
    tales = {"a": "One two three. " * 4, "b": "Four five six. " * 4}
    samples = pieces(tales, words=3, limit=4)
    assert by_source(samples, [1.0, 2.0, None, 4.0]) == {"a": [1.0], "b": [2.0, 4.0]}


def test_people_s_texts_are_read_as_tales_are(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("\u201cA tale,\u201d she said.\n" * 20, "utf-8")
    (tmp_path / "short.txt").write_text("No tale.", "utf-8")
    (tmp_path / "two.jsonl").write_text(json.dumps({"id": "b", "text": "A tale. " * 40}), "utf-8")
    found = read_texts([tmp_path])
    assert list(found) == ["one", "b"]
    assert found["one"].startswith('"A tale," she said. "A tale,"')
    with pytest.raises(NoTalesError, match="short"):
        read_texts([tmp_path / "short.txt"])


def test_ablations_name_settings_that_exist_and_change_them() -> None:
    defaults = resolve({})
    for ablation in ABLATIONS.values():
        changed = resolve(ablation.settings)
        assert not changed.ignored
        for name in ablation.settings:
            assert changed[name] != defaults[name]
    assert find_ablation("").forbids_loops
    with pytest.raises(UnknownMeasureError, match="drift"):
        find_ablation("lops")


def test_columns_come_model_by_model_and_no_two_share_a_name() -> None:
    wish = Wish(
        models=["runs/a/model", "runs/b/model", "gpt2"],
        settings=["temperature=0.5, top_p=0.9"],
        without=["loops"],
        human=[],
        out=Path(),
    )
    found = columns_wanted(wish)
    assert [each.name for each in found][::3] == ["runs/a/model", "runs/b/model", "gpt2"]
    assert len({each.name for each in found}) == 9
    assert found[1].settings == {"temperature": "0.5", "top_p": "0.9"}
    assert (found[2].name, found[2].without) == ("runs/a/model without loops", "loops")
