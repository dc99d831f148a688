"""Starting the bot with a Django server; see ``wxsdk.ext.django``."""

from __future__ import annotations

import atexit
import os
import sys
from typing import cast

from django.apps import AppConfig
from django.conf import settings
from django.utils.module_loading import import_string

from ...errors import ConfigError
from ..standby import Client, Standby

__all__ = ["WxsdkConfig", "load_client"]


def load_client() -> Client:
    """The client that the setting WXSDK_CLIENT names. ConfigError when there is none or it is something else."""
    path = getattr(settings, "WXSDK_CLIENT", None)
    if not isinstance(path, str):
        raise ConfigError(
            "The setting WXSDK_CLIENT is missing.", remedy='Set it to a dotted path: "myproject.bot.client".'
        )
    found = import_string(path)
    client = found() if callable(found) else found
    if not hasattr(client, "health"):
        raise ConfigError(f"WXSDK_CLIENT names {path}, which is not a client of wxsdk.")
    return cast(Client, client)


def is_server() -> bool:
    """True in a process that serves requests, as far as can be told: not in a management command but runserver."""
    if os.path.basename(sys.argv[0]) not in ("manage.py", "django-admin", "__main__.py"):
        return True
    # runserver's autoreloader runs the project in a child with RUN_MAIN set; the parent only watches files.
    return "runserver" in sys.argv and ("--noreload" in sys.argv or os.environ.get("RUN_MAIN") == "true")


class WxsdkConfig(AppConfig):
    """The application. ``standby`` is there when this process takes part in running the bot."""

    name = "wxsdk.ext.django"
    label = "wxsdk"
    verbose_name = "wxsdk"
    default = True
    standby: Standby

    def ready(self) -> None:
        if getattr(settings, "WXSDK_AUTOSTART", False) and is_server():
            self.standby = Standby(load_client())
            self.standby.start()
            atexit.register(self.standby.stop)
