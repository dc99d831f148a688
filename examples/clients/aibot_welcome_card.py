"""Greets with a card that has buttons, and updates the very card when one is pressed.

Run it: wxsdk sim -- python examples/clients/aibot_welcome_card.py
"""

from wxsdk import Button, TemplateCard, WSClient, WSClientOptions, WsFrame, WxError

CHOICES = {"weather": "It is sunny.", "lunch": "There are dumplings."}


def make_client(options: WSClientOptions) -> WSClient:
    client = WSClient(options)

    @client.on_event_enter_chat
    def greet(frame: WsFrame) -> None:
        card = TemplateCard.button_interaction(
            title="Good morning",
            desc="What would you like to know?",
            buttons=[Button("The weather", key="weather"), Button("Lunch", key="lunch")],
        )
        client.reply_welcome(frame, {"msgtype": "template_card", "template_card": card})

    @client.on_event_template_card_event
    def answer(frame: WsFrame) -> None:
        click = frame.body.event.template_card_event
        card = TemplateCard.text_notice(
            CHOICES.get(click.event_key, "?"), card_action="https://work.weixin.qq.com", task_id=click.task_id
        )
        client.update_template_card(frame, card)

    return client


if __name__ == "__main__":
    try:
        make_client(WSClientOptions.from_env()).run()
    except WxError as error:  # no account, say
        raise SystemExit(str(error)) from None
