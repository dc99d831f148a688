// The panel beside the chat: how to connect a bot, faults by one click, and the inspector of requests and frames.

import { act } from "./api.js";
import { copy, h, icon, iconButton, toast, whenFree } from "./dom.js";
import { bytes, t } from "./i18n.js";
import { connected, on, state } from "./store.js";

const QUIET = new Set(["getupdates", "ping", "get_qrcode_status"]);
const NAMES = ["connect", "faults", "wire"];
const ICONS = { connect: "plug", faults: "bolt", wire: "pulse" };

export function panel(close) {
  const body = h("div", { class: "panel-body" });
  const tabs = h("div", { class: "tabs", role: "tablist", "aria-label": t("panel") }, NAMES.map((name) => h("button", { type: "button", role: "tab", id: `tab-${name}`, dataset: { tab: name }, onclick: () => show(name) }, icon(ICONS[name]), t(name))));
  const root = h("aside", { class: "panel", hidden: true, "aria-label": t("panel") }, h("header", {}, tabs, iconButton("close", t("close"), () => { show(null); close(); })), body);
  const views = { connect: connectView(), faults: faultsView(), wire: wireView() };

  function show(name) {
    state.panel = name;
    root.hidden = !name;
    document.body.classList.toggle("with-panel", Boolean(name));
    if (!name) return;
    for (const tab of tabs.children) {
      const on_ = tab.dataset.tab === name;
      tab.setAttribute("aria-selected", String(on_));
      tab.tabIndex = on_ ? 0 : -1;
    }
    views[name].draw();
    body.replaceChildren(views[name].root);
  }

  tabs.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = NAMES[(NAMES.indexOf(state.panel) + step + NAMES.length) % NAMES.length];
    show(next);
    tabs.querySelector(`[data-tab="${next}"]`).focus();
  });
  return { root, show, toggle: (name) => show(state.panel === name ? null : name) };
}

function connectView() {
  const root = h("div", { class: "connect" });
  function draw() {
    root.replaceChildren(h("p", { class: "hint" }, t("connectHint")), ...["ilink", "aibot"].map((side) => h("section", {},
      h("header", {}, h("h3", {}, t(`bot-${side}`)), h("span", { class: `badge ${connected(side) ? "on" : "off"}` }, h("i"), t(connected(side) ? "connected" : "notConnected"))),
      source(side), h("p", { class: "hint" }, t(side === "ilink" ? "envILink" : "envAiBot")))), callback());
  }

  function source(name) {
    const text = state.code[name] || "";
    return h("div", { class: "code" }, h("div", { class: "code-head" }, h("span", {}, "python"), h("button", { type: "button", class: "link-button", "aria-label": `${t("copyCode")}: ${t(name === "callback" ? name : `bot-${name}`)}`, onclick: () => copy(text, t("copied")) }, icon("copy"), t("copy"))), h("pre", { tabindex: "0" }, h("code", {}, text)));
  }

  function callback() {
    const address = h("input", { type: "url", name: "url", placeholder: "http://127.0.0.1:8000/", value: (state.status.aibot && state.status.aibot.callback) || "", "aria-label": t("callbackAddress") });
    const form = h("form", { class: "callback" }, address, h("button", { type: "submit", class: "primary" }, t("callbackUse")));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (await act("callback", { url: address.value })) toast(t(address.value ? "callbackOn" : "callbackOff"));
    });
    return h("section", {}, h("header", {}, h("h3", {}, t("callback"))), h("p", { class: "hint" }, t("callbackHint")), form, source("callback"), h("p", { class: "hint" }, t("envCallback")));
  }

  let seen = "";
  on("status", () => { const now = `${connected("ilink")}${connected("aibot")}`; if (now !== seen) { seen = now; draw(); } });
  on("all", draw);
  return { root, draw };
}

function faultsView() {
  const root = h("div", { class: "faults" });
  function draw() {
    const active = state.status.faults || [];
    const group = (side) => h("section", {}, h("h3", {}, t(`bot-${side}`)),
      h("div", { class: "switches" }, state.faults.lasting.filter((name) => name.startsWith(side)).map((name) => {
        const on_ = active.includes(name);
        return h("button", { type: "button", role: "switch", class: "switch", "aria-checked": String(on_), dataset: { fault: name }, onclick: () => act("fault", { name, on: !on_, user: state.me }) }, h("span", {}, t(`fault-${name}`)), h("i", { "aria-hidden": "true" }));
      })),
      h("div", { class: "once" }, state.faults.once.filter((name) => name.startsWith(side)).map((name) => h("button", { type: "button", dataset: { fault: name }, onclick: () => act("fault", { name, user: state.me }).then((done) => done && toast(t("faultMade", { name: t(`fault-${name}`) }))) }, t(`fault-${name}`)))));
    const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.fault : null;
    root.replaceChildren(group("ilink"), group("aibot"), h("button", { type: "button", class: "primary wide", onclick: () => act("clear-faults", {}) }, t("clearFaults")));
    if (focused) (root.querySelector(`[data-fault="${focused}"]`) || { focus() {} }).focus();
  }
  on("all", draw);
  on("status", () => whenFree(root, draw));
  return { root, draw };
}

function wireView() {
  const words = h("input", { type: "search", placeholder: t("filter"), "aria-label": t("filter"), oninput: () => draw() });
  const side = h("select", { "aria-label": t("protocol"), onchange: () => draw() }, h("option", { value: "" }, t("both")), h("option", { value: "ilink" }, "iLink"), h("option", { value: "aibot" }, "WeCom"));
  const quiet = h("input", { type: "checkbox", checked: true, onchange: () => draw() });
  const breaches = h("input", { type: "checkbox", onchange: () => draw() });
  const pause = iconButton("pause", t("pause"), () => {
    state.paused = !state.paused;
    pause.replaceChildren(icon(state.paused ? "play" : "pause"));
    pause.setAttribute("aria-label", t(state.paused ? "goOn" : "pause"));
    pause.setAttribute("aria-pressed", String(state.paused));
    if (!state.paused) draw();
  }, { "aria-pressed": "false" });
  const list = h("ol", { class: "exchanges", "aria-label": t("wire") });
  const count = h("span", { class: "fact" });
  const root = h("div", { class: "wire" }, h("div", { class: "wire-tools" }, words, side, pause, iconButton("trash", t("clearWire"), () => { state.wire.clear(); draw(); })),
    h("div", { class: "wire-tools" }, h("label", { class: "check" }, quiet, t("hidePolls")), h("label", { class: "check" }, breaches, t("onlyBreaches")), count), list);

  const fits = (one) => (!side.value || one.side === side.value) && (!quiet.checked || !QUIET.has(one.what) || one.breaches.length > 0 || Boolean(one.code)) && (!breaches.checked || one.breaches.length > 0)
    && (!words.value || JSON.stringify([one.what, one.code, one.request, one.answer, one.breaches]).toLowerCase().includes(words.value.toLowerCase()));

  function row(one) {
    const bad = one.cut || Boolean(one.code) || (one.status && one.status !== 200);
    return h("li", { dataset: { id: one.id } }, h("details", { class: one.breaches.length ? "breach" : bad ? "bad" : "" },
      h("summary", {}, h("span", { class: `arrow ${one.dir}`, role: "img", "aria-label": t(one.dir === "in" ? "fromBot" : "toBot") }, one.dir === "in" ? "→" : "←"),
        h("span", { class: `side ${one.side}` }, one.side === "ilink" ? "iLink" : "WeCom"), h("b", {}, one.what), h("span", { class: "code-of" }, outcome(one)), h("span", { class: "ms" }, timing(one))),
      one.breaches.length ? h("ul", { class: "breaches" }, one.breaches.map((text) => h("li", {}, text))) : null,
      detail(t("request"), one.request), detail(t("answer"), one.answer),
      h("p", { class: "hint" }, new Date(one.at * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 }), " · ", bytes(one.size || 0), one.after === null || one.after === undefined ? "" : ` · ${t("after", { ms: one.after })}`)));
  }

  function detail(label, value) {
    if (value === null || value === undefined) return null;
    const source = JSON.stringify(value, null, 2);
    return h("div", { class: "code" }, h("div", { class: "code-head" }, h("span", {}, label), h("button", { type: "button", class: "link-button", "aria-label": `${t("copy")}: ${label}`, onclick: () => copy(source, t("copied")) }, icon("copy"))), h("pre", { tabindex: "0" }, source));
  }

  function outcome(one) {
    if (one.note) return one.note;
    if (one.cut) return t("cut");
    if (one.held) return t("held");
    if (one.status && one.status !== 200) return `HTTP ${one.status}`;
    return one.code === null || one.code === undefined ? (one.dir === "out" ? "" : one.status === null || one.status === undefined ? "…" : "ok") : one.code === 0 ? "ok" : String(one.code);
  }

  const timing = (one) => (one.ms === null || one.ms === undefined ? "" : one.ms >= 1000 ? `${(one.ms / 1000).toFixed(1)} s` : `${one.ms} ms`);

  function draw() {
    const shown = [...state.wire.values()].filter(fits);
    list.replaceChildren(...shown.slice(-200).reverse().map(row));
    count.textContent = t("shownOf", { shown: shown.length, all: state.wire.size });
  }

  function changed(one) {
    if (state.paused || state.panel !== "wire") return;
    const old = list.querySelector(`[data-id="${CSS.escape(one.id)}"]`);
    if (old) {
      const fresh = row(one);
      fresh.firstChild.open = old.firstChild.open;
      whenFree(old, () => { if (fits(one)) old.replaceWith(fresh); else old.remove(); });
    } else if (fits(one)) list.prepend(row(one));
    while (list.children.length > 200) list.lastChild.remove();
    count.textContent = t("shownOf", { shown: list.children.length, all: state.wire.size });
  }

  on("wire", changed);
  on("all", () => { if (state.panel === "wire") draw(); });
  return { root, draw };
}

