"""The chunks of the real openai package, yielded as they are, against a small server that speaks its protocol."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Iterator, List

import pytest

from wxsdk import Bot, Message
from wxsdk.bot.trial import Chat

openai = pytest.importorskip("openai")
WORDS = ["Hello", ", ", "my ", "friend", "."]


class Model(BaseHTTPRequestHandler):
    """Answers every chat completion with WORDS, one chunk each, the role first and the usage last."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(asked["messages"])  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        deltas: List[Any] = [{"role": "assistant", "content": ""}, *({"content": word} for word in WORDS), {}]
        for delta in deltas:
            choices = [{"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}]
            self._event({"choices": choices})
        self._event({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 5, "total_tokens": 6}})
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def _event(self, part: Any) -> None:
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", **part}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[Any]:
    made: Any = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    made.asked = []
    thread = threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.mark.parametrize("way", ["yields each", "returns the stream"])
def test_a_model_s_stream_is_an_answer_as_it_is(server: Any, chat: Callable[[Bot], Chat], way: str) -> None:
    bot = Bot()
    with openai.OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none") as client:

        def ask(message: Message) -> Any:
            messages = [{"role": "user", "content": message.text}]
            return client.chat.completions.create(model="m", messages=messages, stream=True)

        def each(message: Message) -> Iterator[Any]:
            yield from ask(message)

        def whole(message: Message) -> Any:
            return ask(message)

        bot.default(each if way == "yields each" else whole)
        user = chat(bot)
        user.says("hi")
        user.expects("Hello, my friend.")
        bot.stop()
    assert server.asked == [[{"role": "user", "content": "hi"}]]
