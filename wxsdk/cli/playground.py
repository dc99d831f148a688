"""``wxsdk sim``: both simulators and the page to talk with a bot, until Ctrl-C."""

from __future__ import annotations

import threading

from ..errors import ConfigError
from ..runtime.lifecycle import wait_until_stopped


def run_playground(port: int) -> int:
    """Run until Ctrl-C or SIGTERM; prints how to point a bot at the simulators."""
    try:
        from ..sim import AiBotSim, ILinkSim
        from ..sim.page import Playground
    except ImportError as exc:
        raise ConfigError(
            f"The simulators need {exc.name}, which is missing.", remedy="Run: pip install 'wxsdk[sim]'"
        ) from exc
    with ILinkSim() as ilink, AiBotSim() as aibot, Playground(ilink, aibot, port=port) as page:
        print(f"Talk with your bot at   {page.url}\n")
        print("A bot for personal WeChat:")
        print(f"    WeixinConfig(token={ilink.token!r}, base_url={ilink.base_url!r},")
        print(f"                 cdn_base_url={ilink.cdn_base_url!r})\n")
        print("A WeCom AI bot:")
        print(f"    WSClientOptions({aibot.bot_id!r}, {aibot.secret!r}, ws_url={aibot.ws_url!r})\n")
        print("Ctrl-C ends the simulators.", flush=True)
        wait_until_stopped(threading.Event().wait)
    return 0
