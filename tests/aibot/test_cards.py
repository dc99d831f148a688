"""Cards and their builders."""

from __future__ import annotations

import re

import pytest

from wxsdk.aibot.card_rules import check_card
from wxsdk.aibot.cards import (
    ActionMenu,
    Button,
    CardAction,
    CardCache,
    CardImage,
    Checkbox,
    HorizontalContent,
    Jump,
    MainTitle,
    MenuAction,
    Option,
    Selection,
    SubmitButton,
    TemplateCard,
    TemplateCardType,
)
from wxsdk.errors import ConfigError, LimitExceeded

BUTTONS = [Button("同意", key="yes", style=1), Button("拒绝", key="no", style=2)]


def test_a_button_card_is_built_in_one_line() -> None:
    card = TemplateCard.button_interaction("请审批", "张三的假条", buttons=BUTTONS, task_id="leave-1")
    assert card.to_dict() == {
        "card_type": "button_interaction",
        "main_title": {"title": "请审批", "desc": "张三的假条"},
        "button_list": [{"text": "同意", "key": "yes", "style": 1}, {"text": "拒绝", "key": "no", "style": 2}],
        "task_id": "leave-1",
    }


def test_notices_open_a_url() -> None:
    assert TemplateCard.text_notice("T", card_action="https://x").to_dict()["card_action"] == {
        "type": 1,
        "url": "https://x",
    }
    news = TemplateCard.news_notice(
        "T", card_action=CardAction.to_app("wx1", "pages/a"), card_image=CardImage("https://i", 1.3)
    )
    assert news.to_dict()["card_action"] == {"type": 2, "appid": "wx1", "pagepath": "pages/a"}


def test_votes_and_forms_have_a_submit_button() -> None:
    options = [Option("a", "苹果"), Option("b", "梨")]
    vote = TemplateCard.vote_interaction("吃什么", checkbox=Checkbox("fruit", options, mode=1))
    form = TemplateCard.multiple_interaction(
        selects=[Selection("fruit", options, "水果")], submit=SubmitButton("好", "ok"), main_title=MainTitle("表")
    )
    assert vote.to_dict()["submit_button"] == {"text": "提交", "key": "submit"}
    assert form.to_dict()["submit_button"] == {"text": "好", "key": "ok"}
    assert form.to_dict()["main_title"] == {"title": "表"}


def test_a_task_id_is_made_up_where_a_click_needs_one() -> None:
    first = TemplateCard.button_interaction("T", buttons=BUTTONS)
    second = TemplateCard.button_interaction("T", buttons=BUTTONS)
    assert first.task_id is not None
    assert re.fullmatch(r"[A-Za-z0-9_@-]{1,128}", first.task_id)
    assert first.task_id != second.task_id
    assert first.task_id_is_made_up
    assert "task_id_is_made_up" not in first.to_dict()
    menu = ActionMenu("more", [MenuAction("mute", "mute")])
    assert TemplateCard.text_notice("T", card_action="https://x", action_menu=menu).task_id
    assert TemplateCard.text_notice("T", card_action="https://x").task_id is None


def test_a_builder_checks_at_once() -> None:
    with pytest.raises(LimitExceeded, match="button_list"):
        TemplateCard.button_interaction("T", buttons=[Button("t", str(n)) for n in range(7)])
    with pytest.raises(ConfigError, match="main_title"):
        TemplateCard.text_notice(card_action="https://x")
    with pytest.raises(ConfigError, match="task_id"):
        TemplateCard.button_interaction("T", buttons=BUTTONS, task_id="bad id")


def test_a_misspelt_field_is_refused() -> None:
    with pytest.raises(TypeError, match="jump_lists"):
        TemplateCard.text_notice("T", card_action="https://x", jump_lists=[])


def test_parts_may_be_dicts() -> None:
    card = TemplateCard.button_interaction(
        "T",
        buttons=[{"text": "t", "key": "k"}],
        horizontal_content_list=[{"keyname": "k", "value": "v"}, HorizontalContent("n", "w")],
        jump_list=[Jump.to_url("j", "https://x"), Jump.ask("a", "why?")],
        task_id="t",
    )
    wire = card.to_dict()
    assert wire["horizontal_content_list"] == [{"keyname": "k", "value": "v"}, {"keyname": "n", "value": "w"}]
    assert wire["jump_list"][1] == {"title": "a", "type": 3, "question": "why?"}


def test_plain_dicts_are_checked_too() -> None:
    wire = TemplateCard.button_interaction("T", buttons=BUTTONS).to_dict()
    assert check_card(wire) == wire
    with pytest.raises(ConfigError):
        check_card({**wire, "card_type": "poster"})


def test_a_card_survives_the_round_trip_with_fields_of_tomorrow() -> None:
    wire = {**TemplateCard.button_interaction("T", buttons=BUTTONS).to_dict(), "sparkle": {"level": 3}}
    assert TemplateCard.from_dict(wire).to_dict() == wire


def test_the_cache_gives_copies_and_forgets_the_oldest() -> None:
    cache = CardCache(2)
    for number in range(3):
        cache.remember(TemplateCard.button_interaction("T", buttons=BUTTONS, task_id=f"t{number}").to_dict())
    cache.remember(TemplateCard.text_notice("T", card_action="https://x").to_dict())
    assert len(cache) == 2
    assert cache.find("t0") is None
    assert cache.find(None) is None
    found = cache.find("t2")
    assert found is not None
    found.main_title = MainTitle("changed")
    again = cache.find("t2")
    assert again is not None
    assert again.main_title == MainTitle("T")


def test_card_types_are_words() -> None:
    assert [str(kind) for kind in TemplateCardType][:2] == ["text_notice", "news_notice"]
