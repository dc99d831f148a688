"""Sends by itself, from a thread of the program, to everybody who has written within the last 24 hours.

Run it: wxsdk sim -- python examples/clients/ilink_push.py
"""

import threading

from wxsdk import MessageContext, SendRejected, WeixinClient, WeixinConfig, WxError


class Announcer:
    def __init__(self, config: WeixinConfig) -> None:
        self.client = WeixinClient(config, self.on_message)

    def on_message(self, ctx: MessageContext) -> None:
        ctx.reply_text("You will hear from me.")

    def announce(self, text: str) -> int:
        """Send *text* to every known user; how many got it. May be called from any thread."""
        reached = 0
        for user_id in self.client.context_tokens.export_all():
            if not self.client.quota(user_id).remaining:
                continue  # the platform would refuse: the user has to write first
            try:
                self.client.send_text(user_id, text)
            except SendRejected as refusal:
                print(user_id, refusal.remedy)
            else:
                reached += 1
        return reached


def main() -> None:
    announcer = Announcer(WeixinConfig.from_env())
    stop = threading.Event()

    def every_hour() -> None:
        while not stop.wait(3600):
            announcer.announce("Another hour has gone by.")

    threading.Thread(target=every_hour, daemon=True).start()
    announcer.client.run()
    stop.set()


if __name__ == "__main__":
    try:
        main()
    except WxError as error:  # no account, say
        raise SystemExit(str(error)) from None
