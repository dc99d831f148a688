"""Starts the bot with a Django server; see ``wxsdk.ext.django``."""

from __future__ import annotations

import atexit
from typing import Any, Optional, cast

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import register
from django.core.signals import request_started
from django.utils.module_loading import import_string

from ...errors import ConfigError
from ..serving import ServedBot, decide_for_django, look_around
from ..standby import Client, Standby
from .checks import check_settings

__all__ = ["WxsdkConfig", "load_client"]


def load_client() -> Client:
    """Return the client that the setting WXSDK_CLIENT names. ConfigError when there is none or it is something else."""
    path = getattr(settings, "WXSDK_CLIENT", None)
    if not isinstance(path, str):
        raise ConfigError(
            "The setting WXSDK_CLIENT is missing.", remedy='Set it to a dotted path: "myproject.bot.client".'
        )
    try:
        found = import_string(path)
    except ImportError as exc:
        raise ConfigError(f"WXSDK_CLIENT names {path}, which cannot be imported: {exc}") from exc
    client = found() if callable(found) else found
    if not hasattr(client, "health"):
        raise ConfigError(f"WXSDK_CLIENT names {path}, which is not a client of wxsdk.")
    return cast(Client, client)


class WxsdkConfig(AppConfig):
    """The application. ``bot`` is there when the project has a bot that this process may run."""

    name = "wxsdk.ext.django"
    label = "wxsdk"
    verbose_name = "wxsdk"
    default = True
    bot: Optional[ServedBot] = None

    def ready(self) -> None:
        register(check_settings)
        if not getattr(settings, "WXSDK_AUTOSTART", False):
            return
        plan = decide_for_django(look_around())
        self.bot = ServedBot(Standby(load_client()))
        atexit.register(self.bot.standby.stop)
        request_started.connect(self._on_request, dispatch_uid="wxsdk")
        self.bot.follow(plan)

    def start(self) -> ServedBot:
        """Start the bot in this process, or stand by for the one that runs it; returns at once."""
        if self.bot is None:
            self.bot = ServedBot(Standby(load_client()))
            atexit.register(self.bot.standby.stop)
        self.bot.start()
        return self.bot

    def _on_request(self, **_: Any) -> None:
        if self.bot is not None:
            self.bot.on_request()
