"""The bot: counts in the database how often each user wrote."""

from __future__ import annotations

from wxsdk import MessageContext, WeixinClient, WeixinConfig
from wxsdk.ext.django import with_database


@with_database
def on_message(ctx: MessageContext) -> None:
    from .models import Visitor  # the models are there once Django is set up

    visitor, _ = Visitor.objects.get_or_create(user=ctx.from_user_id)
    visitor.messages += 1  # messages of one user are handled one at a time
    visitor.save()
    ctx.reply_text(f"Hello, {visitor.user}. That was message {visitor.messages}.")


def client() -> WeixinClient:
    """Make the client. A function, so that commands that need no bot need no account either."""
    return WeixinClient(WeixinConfig.from_env(), on_message)
