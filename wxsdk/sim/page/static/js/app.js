// Puts the page together.

import { chatPane } from "./chat.js";
import { chatList } from "./chatlist.js";
import { keysDialog, pictureDialog } from "./dialogs.js";
import { h, iconButton } from "./dom.js";
import { language, setLanguage, t } from "./i18n.js";
import { panel } from "./panels.js";
import { chatsOf, currentKey, emit, follow, keyOf, on, state } from "./store.js";

const THEMES = ["auto", "light", "dark"];
let parts;

function open(chat, quietly) {
  state.chat = { side: chat.side, chat: chat.chat };
  document.body.classList.add("in-chat");
  history.replaceState(null, "", `#${chat.side}/${encodeURIComponent(chat.chat)}`);
  emit("chat");
  if (!quietly && matchMedia("(min-width: 760px)").matches) parts.chat.focus();
}

function back() {
  document.body.classList.remove("in-chat");
  const row = document.querySelector(".chat-row.current");
  if (row) row.focus();
}

function fromAddress() {
  const [side, chat] = decodeURIComponent(location.hash.slice(1)).split("/");
  const found = chatsOf(state.me).find((one) => one.side === side && one.chat === chat);
  return found || null;
}

function rail() {
  const theme = iconButton("sun", "", () => {
    const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
    document.documentElement.dataset.theme = next;
    localStorage.setItem("wxsdk-theme", next);
    label();
  });
  const label = () => {
    const text = t(`theme-${document.documentElement.dataset.theme}`);
    theme.setAttribute("aria-label", text);
    theme.title = text;
  };
  label();
  const next = language === "zh" ? "en" : "zh";
  return h("div", { class: "rail" }, h("img", { src: "/static/icon.svg", alt: "wxsdk", width: "36", height: "36" }),
    h("div", { class: "rail-tools" },
      iconButton("plug", t("connect"), () => parts.panel.toggle("connect")), iconButton("bolt", t("faults"), () => parts.panel.toggle("faults")), iconButton("pulse", t("wire"), () => parts.panel.toggle("wire"))),
    h("div", { class: "rail-foot" }, h("button", { type: "button", class: "icon-button language", lang: next, "aria-label": t("otherLanguage"), title: t("otherLanguage"), onclick: () => { setLanguage(next); location.reload(); } }, next === "zh" ? "中" : "EN"), theme, iconButton("help", t("keys"), keysDialog)));
}

function build() {
  const side = panel(() => parts.chat.focus());
  const chat = chatPane(back, (name) => side.show(name));
  parts = { panel: side, chat };
  document.getElementById("app").replaceChildren(h("a", { class: "skip", href: "#app", onclick: (event) => { event.preventDefault(); chat.focus(); } }, t("skip")), rail(), chatList(open), chat.root, side.root);
  document.title = t("title");
}

function key(event) {
  if (event.isComposing) return;
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (event.key === "?" && !typing) { event.preventDefault(); keysDialog(); }
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
    const menu = document.querySelector("details.menu[open], details.card-menu[open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); } else if (state.panel) { parts.panel.show(null); parts.chat.focus(); }
  }
  if (!event.altKey || event.ctrlKey || event.metaKey) return;
  const panels = { KeyI: "wire", KeyF: "faults", KeyC: "connect" };
  if (panels[event.code]) { event.preventDefault(); parts.panel.toggle(panels[event.code]); }
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    const chats = chatsOf(state.me);
    const at = chats.findIndex((one) => keyOf(one.side, one.chat) === currentKey());
    open(chats[(at + (event.key === "ArrowDown" ? 1 : -1) + chats.length) % chats.length]);
  }
}

on("enlarge", pictureDialog);
on("all", () => {
  if (state.chat) return;
  const chat = fromAddress();
  if (chat) open(chat, true);
  else if (matchMedia("(min-width: 760px)").matches) open(chatsOf(state.me)[0], true);
});
document.addEventListener("keydown", key);
document.documentElement.dataset.ready = "no";
on("all", () => { document.documentElement.dataset.ready = "yes"; });
build();
follow();
