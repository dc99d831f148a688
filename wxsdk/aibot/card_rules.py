"""Checks the wire form of a card by every rule of docs/protocol/aibot, 5: parts, fields, lengths and counts."""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, Tuple

from ..errors import ConfigError
from .bodies import as_wire
from .field_checks import need_distinct, need_feedback, need_flag, need_list, need_object, need_one_of, need_text

MAX_TASK_ID_BYTES = 128  # docs/protocol/aibot, 5, as all below
MAX_KEY_BYTES = 1024
MAX_OPTION_ID_BYTES = 128
MAX_QUESTION_BYTES = 200
ASPECT_RATIO = (1.3, 2.25)  # width by height
_TASK_ID = re.compile(r"[A-Za-z0-9_@-]+\Z")
_ROOT = "template_card"

Card = Dict[str, Any]
Judge = Callable[[Any, str], None]

# The parts that only some kinds have.
_OWN: Dict[str, Tuple[str, ...]] = {
    "text_notice": (),
    "news_notice": ("card_image", "image_text_area", "vertical_content_list"),
    "button_interaction": ("button_selection", "button_list"),
    "vote_interaction": ("checkbox", "submit_button"),
    "multiple_interaction": ("select_list", "submit_button"),
}
_REQUIRED: Dict[str, Tuple[str, ...]] = {
    "text_notice": ("card_action",),
    "news_notice": ("main_title", "card_action"),
    "button_interaction": ("main_title", "button_list", "task_id"),
    "vote_interaction": ("checkbox", "submit_button", "task_id"),
    "multiple_interaction": ("select_list", "submit_button", "task_id"),
}


def check_card(card: Any) -> Dict[str, Any]:
    """Return the wire form of *card* (a TemplateCard or a dict).

    Raises ConfigError (a missing or odd field) or LimitExceeded (a length or count), naming the field's path.
    """
    wire = as_wire(card)
    check_wire_card(wire)
    return wire  # type: ignore[no-any-return]


def check_wire_card(card: Any) -> None:
    """Raises ConfigError or LimitExceeded, naming the field's path, when the platform would refuse *card*."""
    need_object(card, _ROOT)
    kind = card.get("card_type")
    need_one_of(kind, f"{_ROOT}.card_type", tuple(_OWN))
    for name in _REQUIRED[kind]:
        if not card.get(name):
            raise ConfigError(f"{_ROOT}.{name} is missing: a {kind} needs it.")
    _check_headline(card, kind)
    foreign = {name for names in _OWN.values() for name in names} - set(_OWN[kind])
    for name, value in card.items():
        if value is None:
            continue
        if name in foreign:
            raise ConfigError(f"{_ROOT}.{name} does not belong into a {kind}.")
        judge = _PARTS.get(name)
        if judge is not None:
            judge(value, f"{_ROOT}.{name}")


def _check_headline(card: Card, kind: str) -> None:
    title = card.get("main_title")
    words = title if isinstance(title, dict) else {}
    if kind == "text_notice" and not (words.get("title") or card.get("sub_title_text")):
        raise ConfigError(f"{_ROOT}.main_title.title is missing: a text_notice needs it, or sub_title_text.")
    if "main_title" in _REQUIRED[kind] and not (words.get("title") or words.get("desc")):
        raise ConfigError(f"{_ROOT}.main_title.title is missing: a {kind} needs it.")


def _words(*names: str) -> Judge:
    """Make the check of an object whose fields *names* are optional texts."""

    def judge(value: Any, path: str) -> None:
        need_object(value, path)
        for name in names:
            if value.get(name) is not None:
                need_text(value[name], f"{path}.{name}", empty=True)

    return judge


def _link(value: Any, path: str, needs: Dict[int, str]) -> None:
    """Check what a click does: *needs* maps each type to the field it cannot do without ("" for none)."""
    kind = value.get("type")
    if kind is None:
        return
    need_one_of(kind, f"{path}.type", tuple(needs))
    name = needs[kind]
    if name:
        need_text(value.get(name), f"{path}.{name}")


def _linked(judge: Judge, needs: Dict[int, str]) -> Judge:
    def both(value: Any, path: str) -> None:
        judge(value, path)
        _link(value, path, needs)

    return both


def _source(value: Any, path: str) -> None:
    _words("icon_url", "desc")(value, path)
    if value.get("desc_color") is not None:
        need_one_of(value["desc_color"], f"{path}.desc_color", (0, 1, 2, 3))


def _list_of(judge: Judge, most: int, least: int = 0) -> Judge:
    def judge_all(value: Any, path: str) -> None:
        for place, entry in enumerate(need_list(value, path, most, least)):
            judge(entry, f"{path}[{place}]")

    return judge_all


def _keyed(value: Any, path: str) -> None:
    """Something to press: a text and a key."""
    need_object(value, path)
    need_text(value.get("text"), f"{path}.text")
    need_text(value.get("key"), f"{path}.key", MAX_KEY_BYTES)


def _button(value: Any, path: str) -> None:
    _keyed(value, path)
    if value.get("style") is not None:
        need_one_of(value["style"], f"{path}.style", (1, 2, 3, 4))


def _buttons(value: Any, path: str) -> None:
    _list_of(_button, most=6, least=1)(value, path)
    need_distinct([entry["key"] for entry in value], f"{path}[].key")


def _action_menu(value: Any, path: str) -> None:
    need_text(need_object(value, path).get("desc"), f"{path}.desc")
    _list_of(_keyed, most=3, least=1)(value.get("action_list"), f"{path}.action_list")
    need_distinct([entry["key"] for entry in value["action_list"]], f"{path}.action_list[].key")


def _titled(name: str) -> Judge:
    """Make the check of an object with a text *name* that must be there."""

    def judge(value: Any, path: str) -> None:
        need_text(need_object(value, path).get(name), f"{path}.{name}")

    return judge


def _vertical(value: Any, path: str) -> None:
    _titled("title")(value, path)
    _words("desc")(value, path)


def _horizontal(value: Any, path: str) -> None:
    _titled("keyname")(value, path)
    _words("value")(value, path)


def _jump(value: Any, path: str) -> None:
    _titled("title")(value, path)
    if value.get("question") is not None:  # the limit is the field's, whatever the type
        need_text(value["question"], f"{path}.question", MAX_QUESTION_BYTES, empty=True)


def _image(value: Any, path: str) -> None:
    _titled("url")(value, path)
    ratio = value.get("aspect_ratio")
    if ratio is None:
        return
    low, high = ASPECT_RATIO
    if isinstance(ratio, bool) or not isinstance(ratio, (int, float)) or not low <= ratio <= high:
        raise ConfigError(f"{path}.aspect_ratio must be a number from {low} to {high}.")


def _option(value: Any, path: str) -> None:
    need_object(value, path)
    need_text(value.get("id"), f"{path}.id", MAX_OPTION_ID_BYTES)
    need_text(value.get("text"), f"{path}.text")
    if value.get("is_checked") is not None:
        need_flag(value["is_checked"], f"{path}.is_checked")


def _question(most: int) -> Judge:
    """Make the check of a question with up to *most* options."""

    def judge(value: Any, path: str) -> None:
        need_object(value, path)
        need_text(value.get("question_key"), f"{path}.question_key", MAX_KEY_BYTES)
        _list_of(_option, most, least=1)(value.get("option_list"), f"{path}.option_list")
        need_distinct([entry["id"] for entry in value["option_list"]], f"{path}.option_list[].id")
        if value.get("disable") is not None:
            need_flag(value["disable"], f"{path}.disable")
        if value.get("mode") is not None:
            need_one_of(value["mode"], f"{path}.mode", (0, 1))
        _words("title", "selected_id")(value, path)

    return judge


def _selects(value: Any, path: str) -> None:
    _list_of(_question(10), most=3, least=1)(value, path)
    need_distinct([entry["question_key"] for entry in value], f"{path}[].question_key")


def _task_id(value: Any, path: str) -> None:
    need_text(value, path, MAX_TASK_ID_BYTES)
    if not _TASK_ID.match(value):
        raise ConfigError(f"{path} may hold letters A-Z and a-z, digits, _, @ and - only.")


def _plain_text(value: Any, path: str) -> None:
    need_text(value, path, empty=True)


_OPENS = {0: "", 1: "url", 2: "appid"}
_PARTS: Dict[str, Judge] = {
    "source": _source,
    "action_menu": _action_menu,
    "main_title": _words("title", "desc"),
    "emphasis_content": _words("title", "desc"),
    "quote_area": _linked(_words("title", "quote_text", "url", "appid", "pagepath"), _OPENS),
    "sub_title_text": _plain_text,
    "horizontal_content_list": _list_of(_linked(_horizontal, {0: "", 1: "url", 3: "userid"}), most=6),
    "jump_list": _list_of(_linked(_jump, {**_OPENS, 3: "question"}), most=3),
    "card_action": _linked(_words("url", "appid", "pagepath"), _OPENS),
    "task_id": _task_id,
    "feedback": need_feedback,
    "card_image": _image,
    "image_text_area": _linked(_titled("image_url"), _OPENS),
    "vertical_content_list": _list_of(_vertical, most=4),
    "button_selection": _question(10),
    "button_list": _buttons,
    "checkbox": _question(20),
    "select_list": _selects,
    "submit_button": _keyed,
}
