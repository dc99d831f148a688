"""Callback mode: WeCom calls an HTTPS address of ours for each message of an AI bot (docs/protocol/callback)."""
