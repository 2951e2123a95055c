from datetime import UTC, datetime
from itertools import count

import pytest

from bot.errors import UnknownCommandError
from bot.export import FORMATS, export, export_fountain, export_markdown, export_txt
from bot.export.text import escape
from bot.story import actions
from bot.story.actions import Stamp
from bot.story.ids import encode_id
from bot.story.model import Author, AuthorKind, CastMember, Concept, Provenance, Story
from bot.story.portable import export_json
from bot.text.forms.fountain import Kind, parse

AT = datetime(2026, 3, 1, tzinfo=UTC)
ORIGIN = Provenance(
    model="m",
    model_revision="r",
    engine_version="1",
    precision="fp32",
    seed=1,
    sampling={},
    finish="monitor",
    prompt_tokens=1,
    completion_tokens=1,
    rewinds=0,
    duration_s=0.1,
)


def tell(*lines: tuple[str, str], concept: Concept | None = None) -> Story:
    """A story whose lines are by the named; "*" before a name makes it the model's."""
    new_id = count(1).__next__
    authors: dict[str, Author] = {}

    def stamp(name: str) -> Stamp:
        kind = AuthorKind.MODEL if name.startswith("*") else AuthorKind.MEMBER
        author = authors.setdefault(name, Author(len(authors) + 1, kind, name.removeprefix("*")))
        return Stamp(author, AT, new_id)

    story = actions.start(
        stamp("Ann"), place="x", guild_id=None, concept=concept or Concept()
    ).story
    for name, text in lines:
        if name.startswith("*"):
            story = actions.answer(story, stamp(name), text, ORIGIN, passage_id=new_id()).story
        else:
            story = actions.add(story, stamp(name), text).story
    return story


def test_plain_text_has_the_title_the_authors_and_the_story() -> None:
    story = tell(
        ("Ann", "In a small village,"),
        ("*gpt2", "there was a cat."),
        ("Ben", "It slept."),
        concept=Concept(title="The Cat"),
    )
    assert export_txt(story) == (
        "The Cat\n=======\n\nWritten by Ann, Ben with the model gpt2\n\n"
        "In a small village, there was a cat.\n\nIt slept.\n"
    )


def test_a_story_without_title_or_words_is_exported_too() -> None:
    assert export_txt(tell()) == "Untitled\n========\n\n\n"
    assert export_markdown(tell()) == "# Untitled\n"


def test_a_story_by_the_model_alone_and_by_somebody_forgotten() -> None:
    assert "Written by gpt2\n" in export_txt(tell(("*gpt2", "Hello.")))
    assert "Written by somebody" in export_txt(tell(("", "Hello.")))


def test_markdown_has_the_concept_and_escaped_names() -> None:
    story = tell(
        ("_Ann_ [x](y)", "One."),
        ("*g*p*t", "Two."),
        concept=Concept(
            title="# A *star*",
            genre="fantasy",
            premise="A\nfox.",
            cast=(CastMember(name="Mira", line="a <b>fox</b>"),),
            plot=("1. go", "come"),
        ),
    )
    text = export_markdown(story)
    assert text.startswith(
        "# \\# A \\*star\\*\n\n*Written by \\_Ann\\_ \\[x\\]\\(y\\) with the model g\\*p\\*t*\n\nOne.\n\nTwo.\n\n---\n\n## Concept\n\n"
    )
    assert "- **Genre:** fantasy\n" in text
    assert "- **Premise:** A fox.\n" in text
    assert "- **Cast:**\n  - Mira: a \\<b\\>fox\\</b\\>\n" in text
    assert "- **Plot:**\n  - 1\\. go\n  - come\n" in text


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("# not a heading", "\\# not a heading"),
        ("- not a list", "\\- not a list"),
        ("* not a list", "\\* not a list"),
        ("1. not a list", "1\\. not a list"),
        ("1984 was cold.", "1984 was cold."),
        ("> not a quote", "\\> not a quote"),
        ("***", "\\***"),
        ("___", "\\___"),
        ("=====", "\\====="),
        ("a *word* with _stress_", "a *word* with _stress_"),
        ("*Stress* first", "*Stress* first"),
        (
            "[a](http://b) <script> `x` | &amp; \\",
            "\\[a\\](http://b) \\<script\\> \\`x\\` \\| \\&amp; \\\\",
        ),
        ("~~~", "\\~~~"),
        ("one\ntwo", "one\\\ntwo"),
    ],
)
def test_what_would_become_structure_is_escaped_and_emphasis_stays(line: str, written: str) -> None:
    assert export_markdown(tell(("Ann", line))).endswith(f"\n\n{written}\n")


def test_escape_leaves_nothing_of_markdown() -> None:
    assert escape("a_b *c* 1. x") == "a\\_b \\*c\\* 1. x"
    assert escape("12. x") == "12\\. x"


@pytest.mark.parametrize(
    ("title", "stem"),
    [
        ("The Cat: a Tale!", "the-cat-a-tale"),
        ("../../etc/passwd", "etc-passwd"),
        ("最后的灯", "最后的灯"),
        ("x" * 200, "x" * 60),
    ],
)
def test_a_file_is_named_for_its_story(title: str, stem: str) -> None:
    story = tell(("Ann", "One."), concept=Concept(title=title))
    assert export(story, "markdown").name == f"{stem}.md"


def test_every_format_gives_its_file() -> None:
    story = tell(("Ann", "One."))
    files = {name: export(story, name) for name in FORMATS}
    assert FORMATS == ("txt", "markdown", "fountain", "json")
    assert files["txt"].data == export_txt(story).encode()
    assert files["markdown"].data == export_markdown(story).encode()
    assert files["json"].data == export_json(story).encode()
    assert files["txt"].name == f"story-{encode_id(story.id)}.txt"
    with pytest.raises(UnknownCommandError):
        export(story, "pdf")


LESSON = (
    "The grandmother carried the lantern through the narrow valley. Mira followed the old fisherman"
    " to the harbour. They discovered a silver key under the enormous stones."
)


def test_a_lesson_has_words_and_questions_and_its_answers_last() -> None:
    story = tell(("Ann", LESSON), concept=Concept(title="Key", format="lesson", reader_age=8))
    for text, headings in (
        (export_txt(story), ("Words\n-----", "Questions\n", "Answers\n")),
        (export_markdown(story), ("## Words", "## Questions", "## Answers")),
    ):
        places = [text.find(heading) for heading in headings]
        assert -1 not in places
        assert places == sorted(places)
        assert "grandmother: The grandmother carried" in text
        assert "_____" in text.replace("\\", "")
    assert "Questions" not in export_txt(tell(("Ann", LESSON)))
    assert "Questions" not in export_txt(tell(("Ann", "No."), concept=Concept(format="lesson")))


def test_a_screenplay_is_exported_as_it_is() -> None:
    script = "INT. HALL - NIGHT\n\nMira waits.\n\nMIRA\n(softly)\nWho is there?"
    story = tell(("*gpt2", script), concept=Concept(title="The  Hall", format="screenplay"))
    assert export_fountain(story) == (
        f"Title: The Hall\nCredit: written by\nAuthor: gpt2\n\n{script}\n"
    )


def test_any_story_can_be_exported_as_fountain_and_prose_stays_action() -> None:
    lines = ("MIRA", "INT. NOT A HEADING", "> a quote /* and a [[ note", "She\nwaits.", "CUT TO:")
    story = tell(*(("Ann", line) for line in lines), concept=Concept(title="Odd"))
    script = parse(export_fountain(story))
    assert {element.kind for element in script.elements} == {Kind.ACTION}
    told = "\n".join(element.text for element in script.elements)
    for word in ("MIRA", "INT. NOT A HEADING", "> a quote", "She\nwaits.", "CUT TO:"):
        assert word in told
    assert script.title_page[0] == ("Title", "Odd")
