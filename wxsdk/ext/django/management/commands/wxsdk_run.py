"""Runs the bot in the foreground, until Ctrl-C or SIGTERM: ``python manage.py wxsdk_run``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from wxsdk.ext.django.apps import load_client


class Command(BaseCommand):
    help = "Run the WeChat bot that the setting WXSDK_CLIENT names, until Ctrl-C or SIGTERM."

    def handle(self, *_: Any, **__: Any) -> None:
        load_client().run()
