"""The help: what there is to do, with commands that can be clicked."""

from collections.abc import Mapping

from bot.locales import N_, Words

_LINES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("start",), N_("begin a story: an idea, a title, a genre, or nothing at all")),
    (("continue", "write", "add"), N_("go on: with your words, with longer ones, or by yourself")),
    (("retry", "stop"), N_("another version of the newest passage; stop the one under way")),
    (("undo", "redo"), N_("take turns back and bring them back; nothing is lost")),
    (("edit", "rename"), N_("change a wording or the title")),
    (("show", "context"), N_("read the story; see what the model sees")),
    (("list", "open"), N_("the stories of this channel; go on with an older one")),
    (("end", "delete"), N_("end a story; remove one for good")),
    (("export", "import"), N_("take a story with you; bring it back")),
)


def help_text(words: Words, command_ids: Mapping[str, int]) -> str:
    """Return the help; commands are mentions where their ids are known."""
    story_id = command_ids.get("story")

    def mention(name: str) -> str:
        return f"</story {name}:{story_id}>" if story_id else f"`/story {name}`"

    lines = [
        words(N_("## 📖 Roundtale")),
        words(
            N_(
                "You and a language model write a story together, passage by passage. Reply to a passage, or mention me, and your words are added; the model goes on."
            )
        ),
    ]
    for names, explanation in _LINES:
        lines.append(f"{' '.join(mention(name) for name in names)} {words(explanation)}")
    lines.append(
        words(
            N_(
                "-# A reply that is only “undo”, “go on”, “retry” or “the end” does that. Admins: `/storyadmin settings`."
            )
        )
    )
    return "\n".join(lines)
