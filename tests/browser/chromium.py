"""A headless Chromium, driven over the DevTools protocol: what a person does, and what a person sees."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import websocket

SWITCHES = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--mute-audio", "--hide-scrollbars"),
    *("--remote-debugging-port=0", "--remote-allow-origins=*"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",  # nothing leaves this machine
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE = 15.0  # seconds in which what a test waits for must show
KEYS = {
    "Enter": ("Enter", 13, "\r"),
    "Tab": ("Tab", 9, ""),
    "Escape": ("Escape", 27, ""),
    "ArrowDown": ("ArrowDown", 40, ""),
    "ArrowUp": ("ArrowUp", 38, ""),
    "Space": (" ", 32, " "),
}
ALT = 1


def found() -> Optional[str]:
    """The path of a Chromium, None when there is none."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Chromium:
    """One browser with a fresh profile. A context manager."""

    def __init__(self, path: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="wxsdk-chromium-"))
        self._process = subprocess.Popen(
            [path, *SWITCHES, f"--user-data-dir={self._folder}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._pages: List[Page] = []

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_: object) -> None:
        for page in self._pages:
            page.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)

    def page(self, url: str, width: int = 1280, height: int = 820, phone: bool = False, language: str = "en") -> Page:
        """Open *url* in a tab of that size, as a profile of its own would."""
        page = Page(self._endpoint())
        self._pages.append(page)
        page.start(url, width, height, phone, language)
        return page

    def _endpoint(self) -> str:
        file = self._folder / "DevToolsActivePort"
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            lines = file.read_text().splitlines() if file.exists() else []
            if len(lines) == 2:
                return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
            if self._process.poll() is not None:
                raise AssertionError(f"Chromium ended with {self._process.returncode}")
            threading.Event().wait(0.05)
        raise AssertionError("Chromium did not open its port")


class Page:
    """One tab. Everything that goes wrong in it is kept in `problems`."""

    def __init__(self, endpoint: str) -> None:
        self._socket = websocket.create_connection(endpoint, timeout=PATIENCE, suppress_origin=True)
        self._count = 0
        self._session = ""
        self.problems: List[str] = []
        self.requests: List[str] = []

    def start(self, url: str, width: int, height: int, phone: bool, language: str) -> None:
        context = self._call("Target.createBrowserContext")["browserContextId"]
        target = self._call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self._call(f"{domain}.enable")
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )
        self._call("Page.bringToFront")
        if phone:
            self._call("Emulation.setTouchEmulationEnabled", enabled=True)
        self._call("Emulation.setLocaleOverride", locale=language)
        self._call(
            "Page.addScriptToEvaluateOnNewDocument",
            source=f"Object.defineProperty(navigator, 'language', {{get: () => {json.dumps(language)}}})",
        )
        self.go(url)

    def go(self, url: str) -> None:
        """Load *url* and wait until the page knows its state."""
        self._call("Page.navigate", url=url)
        self.until("document.documentElement?.dataset.ready === 'yes'")

    def close(self) -> None:
        """Close the tab's line; what no person should ever read on a page counts as a problem."""
        if not self._socket.connected:
            return
        for word in self.eval("document.body.innerText.match(/\\b(null|undefined|NaN)\\b|\\[object /g) ?? []"):
            self.problems.append(f"the page shows {word!r}")
        self._socket.close()

    # what a person does

    def click(self, selector: str, text: Optional[str] = None) -> None:
        """Click the first visible element that matches, and holds *text*; waits for it."""
        find = _find(selector, text)
        point = self.until(
            f"(() => {{ const e = {find}; if (!e) return null; e.scrollIntoView({{block: 'nearest'}});"
            " const r = e.getBoundingClientRect();"
            " return r.width ? {x: r.x + r.width / 2, y: r.y + r.height / 2} : null; })()",
        )
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, **point, button="left", clickCount=1)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self._call("Input.insertText", text=text)

    def press(self, key: str, *, alt: bool = False, shift: bool = False) -> None:
        """Press one key."""
        name, code, text = KEYS.get(key, (key.lower(), ord(key.upper()[0]), key))
        common: Dict[str, Any] = {
            "key": name,
            "code": f"Key{key.upper()}" if len(key) == 1 and key.isalpha() else key,
            "windowsVirtualKeyCode": code,
            "modifiers": (ALT if alt else 0) | (8 if shift else 0),
        }
        self._call("Input.dispatchKeyEvent", type="keyDown", text="" if alt else text, **common)
        self._call("Input.dispatchKeyEvent", type="keyUp", **common)

    def say(self, text: str) -> None:
        """Write a message and send it with the Enter key."""
        self.click(".composer textarea")
        self.type(text)
        self.press("Enter")

    def choose_files(self, *paths: Path) -> None:
        """Choose files for the page's file field."""
        root = self._call("DOM.getDocument")["root"]["nodeId"]
        node = self._call("DOM.querySelector", nodeId=root, selector="input[type=file]")["nodeId"]
        self._call("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    # what a person sees

    def eval(self, script: str) -> Any:
        """The value of an expression."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def until(self, script: str) -> Any:
        """The first value of the expression that is true; AssertionError after PATIENCE seconds."""
        deadline = time.monotonic() + PATIENCE
        while True:
            value = self.eval(script)
            if value:
                return value
            if time.monotonic() > deadline:
                shown = self.eval("document.body.innerText.slice(-1500)")
                raise AssertionError(f"never became true: {script}\nthe page shows: {shown}\nproblems: {self.problems}")
            threading.Event().wait(0.03)

    def sees(self, text: str, selector: str = "body") -> None:
        """Wait until an element that matches shows *text*."""
        self.until(f"!!{_find(selector, text)}")

    def count(self, selector: str) -> int:
        """How many elements match."""
        return int(self.eval(f"document.querySelectorAll({json.dumps(selector)}).length"))

    def text(self, selector: str) -> str:
        """What the last element that matches shows."""
        return str(self.eval(f"[...document.querySelectorAll({json.dumps(selector)})].pop()?.innerText ?? ''"))

    def picture(self, path: Path) -> None:
        """Keep a screenshot."""
        self.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"]))

    # the protocol

    def _call(self, method: str, **params: Any) -> Any:
        self._count += 1
        message: Dict[str, Any] = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]
            self._noticed(answer)

    def _noticed(self, event: Dict[str, Any]) -> None:
        params = event.get("params", {})
        handlers: Dict[str, Callable[[], None]] = {
            "Runtime.exceptionThrown": lambda: self.problems.append(str(params["exceptionDetails"])[:600]),
            "Runtime.consoleAPICalled": lambda: self._console(params),
            "Log.entryAdded": lambda: self._logged(params["entry"]),
            "Network.requestWillBeSent": lambda: self.requests.append(params["request"]["url"]),
            "Network.responseReceived": lambda: self._answered(params["response"]),
        }
        handle = handlers.get(event.get("method", ""))
        if handle:
            handle()

    def _console(self, params: Dict[str, Any]) -> None:
        if params["type"] in ("error", "warning", "assert"):
            self.problems.append(f"console: {params['args']}")

    def _logged(self, entry: Dict[str, Any]) -> None:
        if entry["level"] in ("error", "warning"):
            self.problems.append(f"log: {entry['text']} {entry.get('url', '')}")

    def _answered(self, response: Dict[str, Any]) -> None:
        if response["status"] >= 400:
            self.problems.append(f"HTTP {response['status']} {response['url']}")


def _find(selector: str, text: Optional[str]) -> str:
    held = "" if text is None else f" && e.innerText.includes({json.dumps(text)})"
    return (
        f"[...document.querySelectorAll({json.dumps(selector)})]"
        f".find((e) => e.getClientRects().length && !e.disabled{held})"
    )
