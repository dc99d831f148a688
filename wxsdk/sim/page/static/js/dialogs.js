// The dialogs: a new user, a new group, a voice message, a rating, keys, a picture in full.

import { act } from "./api.js";
import { h, iconButton } from "./dom.js";
import { t } from "./i18n.js";
import { state } from "./store.js";

export function dialog(title, ...children) {
  const box = h("dialog", { "aria-label": title },
    h("header", {}, h("h2", {}, title), iconButton("close", t("close"), () => box.close())), h("div", { class: "dialog-body" }, children));
  const opener = document.activeElement;
  box.addEventListener("close", () => { box.remove(); if (opener && opener.isConnected) opener.focus(); });
  box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
  document.body.append(box);
  box.showModal();
  return box;
}

function form(title, fields, label, done) {
  const element = h("form", { class: "dialog-form" }, fields, h("div", { class: "dialog-foot" }, h("button", { type: "submit", class: "primary" }, label)));
  const box = dialog(title, element);
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (await done(new FormData(element))) box.close();
  });
  const first = element.querySelector("input, textarea");
  if (first) first.focus();
  return box;
}

export function userDialog(chosen) {
  form(t("newUser"), [h("label", {}, t("name"), h("input", { name: "name", required: true, maxlength: "40", autocomplete: "off" }))], t("add"), async (data) => {
    const done = await act("user", { name: data.get("name") });
    if (done) chosen(String(data.get("name")).trim());
    return done;
  });
}

export function groupDialog(chosen) {
  form(t("newGroup"), [
    h("label", {}, t("name"), h("input", { name: "name", required: true, maxlength: "40", autocomplete: "off" })),
    h("fieldset", {}, h("legend", {}, t("members")), state.users.map((user) => h("label", { class: "check" }, h("input", { type: "checkbox", name: "member", value: user, checked: user === state.me }), user))),
    h("p", { class: "hint" }, t("groupHint")),
  ], t("add"), async (data) => {
    const members = [...new Set([state.me, ...data.getAll("member")])];
    const done = await act("group", { name: data.get("name"), members });
    if (done) chosen(done.result.id);
    return done;
  });
}

export function voiceDialog(where) {
  const ilink = where.side === "ilink";
  form(t("voice"), [
    h("label", {}, t("transcript"), h("textarea", { name: "text", rows: "3", required: !ilink })),
    ilink ? h("label", {}, t("seconds"), h("input", { name: "seconds", type: "number", min: "1", max: "60", value: "3" })) : null,
    h("p", { class: "hint" }, t(ilink ? "voiceHintILink" : "voiceHintAiBot")),
  ], t("send"), (data) => act("voice", { ...where, text: data.get("text"), seconds: Number(data.get("seconds") || 2) }));
}

export function feedbackDialog(done) {
  form(t("bad"), [
    h("fieldset", {}, h("legend", {}, t("reasons")), [1, 2, 3, 4].map((number) => h("label", { class: "check" }, h("input", { type: "checkbox", name: "reason", value: String(number) }), t(`reason-${number}`)))),
    h("label", {}, t("remark"), h("textarea", { name: "text", rows: "2" })),
  ], t("send"), (data) => done({ reasons: data.getAll("reason").map(Number), text: data.get("text") }));
}

export function keysDialog() {
  const keys = [["Enter", "key-send"], ["Shift + Enter", "key-line"], ["Alt + ↑ / ↓", "key-chat"], ["Alt + I", "key-wire"], ["Alt + F", "key-faults"], ["Alt + C", "key-code"], ["@", "key-mention"], ["Esc", "key-close"], ["?", "key-help"]];
  dialog(t("keys"), h("dl", { class: "keys" }, keys.map(([key, text]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, t(text))))));
}

export function pictureDialog({ address, name }) {
  dialog(name, h("img", { class: "full-picture", src: address, alt: name }), h("p", {}, h("a", { href: address, download: name }, t("download"))));
}
