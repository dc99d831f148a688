"""The WeCom AI bot: one WebSocket, callbacks, streams, cards and media. What is public is exported by ``wxsdk``."""
