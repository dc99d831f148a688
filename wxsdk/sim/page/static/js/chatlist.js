// The list of chats of the person in front of the page, and who that is.

import { avatar, preview } from "./bubble.js";
import { groupDialog, userDialog } from "./dialogs.js";
import { h, iconButton, whenFree } from "./dom.js";
import { clock, t } from "./i18n.js";
import { chatsOf, connected, currentKey, emit, entriesOf, keyOf, on, state } from "./store.js";

export function chatName(one) {
  return one.kind === "group" ? one.name : t(`bot-${one.side}`);
}

export function chatList(open) {
  const who = h("select", { "aria-label": t("youAre"), onchange: () => become(who.value) });
  const list = h("ul", { class: "chats", "aria-label": t("chats") });
  const root = h("nav", { class: "sidebar", "aria-label": t("chats") },
    h("div", { class: "me" }, h("span", { class: "me-avatar" }), h("label", { class: "me-who" }, h("small", {}, t("youAre")), who),
      iconButton("plus", t("newUser"), () => userDialog(become)), iconButton("group", t("newGroup"), () => groupDialog((chat) => open({ side: "aibot", chat })))),
    list);

  function become(user) {
    state.me = user;
    localStorage.setItem("wxsdk-user", user);
    const group = state.chat && state.groups.find((one) => one.id === state.chat.chat && one.members.includes(user));
    if (state.chat && !group) open({ side: state.chat.side, chat: user }, true);
    draw();
    emit("me");
  }

  function row(one) {
    const key = keyOf(one.side, one.chat);
    const entries = entriesOf(one.side, one.chat);
    const last = entries[entries.length - 1];
    const seen = state.read.get(key) || 0;
    const unread = key === currentKey() ? 0 : Math.max(0, entries.filter((entry) => entry.who === "bot").length - seen);
    const here = connected(one.side);
    const name = chatName(one);
    return h("li", {}, h("button", {
      type: "button", class: `chat-row ${key === currentKey() ? "current" : ""}`, "aria-current": key === currentKey() ? "true" : null,
      dataset: { chat: key }, onclick: () => open(one), "aria-label": `${name}${unread ? `, ${t("unread", { count: unread })}` : ""}, ${t(here ? "connected" : "notConnected")}`,
    },
      h("span", { class: "chat-avatar" }, avatar(name, one.kind === "group" ? "group" : one.side), h("span", { class: `presence ${here ? "on" : ""}` })),
      h("span", { class: "chat-words" }, h("span", { class: "chat-top" }, h("b", {}, name), last ? h("time", {}, clock(last.at)) : null),
        h("span", { class: "chat-bottom" }, h("span", { class: "chat-preview" }, last ? `${one.kind === "group" && last.who === "user" ? `${last.user}: ` : ""}${preview(last)}` : t(`about-${one.kind === "group" ? "group" : one.side}`)), unread ? h("span", { class: "unread" }, String(Math.min(unread, 99))) : null))));
  }

  function draw() {
    const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.chat : null;
    who.replaceChildren(...state.users.map((user) => h("option", { value: user, selected: user === state.me }, user)));
    who.value = state.me;
    root.querySelector(".me-avatar").replaceChildren(avatar(state.me));
    list.replaceChildren(...chatsOf(state.me).map(row));
    if (focused) (list.querySelector(`[data-chat="${CSS.escape(focused)}"]`) || { focus() {} }).focus();
  }

  let due = 0;
  const soon = () => { if (!due) due = requestAnimationFrame(() => { due = 0; whenFree(list, draw); }); };
  for (const topic of ["all", "people", "entry", "status", "chat"]) on(topic, soon);
  list.addEventListener("keydown", (event) => {
    const rows = [...list.querySelectorAll("button")];
    const at = rows.indexOf(document.activeElement);
    const next = event.key === "ArrowDown" ? at + 1 : event.key === "ArrowUp" ? at - 1 : -1;
    if (at >= 0 && rows[next]) { event.preventDefault(); rows[next].focus(); }
  });
  draw();
  return root;
}
