"""The playground: a page on loopback to chat with a bot through both simulators."""
