"""The limits of components: buttons, selects, layouts, and the inputs of a modal."""

from collections.abc import Callable
from typing import Any

from .problems import BAD_CHOICE, REQUIRED, Problems
from .world import COMPONENTS_V2, Json, walk

ROW, BUTTON, STRING_SELECT, TEXT_INPUT, SECTION, TEXT, THUMBNAIL, GALLERY, FILE, SEPARATOR = (
    1,
    2,
    3,
    4,
    9,
    10,
    11,
    12,
    13,
    14,
)
CONTAINER, LABEL, FILE_UPLOAD, RADIO, CHECKBOX_GROUP, CHECKBOX = 17, 18, 19, 21, 22, 23
SELECTS = (3, 5, 6, 7, 8)
CONTAINED = (ROW, SECTION, TEXT, GALLERY, FILE, SEPARATOR)
V2_TOP = (*CONTAINED, CONTAINER)
INPUTS = (TEXT_INPUT, *SELECTS, FILE_UPLOAD, RADIO, CHECKBOX_GROUP, CHECKBOX)
LINK, PREMIUM = 5, 6
MAX_V2_COMPONENTS, MAX_V2_CHARACTERS = 40, 4000


def check_components(components: Any, flags: int, problems: Problems) -> None:
    """Check a message's components under its flags."""
    here = problems.at("components")
    is_v2 = bool(flags & COMPONENTS_V2)
    here.check_count(components, 0, MAX_V2_COMPONENTS if is_v2 else 5)
    if not isinstance(components, list):
        return
    _check_children(components, V2_TOP if is_v2 else (ROW,), here)
    everything = list(walk(components))
    here.check_unique([each["custom_id"] for each in everything if "custom_id" in each], "id")
    here.check_unique([each["id"] for each in everything if each.get("id")], "id")
    if is_v2:
        here_count = len(everything)
        if here_count > MAX_V2_COMPONENTS:
            here.add("COMPONENT_MAX_TOTAL", f"{here_count} components, 40 are the most")
        texts = [each["content"] for each in everything if each["type"] == TEXT]
        if sum(map(len, texts)) > MAX_V2_CHARACTERS:
            here.add("COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", "over 4000 characters")


def check_modal(data: Any, problems: Problems) -> None:
    """Check the data of a modal response."""
    if not isinstance(data, dict):
        problems.add(REQUIRED, "a modal needs its data")
        return
    problems.at("title").check_length(data.get("title"), 1, 45)
    problems.at("custom_id").check_length(data.get("custom_id"), 1, 100)
    here = problems.at("components")
    components = data.get("components")
    here.check_count(components, 1, 5)
    if isinstance(components, list):
        _check_children(components, (ROW, LABEL, TEXT), here, in_modal=True)
        ids = [each["custom_id"] for each in walk(components) if "custom_id" in each]
        here.check_unique(ids, "custom_id")


def number(components: list[Json]) -> list[Json]:
    """Give every component without an id the next free one, as Discord does."""
    taken = {each["id"] for each in walk(components) if each.get("id")}
    following = 1
    for each in walk(components):
        while following in taken:
            following += 1
        if not each.get("id"):
            each["id"] = following
            taken.add(following)
    return components


def value_range(holder: Json) -> tuple[int, int]:
    """Return how few and how many values an input takes; null counts as not given."""
    low, high = holder.get("min_values"), holder.get("max_values")
    return 1 if low is None else low, 1 if high is None else high


def _check_children(
    children: list[Json], allowed: tuple[int, ...], here: Problems, *, in_modal: bool = False
) -> None:
    for index, child in enumerate(children):
        spot = here.at(index)
        kind = child.get("type")
        if kind not in allowed:
            spot.at("type").add(BAD_CHOICE, f"type {kind} is not one of {allowed}")
        elif kind == ROW:
            _check_row(child, spot, in_modal=in_modal)
        else:
            CHECKS[kind](child, spot)


def _check_row(row: Json, here: Problems, *, in_modal: bool) -> None:
    children = row.get("components", [])
    here.at("components").check_count(children, 1, 5)
    allowed = (TEXT_INPUT,) if in_modal else (BUTTON, *SELECTS)
    _check_children(children, allowed, here.at("components"))
    if len(children) > 1 and any(child.get("type") != BUTTON for child in children):
        here.add("COMPONENT_LAYOUT_WIDTH_EXCEEDED", "a select or an input fills its row")
    if in_modal:
        for index, child in enumerate(children):
            here.at("components", index, "label").check_length(child.get("label"), 1, 45)


def _check_button(button: Json, here: Problems) -> None:
    style = button.get("style")
    if style not in range(1, 7):
        here.at("style").add(BAD_CHOICE, f"style {style}")
    if button.get("label") is not None:
        here.at("label").check_length(button["label"], 0, 80)
    if style == LINK:
        here.at("url").check_length(button.get("url"), 1, 512)
    elif style != PREMIUM:
        here.at("custom_id").check_length(button.get("custom_id"), 1, 100)
    if style != PREMIUM and not button.get("label") and not button.get("emoji"):
        here.add("BUTTON_COMPONENT_LABEL_OR_EMOJI_REQUIRED", "neither label nor emoji")


def _check_select(select: Json, here: Problems) -> None:
    here.at("custom_id").check_length(select.get("custom_id"), 1, 100)
    if select.get("placeholder") is not None:
        here.at("placeholder").check_length(select["placeholder"], 0, 150)
    low, high = value_range(select)
    if not (0 <= low <= 25 and 1 <= high <= 25 and low <= high):
        here.at("min_values").add("BASE_TYPE_RANGE", f"{low} to {high} values")
    if select["type"] == STRING_SELECT:
        _check_options(select, here, 25)
        if high > len(select.get("options") or []):
            here.at("max_values").add("BASE_TYPE_MAX", "more values than options")


def _check_options(holder: Json, here: Problems, most: int) -> None:
    options = holder.get("options") or []
    spot = here.at("options")
    spot.check_count(options, 1, most)
    for index, option in enumerate(options):
        spot.at(index, "label").check_length(option.get("label"), 1, 100)
        spot.at(index, "value").check_length(option.get("value"), 1, 100)
        if option.get("description") is not None:
            spot.at(index, "description").check_length(option["description"], 0, 100)
    values = [option.get("value") for option in options]
    if len(values) != len(set(values)):
        spot.add("SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", "two options with one value")
    if sum(bool(option.get("default")) for option in options) > value_range(holder)[1]:
        spot.add("SELECT_COMPONENT_TOO_MANY_DEFAULTS", "more defaults than values")


def _check_text_input(field: Json, here: Problems) -> None:
    here.at("custom_id").check_length(field.get("custom_id"), 1, 100)
    if field.get("style") not in (1, 2):
        here.at("style").add(BAD_CHOICE, f"style {field.get('style')}")
    low, high = field.get("min_length") or 0, field.get("max_length") or 4000
    if not 0 <= low <= high <= 4000:
        here.at("max_length").add("BASE_TYPE_RANGE", f"{low} to {high} characters")
    if field.get("value"):
        here.at("value").check_length(field["value"], low, high)
    if field.get("placeholder"):
        here.at("placeholder").check_length(field["placeholder"], 0, 100)


def _check_label(label: Json, here: Problems) -> None:
    here.at("label").check_length(label.get("label"), 1, 45)
    if label.get("description") is not None:
        here.at("description").check_length(label["description"], 0, 100)
    _check_children([label.get("component") or {}], INPUTS, here.at("component"))


def _check_upload(upload: Json, here: Problems) -> None:
    here.at("custom_id").check_length(upload.get("custom_id"), 1, 100)
    low, high = value_range(upload)
    if not 0 <= low <= high <= 10:
        here.at("max_values").add("BASE_TYPE_RANGE", f"{low} to {high} files")


def _check_choices(group: Json, here: Problems) -> None:
    here.at("custom_id").check_length(group.get("custom_id"), 1, 100)
    _check_options(group, here, 10)


def _check_checkbox(box: Json, here: Problems) -> None:
    here.at("custom_id").check_length(box.get("custom_id"), 1, 100)


def _check_text(text: Json, here: Problems) -> None:
    here.at("content").check_length(text.get("content"), 1, 4000)


def _check_section(section: Json, here: Problems) -> None:
    children = section.get("components", [])
    here.at("components").check_count(children, 1, 3)
    _check_children(children, (TEXT,), here.at("components"))
    _check_children([section.get("accessory") or {}], (BUTTON, THUMBNAIL), here.at("accessory"))


def _check_container(container: Json, here: Problems) -> None:
    children = container.get("components", [])
    here.at("components").check_count(children, 1, MAX_V2_COMPONENTS)
    _check_children(children, CONTAINED, here.at("components"))


def _check_gallery(gallery: Json, here: Problems) -> None:
    here.at("items").check_count(gallery.get("items"), 1, 10)


def _check_media(holder: Json, here: Problems) -> None:
    media = holder.get("media") or holder.get("file") or {}
    here.at("url").check_length(media.get("url"), 1, 2048)


def _check_separator(separator: Json, here: Problems) -> None:
    if separator.get("spacing", 1) not in (1, 2):
        here.at("spacing").add(BAD_CHOICE, "1 or 2")


CHECKS: dict[int, Callable[[Json, Problems], None]] = {
    BUTTON: _check_button,
    **dict.fromkeys(SELECTS, _check_select),
    TEXT_INPUT: _check_text_input,
    SECTION: _check_section,
    TEXT: _check_text,
    THUMBNAIL: _check_media,
    GALLERY: _check_gallery,
    FILE: _check_media,
    SEPARATOR: _check_separator,
    CONTAINER: _check_container,
    LABEL: _check_label,
    FILE_UPLOAD: _check_upload,
    RADIO: _check_choices,
    CHECKBOX_GROUP: _check_choices,
    CHECKBOX: _check_checkbox,
}
