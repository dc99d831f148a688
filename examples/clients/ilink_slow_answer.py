"""A bot whose answers take a while, as those of a language model do. The user sees "typing" all the time.

Other users do not wait meanwhile: each has a lane of its own.

Run it: wxsdk sim -- python examples/clients/ilink_slow_answer.py
"""

from typing import Callable, Iterator

from wxsdk import MessageContext, StreamingMarkdownFilter, WeixinClient, WeixinConfig, WxError

Model = Callable[[str], Iterator[str]]


def make_client(config: WeixinConfig, model: Model) -> WeixinClient:
    def on_message(ctx: MessageContext) -> None:
        if not ctx.body:
            ctx.reply_text("I can only read text, so far.")
            return
        with ctx.typing():
            markdown = StreamingMarkdownFilter()
            answer = "".join(markdown.feed(token) for token in model(ctx.body)) + markdown.flush()
        ctx.reply_text(answer)

    return WeixinClient(config, on_message)


def parrot(question: str) -> Iterator[str]:
    """Stands where your model's client would be."""
    yield from f"You asked: **{question}** I think so, too.".split(" ")


if __name__ == "__main__":
    try:
        make_client(WeixinConfig.from_env(), parrot).run()
    except WxError as error:  # no account, say
        raise SystemExit(str(error)) from None
