from __future__ import annotations

from typing import Any, Dict

import pytest

from wxsdk.sim.aibot.cards import card_faults, unknown_fields

Card = Dict[str, Any]

TEXT: Card = {
    "card_type": "text_notice",
    "main_title": {"title": "t"},
    "card_action": {"type": 1, "url": "https://x"},
}
NEWS: Card = {**TEXT, "card_type": "news_notice", "card_image": {"url": "https://x", "aspect_ratio": 1.3}}
BUTTON: Card = {
    "card_type": "button_interaction",
    "main_title": {"desc": "d"},
    "button_list": [{"text": "a", "key": "a", "style": 4}],
    "task_id": "t-1_@",
}
OPTIONS = [{"id": "1", "text": "one", "is_checked": True}, {"id": "2", "text": "two"}]
VOTE: Card = {
    "card_type": "vote_interaction",
    "checkbox": {"question_key": "q", "mode": 1, "option_list": OPTIONS},
    "submit_button": {"text": "s", "key": "s"},
    "task_id": "t",
}
MULTIPLE: Card = {
    "card_type": "multiple_interaction",
    "select_list": [{"question_key": "q", "title": "t", "option_list": OPTIONS[1:]}],
    "submit_button": {"text": "s", "key": "s"},
    "task_id": "t",
}
FULL: Card = {
    **NEWS,
    "source": {"icon_url": "https://x", "desc": "d", "desc_color": 3},
    "action_menu": {"desc": "d", "action_list": [{"text": "a", "key": "k"}]},
    "emphasis_content": {"title": "1", "desc": "2"},
    "quote_area": {"type": 2, "appid": "wx", "pagepath": "p", "title": "t", "quote_text": "q"},
    "sub_title_text": "s",
    "horizontal_content_list": [{"keyname": "k"}, {"type": 1, "keyname": "k", "url": "https://x"}],
    "jump_list": [{"title": "t"}, {"type": 3, "title": "t", "question": "q" * 200}],
    "image_text_area": {"image_url": "https://x", "type": 0},
    "vertical_content_list": [{"title": "t", "desc": "d"}] * 4,
    "feedback": {"id": "f"},
    "task_id": "t",
}


@pytest.mark.parametrize("card", [TEXT, NEWS, BUTTON, VOTE, MULTIPLE, FULL], ids=lambda card: len(card))
def test_a_good_card_has_no_faults(card: Card) -> None:
    assert card_faults(card) == []
    assert unknown_fields(card) == []


@pytest.mark.parametrize(
    ("card", "fault"),
    [
        (None, "not an object"),
        ({}, "card_type is not one of"),
        ({**TEXT, "card_type": "text"}, "card_type is not one of"),
        ({**TEXT, "main_title": {}}, "main_title.title or sub_title_text"),
        ({**TEXT, "card_action": None}, "needs card_action"),
        ({**TEXT, "card_action": {"type": 1}}, "card_action.url"),
        ({**TEXT, "card_action": {"type": 2}}, "card_action.appid"),
        ({**TEXT, "card_action": {"type": 3}}, "card_action.type is not one of 0, 1, 2"),
        ({**TEXT, "button_list": []}, "button_list does not belong into a text_notice"),
        ({**TEXT, "source": []}, "source is not an object"),
        ({**TEXT, "source": {"desc_color": 4}}, "desc_color"),
        ({**TEXT, "jump_list": [{"title": "t"}] * 4}, "jump_list has 4 entries"),
        ({**TEXT, "jump_list": ["t"]}, "jump_list is not a list of objects"),
        ({**TEXT, "jump_list": [{"type": 3, "title": "t"}]}, "jump_list.question"),
        ({**TEXT, "jump_list": [{"type": 3, "title": "t", "question": "字" * 67}]}, "201 bytes"),
        ({**TEXT, "horizontal_content_list": [{"keyname": "k"}] * 7}, "has 7 entries"),
        ({**TEXT, "horizontal_content_list": [{"type": 3, "keyname": "k"}]}, "userid"),
        ({**TEXT, "horizontal_content_list": [{"type": 2, "keyname": "k"}]}, "is not one of 0, 1, 3"),
        ({**TEXT, "horizontal_content_list": [{}]}, "keyname"),
        ({**TEXT, "quote_area": {"type": 1}}, "quote_area.url"),
        ({**TEXT, "action_menu": {"action_list": []}}, "action_menu.desc"),
        ({**TEXT, "action_menu": {"desc": "d", "action_list": []}}, "1 to 3 objects"),
        (
            {**TEXT, "action_menu": {"desc": "d", "action_list": [{"text": "a", "key": "k"}] * 2}},
            "stands twice",
        ),
        ({**TEXT, "task_id": "a b"}, "task_id may hold only"),
        ({**TEXT, "task_id": "a\n"}, "task_id may hold only"),
        ({**TEXT, "task_id": "a" * 129}, "129 bytes"),
        ({**TEXT, "task_id": 5}, "task_id is not a string"),
        ({**TEXT, "feedback": {"id": "f" * 257}}, "257 bytes"),
        ({**NEWS, "main_title": None}, "needs main_title"),
        ({**NEWS, "card_image": {"url": "https://x", "aspect_ratio": 2.26}}, "aspect_ratio"),
        ({**NEWS, "card_image": {"url": "https://x", "aspect_ratio": True}}, "aspect_ratio"),
        ({**NEWS, "card_image": {}}, "card_image.url"),
        ({**NEWS, "image_text_area": {}}, "image_text_area.image_url"),
        ({**NEWS, "vertical_content_list": [{"title": "t"}] * 5}, "has 5 entries"),
        ({**NEWS, "vertical_content_list": [{}]}, "vertical_content_list.title"),
        ({**BUTTON, "task_id": ""}, "needs task_id"),
        ({**BUTTON, "button_list": []}, "needs button_list"),
        ({**BUTTON, "button_list": [{"text": "a", "key": str(n)} for n in range(7)]}, "has 7 entries"),
        ({**BUTTON, "button_list": [{"text": "a", "key": "a"}] * 2}, "stands twice"),
        ({**BUTTON, "button_list": [{"text": "a", "key": "a" * 1025}]}, "1025 bytes"),
        ({**BUTTON, "button_list": [{"text": "a", "key": "a", "style": 5}]}, "style"),
        ({**BUTTON, "button_selection": {"question_key": "q", "option_list": []}}, "1 to 10 objects"),
        ({**VOTE, "submit_button": None}, "needs submit_button"),
        ({**VOTE, "submit_button": {"key": "k"}}, "submit_button.text"),
        ({**VOTE, "checkbox": {"question_key": "q", "option_list": OPTIONS * 2}}, "stands twice"),
        ({**VOTE, "checkbox": {"question_key": "q", "mode": 2, "option_list": OPTIONS}}, "mode"),
        ({**VOTE, "checkbox": {"option_list": OPTIONS}}, "question_key"),
        (
            {**VOTE, "checkbox": {"question_key": "q", "option_list": [{"id": "i" * 129, "text": "t"}]}},
            "129 bytes",
        ),
        ({**MULTIPLE, "select_list": MULTIPLE["select_list"] * 2}, "the same question_key"),
        ({**MULTIPLE, "select_list": MULTIPLE["select_list"] * 4}, "has 4 entries"),
    ],
)
def test_each_rule_is_kept(card: Any, fault: str) -> None:
    assert fault in "; ".join(card_faults(card))


def test_the_most_that_is_allowed_is_allowed() -> None:
    many = [{"id": str(number), "text": "t"} for number in range(20)]
    assert card_faults({**VOTE, "checkbox": {"question_key": "q" * 1024, "option_list": many}}) == []
    selects = [{"question_key": str(number), "option_list": many[:10]} for number in range(3)]
    assert card_faults({**MULTIPLE, "select_list": selects, "task_id": "t" * 128}) == []
    assert card_faults({**NEWS, "card_image": {"url": "u", "aspect_ratio": 2.25}}) == []


def test_unknown_fields_are_named_by_their_path() -> None:
    card = {
        **BUTTON,
        "colour": 1,
        "main_title": {"title": "t", "size": 2},
        "button_list": [{"text": "a", "key": "a", "x": 1}],
    }
    assert card_faults(card) == []
    assert unknown_fields(card) == ["colour", "main_title.size", "button_list[].x"]
