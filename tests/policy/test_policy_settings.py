import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.types import SamplingParams
from bot.errors import InvalidInputError
from bot.policy.parsing import (
    BadItemsError,
    BadLengthError,
    BadWordError,
    NotABoolError,
    NotAChoiceError,
    NotANumberError,
    NotWholeError,
    OutOfBoundsError,
    TooManyItemsError,
    UnknownSettingError,
    WrongScopeError,
)
from bot.policy.settings import (
    GROUP_TITLES,
    LENGTHS,
    REGISTRY,
    Group,
    Kind,
    Scope,
    Setting,
    Source,
    Value,
    check_scope,
    find_setting,
    format_value,
    parse,
    passage_bounds,
    resolve,
)


@pytest.mark.parametrize("setting", REGISTRY.values(), ids=list(REGISTRY))
def test_every_setting_is_whole_and_its_default_survives_storage(setting: Setting) -> None:
    assert setting.explanation.endswith(".")
    assert setting.group in GROUP_TITLES
    assert setting.scopes
    assert parse(setting.name, format_value(setting.default)) == setting.default
    if setting.kind in {Kind.INT, Kind.FLOAT}:
        assert setting.low is not None
        assert setting.high is not None
        for bound in (setting.low, setting.high):
            assert parse(setting.name, format_value(bound)) == bound
        with pytest.raises(OutOfBoundsError):
            parse(setting.name, str(setting.high + 1))
        with pytest.raises(OutOfBoundsError):
            parse(setting.name, str(setting.low - 1))


def test_every_group_has_settings() -> None:
    assert {setting.group for setting in REGISTRY.values()} == set(Group) == set(GROUP_TITLES)


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("enabled", " ON ", True),
        ("streaming", "no", False),
        ("Top-K", "40", 40),
        ("top k", "40.0", 40),
        ("temperature", "0,7", 0.7),
        ("temperature", "1e0", 1.0),
        ("passage_length", "Long", "long"),
        ("word_list", "foo, bar*\nfoo;  two   words", ("foo", "bar*", "two words")),
        ("word_list", "", ()),
        ("formats", "Lesson, fable; lesson", ("lesson", "fable")),
        ("genres", "Fairy tale, sci-fi", ("Fairy tale", "sci-fi")),
    ],
)
def test_values_are_read_as_people_type_them(name: str, raw: str, value: Value) -> None:
    assert parse(name, raw) == value


@pytest.mark.parametrize(
    ("name", "raw", "error", "said"),
    [
        ("enabled", "maybe", NotABoolError, "maybe"),
        ("top_k", "many", NotANumberError, "from 0 to 1000"),
        ("top_k", "", NotANumberError, "top_k"),
        ("temperature", "nan", NotANumberError, "0 to 2"),
        ("temperature", "inf", OutOfBoundsError, "inf"),
        ("temperature", "2.01", OutOfBoundsError, "0 to 2"),
        ("top_k", "1.5", NotWholeError, "1.5"),
        ("passage_length", "huge", NotAChoiceError, "short, medium, long"),
        ("formats", "fable, sonnet", BadItemsError, "prose, fable, screenplay, lesson"),
        ("formats", "fable, sonnet", BadItemsError, "not sonnet"),
        ("formats", "", BadItemsError, "not \u2013"),
        ("word_list", "*", BadWordError, "*"),
        ("word_list", "a*b", BadWordError, "a*b"),
        ("word_list", "x" * 65, BadWordError, "…"),
        ("word_list", ",".join(f"w{i}" for i in range(201)), TooManyItemsError, "200"),
        ("temprature", "1", UnknownSettingError, "temperature"),
        ("", "1", UnknownSettingError, "mean"),
    ],
)
def test_a_wrong_value_is_refused_with_what_would_be_right(
    name: str, raw: str, error: type[InvalidInputError], said: str
) -> None:
    with pytest.raises(error) as caught:
        parse(name, raw)
    assert said in str(caught.value)


def test_texts_have_a_length(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = Setting(
        name="motto",
        kind=Kind.TEXT,
        default="",
        explanation="A motto.",
        group=Group.CHANNEL,
        low=1,
        high=5,
    )
    monkeypatch.setattr("bot.policy.parsing.REGISTRY", {"motto": setting})
    assert parse("motto", " hello ") == "hello"
    for wrong in ("", "hello!"):
        with pytest.raises(BadLengthError):
            parse("motto", wrong)


@given(st.sampled_from(sorted(REGISTRY)), st.text(max_size=30))
def test_reading_fails_in_one_way_only_and_is_stable(name: str, raw: str) -> None:
    try:
        value = parse(name, raw)
    except InvalidInputError:
        return
    assert parse(name, format_value(value)) == value


@given(st.floats(0, 2))
def test_numbers_survive_storage(number: float) -> None:
    stored = parse("temperature", format_value(number))
    assert isinstance(stored, float)
    assert math.isclose(stored, number, rel_tol=1e-9, abs_tol=1e-12)


def test_the_nearest_layer_wins_and_says_so() -> None:
    settings = resolve(
        {"temperature": "0.5", "top_k": "10", "top_p": "0.9"},
        {"temperature": "0.7"},
        {"temperature": "0.6", "top_k": "20"},
    )
    assert settings["temperature"] == 0.7
    assert settings.source("temperature") is Source.CHANNEL
    assert settings["top_k"] == 20
    assert settings.source("top_k") is Source.PARENT
    assert settings["top_p"] == 0.9
    assert settings.source("top_p") is Source.GUILD
    assert settings.source("min_p") is Source.DEFAULT
    assert [row.setting.name for row in settings.rows()] == list(REGISTRY)
    assert settings.rows()[0].source is Source.DEFAULT


def test_stored_values_that_cannot_be_read_are_passed_over_and_listed() -> None:
    settings = resolve({"temperature": "hot", "gone": "1", "top_k": "7"}, {"top_k": "many"})
    assert settings["temperature"] == REGISTRY["temperature"].default
    assert settings["top_k"] == 7
    assert set(settings.ignored) == {"temperature", "gone", "top_k"}


def test_a_setting_counts_only_in_its_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    guild_only = Setting(
        name="top_k",
        kind=Kind.INT,
        default=5,
        explanation="x.",
        group=Group.LIMITS,
        low=0,
        high=9,
        scopes=frozenset({Scope.GUILD}),
    )
    monkeypatch.setattr("bot.policy.parsing.REGISTRY", {**REGISTRY, "top_k": guild_only})
    assert check_scope("top_k", Scope.GUILD) is guild_only
    with pytest.raises(WrongScopeError):
        check_scope("top_k", Scope.CHANNEL)
    assert resolve({"top_k": "3"}, {"top_k": "4"})["top_k"] == 3


def test_the_typed_view_has_every_setting() -> None:
    settings = resolve()
    view = {
        "enabled": settings.is_enabled,
        "reply_turns": settings.takes_replies,
        "mention_turns": settings.takes_mentions,
        "listen_to_all": settings.listens_to_all,
        "streaming": settings.streams,
        "concept_card": settings.shows_concept_card,
        "candidates": settings.candidates,
        "formats": settings.formats,
        "genres": settings.genres,
        "screen_input": settings.screens_input,
        "screen_output": settings.screens_output,
        "word_list": settings.word_list,
        "passage_length": settings.passage_length,
        "max_passage_tokens": settings.max_passage_tokens,
        "context_tokens": settings.context_tokens,
        "input_limit": settings.input_limit,
        "cooldown_s": settings.cooldown_s,
        "max_waiting": settings.max_waiting,
        **settings.sampling(),
    }
    assert view == {name: setting.default for name, setting in REGISTRY.items()}
    assert not settings.listens_to_all


def test_sampling_fits_the_engine_at_its_defaults_and_bounds() -> None:
    assert SamplingParams(**resolve().sampling()) == SamplingParams()
    names = resolve().sampling().keys()
    for pick in ("low", "high"):
        stored = {name: format_value(getattr(REGISTRY[name], pick)) for name in names}
        SamplingParams(**resolve(stored).sampling())


def test_a_length_given_for_once_overrides_the_channels_own() -> None:
    settings = resolve({}, {"passage_length": "short"})
    assert settings.bounds() == LENGTHS["short"]
    assert settings.bounds("long") == passage_bounds("LONG") == LENGTHS["long"]
    with pytest.raises(NotAChoiceError):
        settings.bounds("endless")
    for length in LENGTHS.values():
        assert length.min_chars < length.target_chars < length.max_chars < 2000
    assert find_setting("passage_length").choices == tuple(LENGTHS)
