"""Makes the login page: one document without anything from elsewhere, in English or Chinese."""

from __future__ import annotations

import json
from typing import Dict

_ENGLISH: Dict[str, str] = {
    "title": "Log a WeChat bot in",
    "begin": "Show a QR code",
    "cancel": "Cancel",
    "number": "The number that the phone shows",
    "send": "Send",
    "wait": "Scan the code with WeChat.",
    "scaned": "Scanned. Confirm it on the phone.",
    "scaned_but_redirect": "Scanned. The platform moves the login to another server.",
    "need_verifycode": "Enter the number that the phone shows.",
    "wrong": "That number was wrong.",
    "verify_code_blocked": "Too many wrong numbers. Here is another code.",
    "expired": "The code expired. Here is another one.",
    "binded_redirect": "This account is bound to the bot already; its token stays valid.",
    "confirmed": "Logged in. The account is kept.",
    "lost": "The site cannot be reached. Trying again.",
}
_CHINESE: Dict[str, str] = {
    "title": "登录微信机器人",
    "begin": "显示二维码",
    "cancel": "取消",
    "number": "手机上显示的数字",
    "send": "提交",
    "wait": "请用微信扫描二维码。",
    "scaned": "已扫码，请在手机上确认。",
    "scaned_but_redirect": "已扫码，平台把登录转到另一台服务器。",
    "need_verifycode": "请输入手机上显示的数字。",
    "wrong": "数字不对。",
    "verify_code_blocked": "输错次数过多，换一个二维码。",
    "expired": "二维码已过期，换一个二维码。",
    "binded_redirect": "这个账号已经绑定机器人，它的 token 仍然有效。",
    "confirmed": "登录成功，账号已保存。",
    "lost": "无法连接网站，正在重试。",
}

_PAGE = """<!doctype html>
<html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }}
main {{ max-width: 24rem; margin: 2rem auto; padding: 0 1rem; text-align: center }}
#code {{ background: #fff; min-height: 1px }} #code svg {{ width: 100%; height: auto }}
button, input {{ font: inherit; padding: .4rem .8rem }}
</style></head>
<body><main><h1>{title}</h1>
<p id="said" role="status" aria-live="polite"></p><div id="code"></div>
<form id="number" hidden><label>{number} <input name="code" inputmode="numeric" autocomplete="off" required></label>
<button>{send}</button></form>
<p><button id="begin">{begin}</button> <button id="cancel" hidden>{cancel}</button></p>
</main><script>
const TEXTS = {texts}, HEADER = {header}, EVERY = 1000;
const at = id => document.getElementById(id);
let login = null, timer = 0, svg = null;
async function ask(body) {{
  const options = body ? {{method: "POST", body: JSON.stringify(body),
    headers: {{"Content-Type": "application/json", [HEADER]: "1"}}}} : {{}};
  const url = new URL(location.href);
  url.search = body ? "" : "?id=" + encodeURIComponent(login);
  clearTimeout(timer);
  let shown;
  try {{ shown = await (await fetch(url, options)).json(); }}
  catch (error) {{ at("said").textContent = TEXTS.lost; timer = setTimeout(() => ask(), EVERY); return; }}
  show(shown);
}}
function show(shown) {{
  if (shown.id) login = shown.id;
  const over = shown.done || !shown.id;
  const wrong = shown.state === "need_verifycode" && shown.code_was_wrong ? TEXTS.wrong + " " : "";
  at("said").textContent = shown.error || wrong + (TEXTS[shown.state] || "");
  if (over) {{ at("code").textContent = ""; svg = null; }}
  else if (shown.svg !== svg) {{ svg = shown.svg; at("code").innerHTML = svg; }}
  at("number").hidden = over || shown.state !== "need_verifycode";
  at("begin").hidden = !over; at("cancel").hidden = over;
  if (!over) timer = setTimeout(() => ask(), EVERY);
}}
at("begin").onclick = () => ask({{action: "begin"}});
at("cancel").onclick = () => ask({{action: "cancel", id: login}});
at("number").onsubmit = event => {{
  event.preventDefault();
  ask({{action: "number", id: login, code: event.target.code.value}});
  event.target.reset();
}};
</script></body></html>
"""


def page_html(accepted_languages: str, header: str) -> str:
    """Return the page in the language that *accepted_languages* asks for first; *header* goes with each POST."""
    is_chinese = accepted_languages.strip().lower().startswith("zh")
    texts = _CHINESE if is_chinese else _ENGLISH
    return _PAGE.format(lang="zh" if is_chinese else "en", texts=json.dumps(texts), header=json.dumps(header), **texts)
