"""A small stand-in of Discord on loopback, for tests that run the real bot; see README.md."""

from .client_side import ClientRefusedError
from .process import BotProcess
from .server import DiscordServer
from .state import StandInTimeoutError
from .world import Channel, Guild, Interaction, Message, Modal, Role, User

__all__ = [
    "BotProcess",
    "Channel",
    "ClientRefusedError",
    "DiscordServer",
    "Guild",
    "Interaction",
    "Message",
    "Modal",
    "Role",
    "StandInTimeoutError",
    "User",
]
