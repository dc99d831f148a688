"""Simulates the WeCom AI-bot platform: gateway, media server and pretend users."""
