"""Loaded by every Python process that the tests start, since conftest puts this folder on PYTHONPATH."""

import loopback_guard

loopback_guard.install(ends_process=True)
