"""The limits of a message body: text, embeds, mentions, and what components V2 excludes."""

from typing import Any

from .problems import BAD_TYPE, ApiError, Problems
from .rules_components import check_components
from .world import COMPONENTS_V2, Json, Message

MAX_CONTENT, MAX_EMBEDS, MAX_EMBED_CHARACTERS = 2000, 10, 6000
LEGACY = "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"


def check_message(body: Json, before: Message | None, file_count: int) -> Problems:
    """Check a body that creates a message, or edits the message `before`."""
    problems = Problems()
    flags = (before.flags if before else 0) | int(body.get("flags") or 0)
    content = body.get("content")
    if content is not None:
        problems.at("content").check_length(content, 0, MAX_CONTENT)
    _check_embeds(body.get("embeds"), problems.at("embeds"))
    _check_allowed(body.get("allowed_mentions"), problems.at("allowed_mentions"))
    if body.get("components") is not None:
        check_components(body["components"], flags, problems)
    nonce = body.get("nonce")
    if nonce is not None and len(str(nonce)) > 25:
        problems.at("nonce").add("NONCE_TYPE_TOO_LONG", "over 25 characters")
    if flags & COMPONENTS_V2:
        _check_v2(body, before, problems)
    _check_attachments(body.get("attachments"), file_count, problems.at("attachments"))
    return problems


def check_not_empty(body: Json, file_count: int) -> None:
    """Refuse a message that would show nothing."""
    shown = (body.get("content") or "").strip(), body.get("embeds"), body.get("components")
    if not any((*shown, file_count, body.get("sticker_ids"), body.get("poll"))):
        raise ApiError(400, 50006, "Cannot send an empty message")


def _check_v2(body: Json, before: Message | None, problems: Problems) -> None:
    for key in ("content", "embeds", "poll", "sticker_ids"):
        if body.get(key):
            problems.at(key).add(LEGACY, "not together with components V2")
    if before is not None and not before.flags & COMPONENTS_V2:
        left = [key for key in ("content", "embeds") if getattr(before, key) and key not in body]
        for key in left:
            problems.at(key).add(LEGACY, "must be cleared first")


def _check_allowed(allowed: Any, here: Problems) -> None:
    if allowed is None:
        return
    if not isinstance(allowed, dict):
        here.add(BAD_TYPE, "must be an object")
        return
    parse = allowed.get("parse") or []
    for kind in ("users", "roles"):
        if kind in parse and allowed.get(kind):
            here.at(kind).add("MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", f"{kind} is in parse")
        here.at(kind).check_count(allowed.get(kind) or [], 0, 100)


def _check_attachments(attachments: Any, file_count: int, here: Problems) -> None:
    if attachments is None:
        return
    here.check_count(attachments, 0, 10)
    for index, each in enumerate(attachments):
        reference = int(each.get("id", -1))
        if reference < 10 and reference >= file_count:
            here.at(index, "id").add("ATTACHMENT_NOT_FOUND", f"no file {reference} was sent")


def _check_embeds(embeds: Any, here: Problems) -> None:
    if embeds is None:
        return
    here.check_count(embeds, 0, MAX_EMBEDS)
    total = 0
    for index, embed in enumerate(embeds):
        total += _check_embed(embed, here.at(index))
    if total > MAX_EMBED_CHARACTERS:
        here.add("MAX_EMBED_SIZE_EXCEEDED", f"{total} characters, 6000 are the most")


def _check_embed(embed: Json, here: Problems) -> int:
    fields = embed.get("fields") or []
    here.at("fields").check_count(fields, 0, 25)
    texts: list[tuple[str, Any, int]] = [
        ("title", embed.get("title"), 256),
        ("description", embed.get("description"), 4096),
        ("footer.text", (embed.get("footer") or {}).get("text"), 2048),
        ("author.name", (embed.get("author") or {}).get("name"), 256),
    ]
    for index, each in enumerate(fields):
        texts.append((f"fields.{index}.name", each.get("name") or "", 256))
        texts.append((f"fields.{index}.value", each.get("value") or "", 1024))
    for path, text, most in texts:
        if text is not None:
            here.at(path).check_length(text, 1 if path.startswith("fields") else 0, most)
    return sum(len(text) for _, text, _ in texts if isinstance(text, str))
