// The open chat: its head, its messages, its composer. Keeps the reader's place while streams grow.

import { act } from "./api.js";
import { bubble } from "./bubble.js";
import { chatName } from "./chatlist.js";
import { composer } from "./composer.js";
import { h, icon, iconButton, whenFree } from "./dom.js";
import { t } from "./i18n.js";
import { loginDialog } from "./login.js";
import { chatsOf, connected, currentKey, entriesOf, keyOf, on, state } from "./store.js";

const NEAR = 60;  // pixels from the end within which the reader counts as being at the end

export function chatPane(back, panel) {
  const log = h("div", { class: "messages", role: "log", "aria-live": "polite", "aria-relevant": "additions", "aria-label": t("messages"), tabindex: "0" });
  const down = h("button", { type: "button", class: "jump-down", hidden: true, onclick: () => toEnd() }, icon("down"), h("span", {}, t("newMessages")));
  const title = h("h1", {});
  const facts = h("div", { class: "facts" });
  const notice = h("div", { class: "notice", hidden: true });
  const head = h("header", { class: "chat-head" }, iconButton("back", t("back"), back, { class: "icon-button only-phone" }), h("div", { class: "chat-title" }, title, facts), h("div", { class: "chat-tools" }));
  const current = () => state.chat || { side: "ilink", chat: state.me };
  const writer = composer(current);
  const empty = h("div", { class: "empty" });
  const root = h("main", { class: "pane", "aria-label": t("chat") }, head, notice, h("div", { class: "messages-box" }, log, down), writer.root);
  const drawn = new Map();
  let following = true;

  const helpers = { quote: (entry) => writer.quote(entry), say: (text) => writer.say(text) };

  function toEnd() {
    log.scrollTop = log.scrollHeight;
    following = true;
    down.hidden = true;
  }

  log.addEventListener("scroll", () => {
    following = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;
    if (following) { down.hidden = true; markRead(); }
  });

  function markRead() {
    if (state.chat) state.read.set(currentKey(), entriesOf(state.chat.side, state.chat.chat).filter((entry) => entry.who === "bot").length);
  }

  function one(entry) {
    const old = drawn.get(entry.id);
    const fresh = bubble(entry, helpers);
    if (old) {
      keepChoices(old, fresh);
      old.replaceWith(fresh);
    } else log.append(fresh);
    drawn.set(entry.id, fresh);
    return !old;
  }

  function redraw() {
    const entries = state.chat ? entriesOf(state.chat.side, state.chat.chat) : [];
    drawn.clear();
    log.replaceChildren();
    for (const entry of entries) one(entry);
    if (!entries.length) log.append(empty);
    drawHead();
    toEnd();
    markRead();
  }

  // The place is held by the first message in view: what grows or comes above or below it does not move it.
  function changed(entry) {
    if (!state.chat || entry.side !== state.chat.side || entry.chat !== state.chat.chat) return;
    const follow = following;
    const top = log.scrollTop;
    empty.remove();
    const old = drawn.get(entry.id);
    if (old) whenFree(old, () => place(entry, follow, top));
    else place(entry, follow, top);
  }

  function place(entry, follow, top) {
    const added = one(entry);
    if (follow || (entry.who === "user" && entry.user === state.me && added)) toEnd();
    else {
      log.scrollTop = top;
      down.hidden = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;
    }
    if (follow) markRead();
    drawHead();
  }

  function drawHead() {
    const chat = state.chat && chatsOf(state.me).find((each) => keyOf(each.side, each.chat) === currentKey());
    if (!chat) return;
    const here = connected(chat.side);
    title.textContent = chatName(chat);
    empty.replaceChildren(icon("chat"), h("p", {}, t(here ? "empty" : `empty-${chat.side}`)));
    facts.replaceChildren(...[
      h("button", { type: "button", class: `badge ${here ? "on" : "off"}`, onclick: () => panel("connect") }, h("i"), t(here ? "connected" : "notConnected")),
      chat.kind === "group" ? h("span", { class: "fact" }, t("memberCount", { count: chat.members.length })) : null, ...numbers(chat),
    ].filter(Boolean));
    const typing = chat.side === "ilink" && (state.status.ilink.typing || []).includes(chat.chat);
    title.append(typing ? h("span", { class: "typing" }, t("typing")) : "");
    notice.hidden = here && state.online;
    notice.replaceChildren(state.online
      ? h("span", {}, t("noBot"), " ", h("button", { type: "button", class: "link-button", onclick: () => panel("connect") }, t("howToConnect")))
      : h("span", {}, t("offline")));
    tools(chat);
  }

  function tools(chat) {
    const box = head.querySelector(".chat-tools");
    const signature = `${currentKey()} ${state.rawAll} ${chat.kind}`;
    if (box.dataset.for === signature) return;
    box.dataset.for = signature;
    const query = new URLSearchParams({ side: chat.side, chat: chat.chat });
    const item = (name, label, onclick, where) => h("button", { type: "button", class: where, onclick: (event) => { event.target.closest("details").open = false; onclick(); } }, icon(name), label);
    const file = (path, label) => h("a", { href: `/api/${path}?${query}`, download: "" }, icon("export"), label);
    const menu = h("details", { class: "menu" }, h("summary", { class: "icon-button", "aria-label": t("more"), title: t("more") }, icon("more")), h("div", { class: "menu-list" },
      ...["connect", "faults", "wire"].map((name) => item({ connect: "plug", faults: "bolt", wire: "pulse" }[name], t(name), () => panel(name), "on-phone")),
      chat.side === "ilink" ? item("qr", t("login"), () => loginDialog()) : null,
      chat.side === "aibot" && chat.kind === "single" ? item("door", t("enterChat"), () => act("enter", { user: state.me })) : null,
      item("raw", t(state.rawAll ? "shownAs" : "rawText"), () => { state.rawAll = !state.rawAll; redraw(); }),
      file("export.json", t("exportJson")), file("export.py", t("exportTest")),
      item("trash", t("clearChat"), () => act("clear", { side: chat.side, chat: chat.chat }))));
    menu.addEventListener("focusout", (event) => { if (!menu.contains(event.relatedTarget)) setTimeout(() => { if (!menu.contains(document.activeElement)) menu.open = false; }, 150); });
    box.replaceChildren(
      iconButton("plug", t("connect"), () => panel("connect")), iconButton("bolt", t("faults"), () => panel("faults")), iconButton("pulse", t("wire"), () => panel("wire")), menu);
  }

  on("all", redraw);
  on("me", redraw);
  on("chat", redraw);
  on("entry", changed);
  on("grown", () => { if (following) toEnd(); });
  const drawHeadSoon = () => whenFree(root, drawHead);
  on("status", drawHeadSoon);
  on("online", drawHeadSoon);
  setInterval(drawHeadSoon, 20_000);
  root.addEventListener("dragover", (event) => { event.preventDefault(); root.classList.add("dropping"); });
  root.addEventListener("dragleave", () => root.classList.remove("dropping"));
  root.addEventListener("drop", (event) => { event.preventDefault(); root.classList.remove("dropping"); writer.add([...event.dataTransfer.files]); });
  return { root, focus: writer.focus, toEnd };
}

// What a reader has chosen on a card or opened stays when the entry is drawn anew.
function keepChoices(old, fresh) {
  if (old.querySelector("form")) {
    const before = [...old.querySelectorAll("form input, form select")];
    const after = [...fresh.querySelectorAll("form input, form select")];
    if (before.length === after.length) {
      before.forEach((input, i) => {
        if (input.name !== after[i].name || after[i].disabled) return;
        if (input.tagName === "SELECT") after[i].value = input.value;
        else after[i].checked = input.checked;
      });
    }
  }
  const open = [...old.querySelectorAll("details")].map((each) => each.open);
  [...fresh.querySelectorAll("details")].forEach((each, i) => { each.open = Boolean(open[i]); });
  if (old.tagName === "DETAILS") fresh.open = old.open;
  const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
  if (focused) queueMicrotask(() => (fresh.querySelector(`[aria-label="${CSS.escape(focused)}"]`) || fresh.querySelector("button") || { focus() {} }).focus());
}

function numbers(chat) {
  if (chat.side === "aibot") {
    const since = Date.now() / 1000 - 60;
    const sent = entriesOf(chat.side, chat.chat).filter((entry) => entry.who === "bot" && entry.at > since).length;
    return [h("span", { class: "fact", title: t("rateTitle") }, t("rate", { sent, limit: 30 }))];
  }
  const { quota = {}, limit, window } = state.status.ilink;
  const mine = quota[chat.chat];
  if (!mine || !mine.last) return [h("span", { class: "fact", title: t("quotaTitle") }, t("neverWritten"))];
  const left = Math.max(0, mine.last + window - Date.now() / 1000);
  const hours = Math.floor(left / 3600);
  const remaining = Math.max(0, (limit ?? 0) - mine.sent);
  return [
    limit === null ? null : h("span", { class: `fact quota ${remaining <= 2 ? "low" : ""}`, title: t("quotaTitle") }, t("quota", { left: remaining, limit })),
    h("span", { class: `fact ${left < 3600 ? "low" : ""}`, title: t("windowTitle") }, left ? t("window", { hours, minutes: Math.floor((left % 3600) / 60) }) : t("windowOver")),
  ].filter(Boolean);
}

