"""A guild with people in it, and what the scenarios against the strict bench have in common."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

ACK_LIMIT_S = 1.0
EDIT_LIMIT_S = 0.9
PATIENCE_S = 180.0

HOSTILE = {
    "pings": "@everyone @here <@&123456789012345678> <@123456789012345678> <#1> look!",
    "markdown": "**__~~||```py\n# > - 1. [x](https://evil.example) `` <t:0:R> </a:1> \\",
    "direction": "The \u202egnp.exe\u202c and \u2067\u05d0\u05d1\u05d2\u2069 \u0627\u0644\u0644\u0647 walked on.",
    "invisible": "A\u200bB\u200cC\u200dD\u2060E\ufeffF \U000e0041 walked\u00ad on.",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈🇩🇪❤️‍🔥 " * 20,
    "zalgo": "w" + "\u0300\u0301\u0302\u0303\u0489" * 40 + "olf came.",
}


@dataclass
class Scene:
    """One guild, one channel, three members."""

    fake: Any
    guild: Any
    channel: Any
    alice: Any
    bob: Any
    admin: Any

    def is_at_rest(self, message: Any) -> bool:
        """Whether a message is the newest passage, with its buttons."""
        return not message.ephemeral and "More" in message.labels

    def count_at_rest(self, channel: Any) -> int:
        """How many messages of a channel have a newest passage's buttons."""
        return sum(map(self.is_at_rest, self.fake.bot_messages(channel)))

    async def passage(self, since: int, channel: Any = None, patience_s: float = PATIENCE_S) -> Any:
        """Wait until a passage that began after `since` is finished."""
        return await self.fake.wait_message(
            channel or self.channel, self.is_at_rest, since=since, timeout=patience_s
        )

    async def growing(self, since: int, channel: Any = None) -> Any:
        """Wait until a passage that began after `since` is to be seen, unfinished."""
        return await self.fake.wait_message(
            channel or self.channel,
            lambda m: not m.ephemeral and "Stop" in m.labels,
            since=since,
            timeout=PATIENCE_S,
        )

    async def begin(self, channel: Any = None, by: Any = None, **options: Any) -> Any:
        """Begin a story at once and return its first passage of the model."""
        since = self.fake.now()
        given = {"opening": "Once upon a time a wolf came to the village.", **options}
        await self.fake.slash(by or self.alice, channel or self.channel, "story start", given)
        return await self.passage(since, channel)

    async def turn(self, act: Callable[[], Awaitable[Any]], channel: Any = None) -> Any:
        """Do something that makes the model write, and return the finished passage."""
        since = self.fake.now()
        await act()
        return await self.passage(since, channel)

    async def answer(self, asked: Awaitable[Any], *said: str, patience_s: float = 15.0) -> Any:
        """Return the answer to an interaction; `said` must all stand in it.

        What updates the message that it came from answers by a follow-up.
        """
        interaction = await asked

        def told() -> Any:
            if interaction.kind == "deferred_update":
                found = interaction.followups
            else:
                found = [one for one in interaction.replies if not one.loading]
            return next((m for m in found if all(one in m.text for one in said)), None)

        return await self.fake.wait_until(told, patience_s, f"{said} in answer to {interaction}")

    def story_text(self, channel: Any = None) -> str:
        """All that stands in the channel, as people read it."""
        return "\n".join(m.text for m in self.fake.messages(channel or self.channel))


def make_scene(fake: Any, *, locale: str = "en-US", **guild: Any) -> Scene:
    """Fill an empty Discord."""
    tavern = fake.add_guild("Tavern", locale=locale, **guild)
    return Scene(
        fake=fake,
        guild=tavern,
        channel=fake.add_channel(tavern, "stories"),
        alice=fake.add_user("alice", guild=tavern),
        bob=fake.add_user("bob", guild=tavern),
        admin=fake.add_user("admin", guild=tavern, permissions=["manage_guild"]),
    )


def unknown_fields(fake: Any) -> list[str]:
    """Return what Discord would ignore; discord.py puts `tts` into every edit."""
    return sorted({one for one in fake.warnings if "field 'tts'" not in one})


def assert_faultless(
    fake: Any,
    *,
    allow: tuple[str, ...] = (),
    paced: bool = True,
    ack_limit_s: float = ACK_LIMIT_S,
) -> None:
    """Check every rule that holds wherever the bot goes."""
    fake.assert_clean(allow=allow)
    fake.assert_no_mass_pings()
    assert not unknown_fields(fake)
    for message in fake.bot_messages(include_deleted=True):
        assert not any(ping["users"] or ping["replied_user"] for ping in message.pings), message
    late = [
        (one, one.acked_after)
        for one in fake.world.interactions.values()
        if one.acked_after is None or one.acked_after >= ack_limit_s
    ]
    assert not late, late
    # Edits alone never use up what Discord grants a channel.
    assert not [one for one in fake.limits.exhausted if one[1] == "message_edit"]
    if paced:
        assert_paced(fake)


def assert_paced(fake: Any) -> None:
    """Check that no regular message was edited faster than about once a second."""
    for message in fake.bot_messages(include_deleted=True):
        if not message.ephemeral:
            gaps = fake.edit_times(message)
            assert min(gaps, default=EDIT_LIMIT_S + 1) > EDIT_LIMIT_S, (message, gaps)
