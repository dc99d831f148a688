"""Runs both simulators and the page to chat with a bot: ``wxsdk sim``."""

from __future__ import annotations

import argparse
import os
import threading

from ..errors import ConfigError
from ..runtime.lifecycle import wait_until_stopped
from . import output
from .ports import check_port
from .texts import text


def run_sim(options: argparse.Namespace) -> int:
    """Run until Ctrl-C or SIGTERM, after printing how to point a bot at the simulators; 0."""
    try:
        from ..sim.page import Playground
    except ImportError as exc:
        raise ConfigError(text("sim.missing", module=exc.name), remedy=text("sim.missing.remedy")) from exc
    check_port(options.port)
    with Playground(port=options.port, state=options.state) as page:
        output.say(text("sim.page", url=page.url))
        output.say()
        output.say(text("sim.environment"))
        command = "set" if os.name == "nt" else "export"
        for name, value in page.environment().items():
            output.say(f"  {command} {name}={value}")
        output.say()
        output.say(text("sim.started"))
        wait_until_stopped(threading.Event().wait)
    return 0
