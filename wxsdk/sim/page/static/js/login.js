// The login by QR code, from both ends: what the bot shows, and what the person with the phone does.

import { act } from "./api.js";
import { dialog } from "./dialogs.js";
import { copy, h } from "./dom.js";
import { t } from "./i18n.js";
import { on, state } from "./store.js";

const STEPS = ["scan", "confirm", "demand", "redirect", "bind", "expire", "block"];
let open = null;

export function loginDialog() {
  if (open) return;
  const body = h("div", { class: "login" });
  const box = dialog(t("login"), body);
  open = { body, drawn: "" };
  box.addEventListener("close", () => { open = null; });
  draw();
}

function draw() {
  if (!open) return;
  const login = state.status.ilink && state.status.ilink.login;
  const signature = JSON.stringify(login);
  if (open.drawn === signature) return;
  open.drawn = signature;
  if (!login) {
    const command = `wxsdk login --base-url ${state.base_url}`;
    open.body.replaceChildren(h("p", {}, t("loginNone")), h("div", { class: "command" }, h("code", {}, command), h("button", { type: "button", class: "link-button", onclick: () => copy(command, t("copied")) }, t("copy"))));
    return;
  }
  const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.step : null;
  open.body.replaceChildren(...[
    h("div", { class: `qr ${login.state === "wait" ? "" : "used"}` }, h("img", { src: `/api/qr.svg?${login.number}`, alt: t("qrPicture"), width: "220", height: "220" }), login.state === "wait" ? null : h("span", { class: "qr-state" }, t(`login-${login.state}`))),
    h("p", { class: "login-state", role: "status" }, h("b", {}, t(`login-${login.state}`)), h("code", {}, login.state)),
    login.user ? h("p", { class: "hint" }, t("loginBy", { user: login.user })) : null,
    login.demanded ? h("p", { class: "number" }, t("loginNumber"), h("strong", {}, login.demanded)) : null,
    login.wrong ? h("p", { class: "lost" }, t("loginWrong", { count: login.wrong })) : null,
    h("div", { class: "steps", role: "group", "aria-label": t("phone") }, STEPS.map((step) => h("button", { type: "button", class: step === "scan" || step === "confirm" ? "primary" : "", disabled: !login.steps.includes(step), dataset: { step }, onclick: () => act("login", { step, user: state.me }) }, t(`step-${step}`)))),
  ].filter(Boolean));
  if (focused) (open.body.querySelector(`[data-step="${focused}"]:not(:disabled)`) || open.body.querySelector(".steps button:not(:disabled)") || { focus() {} }).focus();
}

on("status", draw);
on("all", draw);
