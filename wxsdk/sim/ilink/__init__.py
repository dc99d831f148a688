"""Simulates the iLink platform (personal WeChat): API, CDN and pretend users."""
