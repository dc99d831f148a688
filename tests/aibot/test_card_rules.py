"""Every rule for cards, broken one at a time."""

from __future__ import annotations

import copy
from typing import Any, Dict

import pytest

from wxsdk.aibot.card_rules import check_wire_card
from wxsdk.errors import ConfigError, LimitExceeded

OPTIONS = [{"id": "a", "text": "A"}, {"id": "b", "text": "B"}]
TITLE = {"title": "T", "desc": "D"}
CARDS: Dict[str, Dict[str, Any]] = {
    "text_notice": {
        "card_type": "text_notice",
        "main_title": TITLE,
        "card_action": {"type": 1, "url": "https://x"},
        "source": {"icon_url": "https://i", "desc": "s", "desc_color": 3},
        "action_menu": {"desc": "m", "action_list": [{"text": "t", "key": "k"}]},
        "emphasis_content": {"title": "100", "desc": "d"},
        "quote_area": {"type": 2, "appid": "wx", "pagepath": "p", "title": "q", "quote_text": "t"},
        "sub_title_text": "s",
        "horizontal_content_list": [{"keyname": "k"}, {"keyname": "k", "type": 3, "userid": "u"}],
        "jump_list": [{"title": "j", "type": 3, "question": "q" * 200}],
        "task_id": "a_Z-9@",
        "feedback": {"id": "f"},
    },
    "news_notice": {
        "card_type": "news_notice",
        "main_title": TITLE,
        "card_action": {"type": 2, "appid": "wx"},
        "card_image": {"url": "https://i", "aspect_ratio": 2.25},
        "image_text_area": {"type": 1, "url": "https://x", "image_url": "https://i", "title": "t"},
        "vertical_content_list": [{"title": "t", "desc": "d"}] * 4,
    },
    "button_interaction": {
        "card_type": "button_interaction",
        "main_title": TITLE,
        "button_selection": {"question_key": "q", "option_list": OPTIONS, "selected_id": "b"},
        "button_list": [{"text": "t", "style": style, "key": str(style)} for style in (1, 2, 3, 4)],
        "task_id": "t",
    },
    "vote_interaction": {
        "card_type": "vote_interaction",
        "checkbox": {
            "question_key": "q",
            "mode": 1,
            "option_list": [{**OPTIONS[0], "is_checked": True}],
            "disable": False,
        },
        "submit_button": {"text": "t", "key": "k"},
        "task_id": "t",
    },
    "multiple_interaction": {
        "card_type": "multiple_interaction",
        "select_list": [
            {"question_key": f"q{n}", "title": "t", "option_list": OPTIONS, "disable": True} for n in range(3)
        ],
        "submit_button": {"text": "t", "key": "k"},
        "task_id": "t",
    },
}


def changed(kind: str, path: str, value: Any) -> Dict[str, Any]:
    """The good card of *kind* with one value at a dotted path replaced; ... removes it."""
    card = copy.deepcopy(CARDS[kind])
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    spot: Any = card
    for step in way:
        spot = spot[step]
    if value is ...:
        del spot[last]
    else:
        spot[last] = value
    return card


@pytest.mark.parametrize("kind", CARDS)
def test_a_good_card_passes(kind: str) -> None:
    before = copy.deepcopy(CARDS[kind])
    assert check_wire_card(CARDS[kind]) is None
    assert CARDS[kind] == before


REFUSED = [
    ("text_notice", "card_type", "notice"),
    ("text_notice", "card_type", ...),
    ("text_notice", "card_type", ["text_notice"]),
    ("text_notice", "card_action", ...),
    ("text_notice", "card_action.type", 3),
    ("text_notice", "card_action.type", True),
    ("text_notice", "card_action.url", ...),
    ("text_notice", "card_action", {"type": 2}),
    ("text_notice", "source.desc_color", 4),
    ("text_notice", "source", "s"),
    ("text_notice", "source.desc", 5),
    ("text_notice", "action_menu.desc", ...),
    ("text_notice", "action_menu.action_list", []),
    ("text_notice", "action_menu.action_list.0.key", ""),
    ("text_notice", "action_menu.action_list", [{"text": "t", "key": "k"}] * 2),
    ("text_notice", "main_title.title", 5),
    ("text_notice", "emphasis_content.title", []),
    ("text_notice", "quote_area.type", 3),
    ("text_notice", "quote_area.appid", ...),
    ("text_notice", "sub_title_text", 5),
    ("text_notice", "horizontal_content_list.0.keyname", ...),
    ("text_notice", "horizontal_content_list.0.type", 2),
    ("text_notice", "horizontal_content_list.0.type", 1),
    ("text_notice", "horizontal_content_list.1.userid", ...),
    ("text_notice", "horizontal_content_list.0", "k"),
    ("text_notice", "horizontal_content_list", {}),
    ("text_notice", "jump_list.0.title", ...),
    ("text_notice", "jump_list.0.question", ...),
    ("text_notice", "jump_list.0.question", ""),
    ("text_notice", "jump_list.0", {"title": "t", "question": 5}),
    ("text_notice", "jump_list.0.type", 4),
    ("text_notice", "task_id", "spaces are bad"),
    ("text_notice", "task_id", "汉字"),
    ("text_notice", "task_id", "newline\n"),
    ("text_notice", "feedback", {}),
    ("text_notice", "checkbox", {"question_key": "q", "option_list": OPTIONS}),
    ("news_notice", "main_title", ...),
    ("news_notice", "main_title", {}),
    ("news_notice", "main_title", {"title": ""}),
    ("news_notice", "card_action", ...),
    ("news_notice", "card_image.url", ...),
    ("news_notice", "card_image.aspect_ratio", 1.29),
    ("news_notice", "card_image.aspect_ratio", 2.26),
    ("news_notice", "card_image.aspect_ratio", float("nan")),
    ("news_notice", "card_image.aspect_ratio", "1.5"),
    ("news_notice", "image_text_area.image_url", ...),
    ("news_notice", "image_text_area.url", ...),
    ("news_notice", "vertical_content_list.0.title", ...),
    ("news_notice", "button_list", [{"text": "t", "key": "k"}]),
    ("button_interaction", "main_title", ...),
    ("button_interaction", "button_list", ...),
    ("button_interaction", "button_list", []),
    ("button_interaction", "button_list.0.text", ""),
    ("button_interaction", "button_list.0.key", ...),
    ("button_interaction", "button_list.0.style", 0),
    ("button_interaction", "button_list.0.style", 5),
    ("button_interaction", "button_list.0.key", "2"),
    ("button_interaction", "button_selection.option_list", []),
    ("button_interaction", "button_selection.question_key", ...),
    ("button_interaction", "button_selection.option_list.1.id", "a"),
    ("button_interaction", "button_selection.selected_id", 5),
    ("button_interaction", "task_id", ...),
    ("button_interaction", "task_id", ""),
    ("vote_interaction", "checkbox", ...),
    ("vote_interaction", "checkbox.mode", 2),
    ("vote_interaction", "checkbox.disable", 1),
    ("vote_interaction", "checkbox.option_list", ...),
    ("vote_interaction", "checkbox.option_list.0.is_checked", "yes"),
    ("vote_interaction", "submit_button", ...),
    ("vote_interaction", "submit_button.key", ...),
    ("vote_interaction", "task_id", ...),
    ("vote_interaction", "select_list", []),
    ("multiple_interaction", "select_list", ...),
    ("multiple_interaction", "select_list.0.option_list", []),
    ("multiple_interaction", "select_list.0.question_key", "q1"),
    ("multiple_interaction", "submit_button", ...),
    ("multiple_interaction", "task_id", ...),
]


@pytest.mark.parametrize(("kind", "path", "value"), REFUSED)
def test_a_broken_rule_is_refused_by_the_field_s_name(kind: str, path: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=r"template_card\." + path.split(".")[0]):
        check_wire_card(changed(kind, path, value))


TOO_MUCH = [
    ("text_notice", "action_menu.action_list", [{"text": "t", "key": str(n)} for n in range(4)], 3, 4),
    ("text_notice", "action_menu.action_list.0.key", "k" * 1025, 1024, 1025),
    ("text_notice", "horizontal_content_list", [{"keyname": "k"}] * 7, 6, 7),
    ("text_notice", "jump_list", [{"title": "t"}] * 4, 3, 4),
    ("text_notice", "jump_list.0.question", "问" * 67, 200, 201),
    ("text_notice", "jump_list.0", {"title": "t", "question": "q" * 201}, 200, 201),
    ("text_notice", "jump_list.0", {"title": "t", "type": 0, "question": "q" * 201}, 200, 201),
    ("text_notice", "task_id", "t" * 129, 128, 129),
    ("text_notice", "feedback.id", "f" * 257, 256, 257),
    ("news_notice", "vertical_content_list", [{"title": "t"}] * 5, 4, 5),
    ("button_interaction", "button_list", [{"text": "t", "key": str(n)} for n in range(7)], 6, 7),
    ("button_interaction", "button_list.0.key", "k" * 1025, 1024, 1025),
    ("button_interaction", "button_selection.option_list", [{"id": str(n), "text": "t"} for n in range(11)], 10, 11),
    ("vote_interaction", "checkbox.option_list", [{"id": str(n), "text": "t"} for n in range(21)], 20, 21),
    ("vote_interaction", "checkbox.option_list.0.id", "i" * 129, 128, 129),
    ("vote_interaction", "submit_button.key", "k" * 1025, 1024, 1025),
    ("multiple_interaction", "select_list", [{}] * 4, 3, 4),
    ("multiple_interaction", "select_list.0.option_list", [{"id": str(n), "text": "t"} for n in range(11)], 10, 11),
]


@pytest.mark.parametrize(("kind", "path", "value", "limit", "actual"), TOO_MUCH)
def test_too_much_is_refused_with_limit_and_actual(kind: str, path: str, value: Any, limit: int, actual: int) -> None:
    with pytest.raises(LimitExceeded, match=r"template_card\." + path.split(".")[0]) as caught:
        check_wire_card(changed(kind, path, value))
    assert (caught.value.limit, caught.value.actual) == (limit, actual)


def test_paths_name_the_entry() -> None:
    with pytest.raises(ConfigError, match=r"template_card\.button_list\[2\]\.style"):
        check_wire_card(changed("button_interaction", "button_list.2.style", 9))


def test_a_text_notice_does_with_a_sub_title_alone() -> None:
    card = {"card_type": "text_notice", "sub_title_text": "s", "card_action": {"type": 0}}
    assert check_wire_card(card) is None
    with pytest.raises(ConfigError, match="main_title"):
        check_wire_card({**card, "sub_title_text": ""})


@pytest.mark.parametrize("card", [None, [], "card", 5])
def test_a_card_is_an_object(card: Any) -> None:
    with pytest.raises(ConfigError, match="template_card"):
        check_wire_card(card)
