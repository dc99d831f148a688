"""Finds what the WeCom platform refuses in a template card, by the rules of docs/protocol/aibot, 5. Pure."""

from __future__ import annotations

import re
from typing import Any, Dict, FrozenSet, Iterator, List, Optional, Sequence, Tuple

CARD_TYPES = ("text_notice", "news_notice", "button_interaction", "vote_interaction", "multiple_interaction")
INTERACTIVE = CARD_TYPES[2:]
MAX_TASK_ID_BYTES = 128
MAX_KEY_BYTES = 1024
MAX_OPTION_ID_BYTES = 128
MAX_QUESTION_BYTES = 200
MAX_FEEDBACK_ID_BYTES = 256  # docs/protocol/aibot, 4
ASPECT_RATIO = (1.3, 2.25)
_TASK_ID = re.compile(r"[A-Za-z0-9_@-]+\Z")

_COMMON = (
    "card_type source action_menu main_title emphasis_content quote_area sub_title_text "
    "horizontal_content_list jump_list card_action task_id feedback"
)
_OWN = {
    "text_notice": "",
    "news_notice": "card_image image_text_area vertical_content_list",
    "button_interaction": "button_selection button_list",
    "vote_interaction": "checkbox submit_button",
    "multiple_interaction": "select_list submit_button",
}
_PARTS = {
    "source": "icon_url desc desc_color",
    "action_menu": "desc action_list",
    "main_title": "title desc",
    "emphasis_content": "title desc",
    "quote_area": "type url appid pagepath title quote_text",
    "card_action": "type url appid pagepath",
    "card_image": "url aspect_ratio",
    "image_text_area": "type url appid pagepath title desc image_url",
    "button_selection": "question_key title disable selected_id option_list",
    "checkbox": "question_key disable mode option_list",
    "submit_button": "text key",
    "feedback": "id",
}
_ITEMS = {
    "horizontal_content_list": "type keyname value url userid",
    "jump_list": "type title url appid pagepath question",
    "vertical_content_list": "title desc",
    "button_list": "text style key",
    "select_list": "question_key title disable selected_id option_list",
}
_KINDS_OF_LINK = {"quote_area": (0, 1, 2), "card_action": (0, 1, 2), "image_text_area": (0, 1, 2)}
_LENGTHS: Dict[str, Tuple[int, int]] = {
    "horizontal_content_list": (0, 6),
    "jump_list": (0, 3),
    "vertical_content_list": (0, 4),
    "button_list": (1, 6),
    "select_list": (1, 3),
}


def _names(text: str) -> FrozenSet[str]:
    return frozenset(text.split())


def unknown_fields(card: Dict[str, Any]) -> List[str]:
    """Names the protocol does not have, as paths, in a card without faults; the platform ignores them, so
    they are only noted.
    """
    found: List[str] = []
    every = _names(_COMMON).union(*(_names(own) for own in _OWN.values()))
    found += sorted(set(card) - every)
    for part, names in _PARTS.items():
        if isinstance(card.get(part), dict):
            found += [f"{part}.{name}" for name in sorted(set(card[part]) - _names(names))]
    for part, names in _ITEMS.items():
        for item in card.get(part) or ():
            found += [f"{part}[].{name}" for name in sorted(set(item) - _names(names))]
    return found


def card_faults(card: Any) -> List[str]:
    """Every rule that *card* breaks, as sentences; an empty list means the platform takes it."""
    if not isinstance(card, dict):
        return ["template_card is not an object"]
    kind = card.get("card_type")
    if kind not in CARD_TYPES:
        return [f"card_type is not one of {', '.join(CARD_TYPES)}"]
    faults = list(_shape(card, kind))
    if faults:  # the rules below may then take every part to be of its type
        return faults
    return [*_required(card, kind), *_common(card), *_own(card)]


def _shape(card: Dict[str, Any], kind: str) -> Iterator[str]:
    allowed = _names(_COMMON) | _names(_OWN[kind])
    for name in sorted(set(_PARTS) | set(_ITEMS)):
        if card.get(name) is None:
            continue
        if name not in allowed:
            yield f"{name} does not belong into a {kind}"
        elif name in _PARTS and not isinstance(card[name], dict):
            yield f"{name} is not an object"
        elif name in _ITEMS and not _is_list_of_objects(card[name]):
            yield f"{name} is not a list of objects"
    for name in ("sub_title_text", "task_id"):
        if card.get(name) is not None and not isinstance(card[name], str):
            yield f"{name} is not a string"


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _required(card: Dict[str, Any], kind: str) -> Iterator[str]:
    title = card.get("main_title") or {}
    if kind == "text_notice" and not (title.get("title") or card.get("sub_title_text")):
        yield "a text_notice needs main_title.title or sub_title_text"
    if kind in ("news_notice", "button_interaction") and not (title.get("title") or title.get("desc")):
        yield f"a {kind} needs main_title"
    needs = {
        "text_notice": ("card_action",),
        "news_notice": ("card_action",),
        "button_interaction": ("button_list",),
        "vote_interaction": ("checkbox", "submit_button"),
        "multiple_interaction": ("select_list", "submit_button"),
    }[kind]
    for name in needs:
        if not card.get(name):
            yield f"a {kind} needs {name}"
    if kind in INTERACTIVE and not card.get("task_id"):
        yield f"a {kind} needs task_id"


def _common(card: Dict[str, Any]) -> Iterator[str]:
    task_id = card.get("task_id")
    if task_id:
        yield from _at_most(task_id, MAX_TASK_ID_BYTES, "task_id")
        if not _TASK_ID.match(task_id):
            yield "task_id may hold only A-Z, a-z, 0-9, _, @ and -"
    if (card.get("source") or {}).get("desc_color") not in (None, 0, 1, 2, 3):
        yield "source.desc_color is not 0 to 3"
    feedback = card.get("feedback")
    if feedback is not None:
        yield from _text(feedback, "id", "feedback", MAX_FEEDBACK_ID_BYTES)
    for name, kinds in _KINDS_OF_LINK.items():
        if card.get(name) is not None:
            yield from _link(card[name], name, kinds)
    for name, (least, most) in _LENGTHS.items():
        if card.get(name) is not None and not least <= len(card[name]) <= most:
            yield f"{name} has {len(card[name])} entries, allowed are {least} to {most}"
    yield from _action_menu(card.get("action_menu"))
    for item in card.get("horizontal_content_list") or ():
        yield from _text(item, "keyname", "horizontal_content_list")
        yield from _link(item, "horizontal_content_list", (0, 1, 3))
    for item in card.get("jump_list") or ():
        yield from _text(item, "title", "jump_list")
        yield from _link(item, "jump_list", (0, 1, 2, 3), jump=True)


def _own(card: Dict[str, Any]) -> Iterator[str]:
    image = card.get("card_image")
    if image is not None:
        yield from _text(image, "url", "card_image")
        ratio = image.get("aspect_ratio")
        if ratio is not None and not (_is_number(ratio) and ASPECT_RATIO[0] <= ratio <= ASPECT_RATIO[1]):
            yield f"card_image.aspect_ratio is not within {ASPECT_RATIO[0]} to {ASPECT_RATIO[1]}"
    if card.get("image_text_area") is not None:
        yield from _text(card["image_text_area"], "image_url", "image_text_area")
    for item in card.get("vertical_content_list") or ():
        yield from _text(item, "title", "vertical_content_list")
    buttons = card.get("button_list") or ()
    for button in buttons:
        yield from _text(button, "text", "button_list")
        yield from _text(button, "key", "button_list", MAX_KEY_BYTES)
        if button.get("style") not in (None, 1, 2, 3, 4):
            yield "button_list: style is not 1 to 4"
    yield from _distinct([button.get("key") for button in buttons], "button_list", "key")
    if card.get("submit_button") is not None:
        yield from _text(card["submit_button"], "text", "submit_button")
        yield from _text(card["submit_button"], "key", "submit_button", MAX_KEY_BYTES)
    yield from _questions(card)


def _questions(card: Dict[str, Any]) -> Iterator[str]:
    checkbox = card.get("checkbox")
    if checkbox is not None:
        if checkbox.get("mode") not in (None, 0, 1):
            yield "checkbox.mode is not 0 or 1"
        yield from _question(checkbox, "checkbox", 20)
    if card.get("button_selection") is not None:
        yield from _question(card["button_selection"], "button_selection", 10)
    selects = card.get("select_list") or ()
    for select in selects:
        yield from _question(select, "select_list", 10)
    yield from _distinct([select.get("question_key") for select in selects], "select_list", "question_key")


def _question(question: Dict[str, Any], where: str, most: int) -> Iterator[str]:
    yield from _text(question, "question_key", where, MAX_KEY_BYTES)
    options = question.get("option_list")
    if not _is_list_of_objects(options) or not 1 <= len(options) <= most:  # type: ignore[arg-type]
        yield f"{where}.option_list does not have 1 to {most} objects"
        return
    for option in options or ():
        yield from _text(option, "id", f"{where}.option_list", MAX_OPTION_ID_BYTES)
        yield from _text(option, "text", f"{where}.option_list")
    yield from _distinct([option.get("id") for option in options or ()], f"{where}.option_list", "id")


def _action_menu(menu: Optional[Dict[str, Any]]) -> Iterator[str]:
    if menu is None:
        return
    yield from _text(menu, "desc", "action_menu")
    actions = menu.get("action_list")
    if not _is_list_of_objects(actions) or not 1 <= len(actions) <= 3:  # type: ignore[arg-type]
        yield "action_menu.action_list does not have 1 to 3 objects"
        return
    for action in actions or ():
        yield from _text(action, "text", "action_list")
        yield from _text(action, "key", "action_list", MAX_KEY_BYTES)
    yield from _distinct([action.get("key") for action in actions or ()], "action_list", "key")


def _link(part: Dict[str, Any], where: str, kinds: Sequence[int], *, jump: bool = False) -> Iterator[str]:
    kind = part.get("type")
    if kind is None:
        kind = 0
    if isinstance(kind, bool) or kind not in kinds:
        yield f"{where}.type is not one of {', '.join(map(str, kinds))}"
    elif kind == 1:
        yield from _text(part, "url", where)
    elif kind == 2:
        yield from _text(part, "appid", where)
    elif kind == 3 and jump:
        yield from _text(part, "question", where, MAX_QUESTION_BYTES)
    elif kind == 3:
        yield from _text(part, "userid", where)


def _text(part: Dict[str, Any], name: str, where: str, most: Optional[int] = None) -> Iterator[str]:
    value = part.get(name)
    if not isinstance(value, str) or not value:
        yield f"{where}.{name} is missing or not a string"
    elif most is not None:
        yield from _at_most(value, most, f"{where}.{name}")


def _at_most(value: str, most: int, what: str) -> Iterator[str]:
    size = len(value.encode("utf-8", "surrogatepass"))
    if size > most:
        yield f"{what} has {size} bytes, allowed are {most}"


def _distinct(values: List[Any], where: str, name: str) -> Iterator[str]:
    texts = [value for value in values if isinstance(value, str)]
    if len(set(texts)) != len(texts):
        yield f"{where}: the same {name} stands twice"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
