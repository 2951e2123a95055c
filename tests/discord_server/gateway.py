"""The gateway: hello, identify, resume with replay, heartbeats, and the ways it fails."""

import asyncio
import contextlib
import json
import zlib
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol

import zstandard
from aiohttp import WSMsgType, web

from . import payloads
from .state import GUILD_MEMBERS, GUILDS, PRIVILEGED, State
from .world import Guild, Json

DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, RESUME = 0, 1, 2, 3, 6
RECONNECT, REQUEST_MEMBERS, INVALID_SESSION, HELLO, HEARTBEAT_ACK = 7, 8, 9, 10, 11
AUTHENTICATION_FAILED, DISALLOWED_INTENTS, NOT_AUTHENTICATED = 4004, 4014, 4003
REPLAYED = 2000


class Codec(Protocol):
    """One continuous stream of compressed messages."""

    def pack(self, text: str) -> bytes | str: ...


class Plain:
    def pack(self, text: str) -> str:
        return text


class Zlib:
    def __init__(self) -> None:
        self._stream = zlib.compressobj()

    def pack(self, text: str) -> bytes:
        return self._stream.compress(text.encode()) + self._stream.flush(zlib.Z_SYNC_FLUSH)


class Zstd:
    def __init__(self) -> None:
        self._stream = zstandard.ZstdCompressor().compressobj()

    def pack(self, text: str) -> bytes:
        packed = self._stream.compress(text.encode())
        return packed + self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)


CODECS: dict[str, type[Codec]] = {"zlib-stream": Zlib, "zstd-stream": Zstd, "": Plain}


@dataclass(eq=False)
class Session:
    """What survives a lost connection: the numbered events since then."""

    id: str
    intents: int
    shard: tuple[int, int]
    sequence: int = 0
    events: deque[Json] = field(default_factory=lambda: deque(maxlen=REPLAYED))
    connection: "Connection | None" = None

    def takes(self, guild: Guild | None) -> bool:
        number, count = self.shard
        return (guild.id >> 22) % count == number if guild is not None else number == 0


class Connection:
    """One WebSocket; a single task writes, so that events keep their order."""

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.Transport | None, codec: Codec
    ) -> None:
        self.socket, self.transport, self.codec = socket, transport, codec
        self.session: Session | None = None
        self._outgoing: asyncio.Queue[Json] = asyncio.Queue()

    def send(self, op: int, data: object = None) -> None:
        self.send_raw({"op": op, "d": data, "s": None, "t": None})

    def send_raw(self, payload: Json) -> None:
        self._outgoing.put_nowait(payload)

    async def write(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                packed = self.codec.pack(json.dumps(await self._outgoing.get()))
                if isinstance(packed, bytes):
                    await self.socket.send_bytes(packed)
                else:
                    await self.socket.send_str(packed)


class Gateway:
    """The gateway of one server.

    `refuses`, `acks_heartbeats` and `heartbeat_interval_s` may be set by a test at any time; the methods
    `drop`, `reconnect` and `invalidate` act on the connection there is.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.url = ""
        self.refuses = False
        self.acks_heartbeats = True
        self.heartbeat_interval_s = 41.25
        self.compressions: list[str] = []
        self.identifies: list[Json] = []
        self.resumes: list[Json] = []
        self.presences: list[Json] = []
        self.heartbeats = 0
        self.sessions: dict[str, Session] = {}
        self.connections: set[Connection] = set()
        state.emit = self.emit

    @property
    def connected(self) -> bool:
        """Say whether a bot is connected and past its identify or resume."""
        return any(each.session is not None for each in self.connections)

    # -- events ---------------------------------------------------------------------

    def emit(self, event: str, data: Json, intent: int, guild: Guild | None) -> None:
        """Send an event to every session that asked for it; one that is away gets it on resuming."""
        for session in self.sessions.values():
            if session.takes(guild) and (not intent or session.intents & intent):
                self._dispatch(session, event, data)

    def _dispatch(self, session: Session, event: str, data: Json) -> None:
        session.sequence += 1
        payload = {"op": DISPATCH, "t": event, "s": session.sequence, "d": data}
        session.events.append(payload)
        if session.connection is not None:
            session.connection.send_raw(payload)

    # -- trouble ----------------------------------------------------------------------

    async def drop(self, code: int | None = None) -> None:
        """Cut the connections, or close them with a code. The sessions stay resumable."""
        for connection in list(self.connections):
            if code is not None:
                await connection.socket.close(code=code)
            elif connection.transport is not None:
                connection.transport.abort()
            self._forget(connection)

    def reconnect(self) -> None:
        """Ask the bot to reconnect (op 7)."""
        for connection in self.connections:
            connection.send(RECONNECT)

    def invalidate(self, *, resumable: bool = False) -> None:
        """Tell the bot that its session is invalid (op 9)."""
        for connection in self.connections:
            if connection.session is not None and not resumable:
                self.sessions.pop(connection.session.id, None)
            connection.send(INVALID_SESSION, resumable)

    # -- the protocol ---------------------------------------------------------------------

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.refuses:
            return web.Response(status=503)
        compression = request.query.get("compress", "")
        self.compressions.append(compression)
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        connection = Connection(socket, request.transport, CODECS[compression]())
        self.connections.add(connection)
        writer = asyncio.create_task(connection.write())
        connection.send(HELLO, {"heartbeat_interval": int(self.heartbeat_interval_s * 1000)})
        try:
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    await self._receive(connection, json.loads(frame.data))
        finally:
            writer.cancel()
            if socket.close_code in (1000, 1001) and connection.session is not None:
                self.sessions.pop(connection.session.id, None)
            self._forget(connection)
        return socket

    def _forget(self, connection: Connection) -> None:
        self.connections.discard(connection)
        if connection.session is not None and connection.session.connection is connection:
            connection.session.connection = None
        self.state.pulse()

    async def _receive(self, connection: Connection, payload: Json) -> None:
        op: int = payload["op"]
        data: Any = payload.get("d")
        if op == HEARTBEAT:
            self.heartbeats += 1
            if self.acks_heartbeats:
                connection.send(HEARTBEAT_ACK)
        elif op == IDENTIFY:
            await self._identify(connection, data)
        elif op == RESUME:
            self._resume(connection, data)
        elif connection.session is None:
            self.state.violate("gateway", f"op {op}", "before identify")
            await connection.socket.close(code=NOT_AUTHENTICATED)
        elif op == PRESENCE:
            self.presences.append(data)
        elif op == REQUEST_MEMBERS:
            self._send_members(connection.session, data)
        self.state.pulse()

    async def _identify(self, connection: Connection, data: Json) -> None:
        self.identifies.append(data)
        intents = data["intents"]
        if data["token"].removeprefix("Bot ") != self.state.token:
            await connection.socket.close(code=AUTHENTICATION_FAILED)
            return
        if intents & PRIVILEGED & ~self.state.approved_intents:
            await connection.socket.close(code=DISALLOWED_INTENTS)
            return
        number, count = data.get("shard") or (0, 1)
        gone = [each for each in self.sessions.values() if each.connection is None]
        for session in [each for each in gone if each.shard == (number, count)]:
            del self.sessions[session.id]
        session = Session(f"{self.state.snowflakes.next():x}", intents, (number, count))
        session.connection, connection.session = connection, session
        self.sessions[session.id] = session
        self.state.intents = intents
        self._welcome(session)

    def _welcome(self, session: Session) -> None:
        state = self.state
        guilds = [each for each in state.guilds.values() if each.has_bot and session.takes(each)]
        ready: Json = {
            "v": 10,
            "user": payloads.user(state.bot) | {"verified": True, "mfa_enabled": False},
            "guilds": [{"id": str(each.id), "unavailable": True} for each in guilds],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": self.url,
            "application": {"id": str(state.bot.id), "flags": 1 << 19},
            "shard": list(session.shard),
            "private_channels": [],
            "relationships": [],
        }
        self._dispatch(session, "READY", ready)
        if session.intents & 1 << GUILDS:
            with_members = bool(session.intents & 1 << GUILD_MEMBERS)
            for guild in guilds:
                data = payloads.guild(guild, state.bot, with_members=with_members)
                self._dispatch(session, "GUILD_CREATE", data)

    def _resume(self, connection: Connection, data: Json) -> None:
        self.resumes.append(data)
        session = self.sessions.get(data["session_id"])
        if session is None or data["seq"] is None or data["seq"] > session.sequence:
            connection.send(INVALID_SESSION, data=False)
            return
        missed = [event for event in session.events if event["s"] > data["seq"]]
        if len(missed) < session.sequence - data["seq"]:
            connection.send(INVALID_SESSION, data=False)
            return
        session.connection, connection.session = connection, session
        for event in missed:
            connection.send_raw(event)
        self._dispatch(session, "RESUMED", {})

    def _send_members(self, session: Session, data: Json) -> None:
        guild = self.state.guild(int(data["guild_id"]))
        wanted = {int(each) for each in data.get("user_ids") or ()}
        query = (data.get("query") or "").lower()
        members = [each.user for each in guild.members.values()]
        found = [
            each
            for each in members
            if (each.id in wanted if wanted else each.name.lower().startswith(query))
        ]
        answer: Json = {
            "guild_id": str(guild.id),
            "members": [payloads.member(each, guild) for each in found],
            "chunk_index": 0,
            "chunk_count": 1,
            "not_found": [],
        }
        answer |= {"nonce": data["nonce"]} if data.get("nonce") else {}
        self._dispatch(session, "GUILD_MEMBERS_CHUNK", answer)
