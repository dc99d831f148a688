"""Threads, sockets, time and storage. Nothing here knows a protocol of WeChat."""
