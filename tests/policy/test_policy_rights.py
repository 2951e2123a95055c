import pytest

from bot.errors import ChannelOffError, NotAllowedError
from bot.policy.rights import (
    Actor,
    NotAdminError,
    NotAuthorError,
    NotOwnerError,
    Place,
    Right,
    may,
)
from bot.policy.settings import resolve

ON, OFF = resolve(), resolve({"enabled": "off"})
MEMBER = Actor(user_id=7, name="Ann")
MODERATOR = Actor(user_id=8, name="Mo", is_moderator=True)
ADMIN = Actor(user_id=9, name="Ada", is_admin=True)
CHANNEL = Place(platform="discord", guild_id=1, channel_id=2, name="tales")
DIRECT = Place(platform="discord", guild_id=None, channel_id=3, is_direct=True)
TERMINAL = Place(platform="terminal", guild_id=None, channel_id=4, is_direct=True)


@pytest.mark.parametrize("right", sorted(set(Right) - {Right.DELETE, Right.EDIT, Right.CONFIGURE}))
def test_a_member_may_do_nearly_everything(right: Right) -> None:
    may(MEMBER, right, CHANNEL, ON)


def test_only_admins_configure_a_server() -> None:
    may(ADMIN, Right.CONFIGURE, CHANNEL, ON)
    for actor in (MEMBER, MODERATOR):
        with pytest.raises(NotAdminError):
            may(actor, Right.CONFIGURE, CHANNEL, ON)


@pytest.mark.parametrize("owner_id", [8, None])
def test_a_story_is_deleted_by_its_starter_or_a_moderator(owner_id: int | None) -> None:
    may(MEMBER, Right.DELETE, CHANNEL, ON, owner_id=7)
    for actor in (MODERATOR, ADMIN):
        may(actor, Right.DELETE, CHANNEL, ON, owner_id=5)
    with pytest.raises(NotOwnerError):
        may(MEMBER, Right.DELETE, CHANNEL, ON, owner_id=owner_id)


def test_a_passage_is_edited_by_its_author_or_a_moderator_and_the_models_by_everybody() -> None:
    may(MEMBER, Right.EDIT, CHANNEL, ON, author_id=7)
    may(MEMBER, Right.EDIT, CHANNEL, ON, author_id=None)
    may(MODERATOR, Right.EDIT, CHANNEL, ON, author_id=7)
    for author_id in (8, 0):
        with pytest.raises(NotAuthorError):
            may(MEMBER, Right.EDIT, CHANNEL, ON, author_id=author_id)


@pytest.mark.parametrize("place", [DIRECT, TERMINAL])
@pytest.mark.parametrize("right", Right)
def test_alone_with_the_bot_one_may_do_everything(place: Place, right: Right) -> None:
    may(MEMBER, right, place, ON, owner_id=1, author_id=1)


@pytest.mark.parametrize("right", Right)
@pytest.mark.parametrize("actor", [ADMIN, MEMBER])
def test_where_stories_are_off_one_reads_exports_and_configures(actor: Actor, right: Right) -> None:
    if right in {Right.READ, Right.EXPORT} or (right is Right.CONFIGURE and actor is ADMIN):
        may(actor, right, CHANNEL, OFF)
        return
    with pytest.raises(NotAllowedError) as caught:
        may(actor, right, CHANNEL, OFF, owner_id=7, author_id=7)
    assert isinstance(caught.value, ChannelOffError) == (right is not Right.CONFIGURE)
    assert str(caught.value)
