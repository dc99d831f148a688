"""The protocol level that wxsdk follows: the versions of the vendors' packages it was last compared with.

This is the one place that names them. docs/fidelity.rst tells how to raise a level; tests/official runs the packages of
just these versions against the simulators and compares their bytes with ours.
"""

from __future__ import annotations

ILINK_PACKAGE = "@tencent-weixin/openclaw-weixin"
ILINK_LEVEL = "2.4.9"  # also what iLink clients tell the platform, as channel_version; docs/protocol/ilink, 1

AIBOT_PACKAGE = "@wecom/aibot-node-sdk"
AIBOT_LEVEL = "1.0.7"

CALLBACK_PACKAGE = "@wecom/wecom-openclaw-plugin"  # its webhook half; docs/protocol/callback
CALLBACK_LEVEL = "2026.7.2"
