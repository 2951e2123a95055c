"""Interaction callbacks and their webhooks: once, within the time, in the allowed form."""

import time
from collections.abc import Callable

from .problems import ApiError, Problems
from .rest import Answer, Request, Route
from .rest_messages import checked
from .rules_commands import check_choices
from .rules_components import check_modal
from .rules_message import check_not_empty
from .state import State
from .world import EPHEMERAL, LOADING, Interaction, Json, Message, Modal

COMMAND, COMPONENT, AUTOCOMPLETE, MODAL_SUBMIT = 2, 3, 4, 5
HOOK = "/webhooks/{application}/{token}"


def callback(state: State, request: Request) -> Answer:
    """Take the first answer to an interaction."""
    where = f"callback type {request.body.get('type')}"
    interaction = state.interactions.get(request.texts["token"])
    if interaction is None or interaction.id != request.ids["interaction"]:
        state.violate("unknown_interaction", where, request.texts["token"])
        raise ApiError(404, 10062, "Unknown interaction")
    if interaction.kind is not None:
        state.violate("double_ack", where, f"already {interaction.kind}")
        raise ApiError(400, 40060, "Interaction has already been acknowledged.")
    if interaction.failed:
        state.violate("late_ack", where, f"after {time.monotonic() - interaction.at_s:.2f} s")
        raise ApiError(404, 10062, "Unknown interaction")
    kind = int(request.body.get("type", 0))
    if interaction.type not in ANSWERS.get(kind, ((), _message))[0]:
        _refuse(state, where, f"not an answer to an interaction of type {interaction.type}")
    ANSWERS[kind][1](state, request, interaction, request.body.get("data") or {})
    interaction.acked_after_s = time.monotonic() - interaction.at_s
    state.pulse()
    return _callback_answer(state, request, interaction, kind)


def _refuse(state: State, where: str, detail: str) -> None:
    state.violate("form", where, detail)
    problems = Problems()
    problems.at("type").add("INTERACTION_RESPONSE_TYPE_INVALID", detail)
    raise problems.error()


def _callback_answer(
    state: State, request: Request, interaction: Interaction, kind: int
) -> Json | None:
    if not request.flag("with_response"):
        return None
    about: Json = {"id": str(interaction.id), "type": interaction.type}
    answer: Json = {"interaction": about}
    if interaction.original is not None:
        original = interaction.original
        about |= {
            "response_message_id": str(original.id),
            "response_message_loading": original.loading,
            "response_message_ephemeral": original.ephemeral,
        }
        answer["resource"] = {"type": kind, "message": state.payload(original)}
    return answer


def _new(state: State, interaction: Interaction) -> Message:
    message = state.new_message(interaction.channel, state.bot)
    message.interaction, message.viewer = interaction, interaction.user
    message.type = 20 if interaction.type == COMMAND else 0
    return message


def _message(state: State, request: Request, interaction: Interaction, data: Json) -> None:
    checked(state, request, data, None)
    check_not_empty(data, len(request.files))
    message = _new(state, interaction)
    state.fill(message, data, request.files)
    interaction.kind, interaction.original = "message", state.publish(message)


def _defer(state: State, request: Request, interaction: Interaction, data: Json) -> None:
    message = _new(state, interaction)
    message.flags = LOADING | int(data.get("flags") or 0) & EPHEMERAL
    interaction.kind, interaction.original = "deferred", state.publish(message)


def _defer_update(state: State, request: Request, interaction: Interaction, data: Json) -> None:
    if interaction.message is None:
        _refuse(state, "callback type 6", "there is no message to update")
    interaction.kind, interaction.original = "deferred_update", interaction.message


def _update(state: State, request: Request, interaction: Interaction, data: Json) -> None:
    message = interaction.message
    if message is None:
        _refuse(state, "callback type 7", "there is no message to update")
    elif message.is_deleted:
        raise ApiError(404, 10008, "Unknown Message")
    else:
        state.revise(message, checked(state, request, data, message), request.files)
        interaction.kind, interaction.original = "update", message


def _choices(state: State, request: Request, interaction: Interaction, data: Json) -> None:
    problems = Problems()
    choices = data.get("choices") or []
    check_choices(choices, _focused_type(interaction.data), problems.at("data", "choices"))
    _raise(state, problems, "autocomplete")
    interaction.kind, interaction.choices = "autocomplete", choices


def _focused_type(data: Json) -> int:
    for option in data.get("options", []):
        if option.get("focused"):
            return int(option["type"])
        nested = _focused_type(option)
        if nested:
            return nested
    return 0


def _modal(state: State, request: Request, interaction: Interaction, data: Json) -> None:
    problems = Problems()
    check_modal(data, problems.at("data"))
    _raise(state, problems, "modal")
    interaction.kind = "modal"
    interaction.modal = Modal(data["custom_id"], data["title"], data["components"])


def _raise(state: State, problems: Problems, where: str) -> None:
    if problems.found:
        state.violate("form", where, problems.describe())
        raise problems.error()


Answering = Callable[[State, Request, Interaction, Json], None]
ANSWERS: dict[int, tuple[tuple[int, ...], Answering]] = {
    4: ((COMMAND, COMPONENT, MODAL_SUBMIT), _message),
    5: ((COMMAND, COMPONENT, MODAL_SUBMIT), _defer),
    6: ((COMPONENT, MODAL_SUBMIT), _defer_update),
    7: ((COMPONENT, MODAL_SUBMIT), _update),
    8: ((AUTOCOMPLETE,), _choices),
    9: ((COMMAND, COMPONENT), _modal),
}


# -- webhooks ---------------------------------------------------------------------------


def _answered(state: State, request: Request) -> Interaction:
    interaction = state.interactions.get(request.texts["token"])
    where = f"{request.call.method} {request.call.route}"
    if interaction is None:
        raise ApiError(404, 10015, "Unknown Webhook")
    if interaction.kind in (None, "autocomplete"):
        state.violate("webhook_before_ack", where, "the interaction is not answered yet")
        raise ApiError(404, 10015, "Unknown Webhook")
    if time.monotonic() - interaction.at_s > state.token_lifetime_s:
        state.violate("expired_token", where, f"over {state.token_lifetime_s} s old")
        raise ApiError(401, 50027, "Invalid Webhook Token")
    return interaction


def follow_up(state: State, request: Request) -> Answer:
    """Take a follow-up; the first one after a deferral fills the message that loads."""
    interaction = _answered(state, request)
    body = checked(state, request, request.body, None)
    check_not_empty(body, len(request.files))
    original = interaction.original
    if original is not None and original.loading:
        return state.payload(state.revise(original, body, request.files))
    message = _new(state, interaction)
    state.fill(message, body, request.files)
    interaction.followups.append(state.publish(message))
    return state.payload(message) if request.flag("wait") else None


def _theirs(state: State, request: Request) -> tuple[Interaction, Message]:
    interaction = _answered(state, request)
    if request.texts["message"] == "@original":
        found = interaction.original
    else:
        own = [*interaction.followups, interaction.original]
        wanted = request.ids.get("message")
        found = next((each for each in own if each is not None and each.id == wanted), None)
    if found is None or found.is_deleted:
        raise ApiError(404, 10008, "Unknown Message")
    return interaction, found


def get_response(state: State, request: Request) -> Answer:
    return state.payload(_theirs(state, request)[1])


def edit_response(state: State, request: Request) -> Answer:
    _, message = _theirs(state, request)
    body = checked(state, request, request.body, message)
    return state.payload(state.revise(message, body, request.files))


def delete_response(state: State, request: Request) -> Answer:
    state.remove(_theirs(state, request)[1])
    return None


ROUTES = [
    Route(
        "POST",
        "/interactions/{interaction}/{token}/callback",
        callback,
        "interaction",
        needs_token=False,
    ),
    Route("POST", HOOK, follow_up, "webhook", needs_token=False, major="token"),
    *(
        Route(method, f"{HOOK}/messages/{{message}}", handler, "webhook", False, "token")
        for method, handler in (
            ("GET", get_response),
            ("PATCH", edit_response),
            ("DELETE", delete_response),
        )
    ),
]
