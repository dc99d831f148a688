"""Takes a vote with a card, and counts.

Run it: wxsdk sim -- python examples/clients/aibot_vote.py
"""

from collections import Counter
from typing import Counter as CounterType

from wxsdk import Checkbox, Option, TemplateCard, WSClient, WSClientOptions, WsFrame, WxError

DISHES = {"dumplings": "Dumplings", "noodles": "Noodles", "rice": "Fried rice"}


def make_client(options: WSClientOptions, votes: CounterType[str]) -> WSClient:
    client = WSClient(options)

    @client.on_message_text
    def ask(frame: WsFrame) -> None:
        dishes = [Option(key, name) for key, name in DISHES.items()]
        card = TemplateCard.vote_interaction("What shall we eat?", checkbox=Checkbox("dish", dishes))
        client.reply_template_card(frame, card)

    @client.on_event_template_card_event
    def count(frame: WsFrame) -> None:
        click = frame.body.event.template_card_event
        for item in click.selected_items.selected_item:
            votes.update(item.option_ids.option_id)
        dish, number = votes.most_common(1)[0]
        title = f"{DISHES[dish]} leads with {number}"
        card = TemplateCard.text_notice(title, card_action="https://work.weixin.qq.com", task_id=click.task_id)
        client.update_template_card(frame, card)

    return client


if __name__ == "__main__":
    try:
        make_client(WSClientOptions.from_env(), Counter()).run()
    except WxError as error:  # no account, say
        raise SystemExit(str(error)) from None
