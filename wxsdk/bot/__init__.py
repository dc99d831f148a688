"""Bot: one program for personal WeChat and WeCom, on the clients' public names."""
