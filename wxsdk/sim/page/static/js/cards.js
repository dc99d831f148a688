// Draws the five kinds of template cards, and does what their buttons do.

import { act } from "./api.js";
import { h, icon, toast } from "./dom.js";
import { t } from "./i18n.js";
import { link, remotePicture } from "./markdown.js";
import { state } from "./store.js";

export function card(entry, say) {
  const shown = (entry.cards && entry.cards[state.me]) || entry.card;
  const form = h("form", { class: `card ${shown.card_type}`, "aria-label": t("card") });
  form.addEventListener("submit", (event) => { event.preventDefault(); submit(entry, shown, form); });
  form.append(...[
    source(shown, entry), picture(shown), title(shown), emphasis(shown), quoted(shown), subtitle(shown), vertical(shown), horizontal(shown),
    selection(entry, shown), checkbox(entry, shown), selects(entry, shown), buttons(entry, shown), jumps(shown, say), action(shown),
  ].filter(Boolean));
  return form;
}

function press(entry, key, selected) {
  return act("press", { user: state.me, entry: entry.id, key, selected });
}

function submit(entry, shown, form) {
  if (!shown.submit_button) return;
  const selected = {};
  for (const question of [shown.checkbox, ...(shown.select_list || [])].filter(Boolean)) {
    const chosen = [...form.querySelectorAll(`[name="${CSS.escape(question.question_key)}"]`)].filter((one) => one.tagName === "SELECT" || one.checked).map((one) => one.value);
    if (!chosen.length) { toast(t("chooseFirst"), "error"); return; }
    selected[question.question_key] = chosen;
  }
  act("press", { user: state.me, entry: entry.id, submit: true, selected });
}

function source(shown, entry) {
  const from = shown.source;
  const menu = shown.action_menu;
  if (!from && !menu) return null;
  const colour = ["grey", "black", "red", "green"][(from && from.desc_color) || 0];
  return h("div", { class: "card-source" },
    from && from.icon_url ? h("span", { class: "card-dot", "aria-hidden": "true" }) : null,
    h("span", { class: `source-${colour}` }, (from && from.desc) || ""),
    menu ? h("details", { class: "card-menu" }, h("summary", { "aria-label": menu.desc || t("more"), title: menu.desc || t("more") }, icon("more")),
      h("div", { class: "card-menu-list" }, (menu.action_list || []).map((one) => h("button", { type: "button", onclick: (event) => { event.target.closest("details").open = false; press(entry, one.key); } }, one.text)))) : null);
}

function picture(shown) {
  if (shown.card_image) return h("div", { class: "card-image" }, remotePicture(shown.card_image.url, (shown.main_title || {}).title));
  const area = shown.image_text_area;
  if (!area) return null;
  return h("div", { class: "card-area" }, remotePicture(area.image_url, area.title), h("div", {}, h("strong", {}, area.title || ""), h("p", {}, area.desc || "")));
}

function title(shown) {
  const main = shown.main_title || {};
  if (!main.title && !main.desc) return null;
  return h("div", { class: "card-title" }, main.title ? h("h4", {}, main.title) : null, main.desc ? h("p", {}, main.desc) : null);
}

function emphasis(shown) {
  const part = shown.emphasis_content;
  return part ? h("div", { class: "card-emphasis" }, h("strong", {}, part.title || ""), h("span", {}, part.desc || "")) : null;
}

function quoted(shown) {
  const part = shown.quote_area;
  return part ? h("blockquote", { class: "card-quote" }, part.title ? h("strong", {}, part.title) : null, h("p", {}, part.quote_text || "")) : null;
}

function subtitle(shown) {
  return shown.sub_title_text ? h("p", { class: "card-sub" }, shown.sub_title_text) : null;
}

function vertical(shown) {
  const items = shown.vertical_content_list || [];
  return items.length ? h("div", { class: "card-vertical" }, items.map((one) => h("div", {}, h("strong", {}, one.title), h("p", {}, one.desc || "")))) : null;
}

function horizontal(shown) {
  const items = shown.horizontal_content_list || [];
  if (!items.length) return null;
  return h("dl", { class: "card-rows" }, items.map((one) => h("div", {}, h("dt", {}, one.keyname),
    h("dd", {}, one.type === 1 ? link(one.url, one.value || one.url) : one.type === 3 ? `@${one.userid}` : one.value || ""))));
}

function question(entry, part) {
  const id = `${entry.id}-${part.question_key}`;
  return h("label", { class: "card-select", for: id }, h("span", {}, part.title || part.question_key),
    h("select", { id, name: part.question_key, disabled: Boolean(part.disable) }, (part.option_list || []).map((one) => h("option", { value: one.id, selected: one.id === part.selected_id }, one.text))));
}

function selection(entry, shown) {
  return shown.button_selection ? question(entry, shown.button_selection) : null;
}

function selects(entry, shown) {
  const parts = shown.select_list || [];
  return parts.length ? h("div", { class: "card-selects" }, parts.map((part) => question(entry, part)), sendButton(shown, parts.every((part) => part.disable))) : null;
}

function checkbox(entry, shown) {
  const part = shown.checkbox;
  if (!part) return null;
  const kind = part.mode === 1 ? "checkbox" : "radio";
  return h("fieldset", { class: "card-options", disabled: Boolean(part.disable) }, h("legend", { class: "off-screen" }, (shown.main_title || {}).title || part.question_key),
    (part.option_list || []).map((one) => h("label", {}, h("input", { type: kind, name: part.question_key, value: one.id, checked: Boolean(one.is_checked) }), h("span", {}, one.text))),
    sendButton(shown, part.disable));
}

function sendButton(shown, disabled) {
  const button = shown.submit_button;
  return button ? h("button", { type: "submit", class: "card-button style-1", disabled: Boolean(disabled) }, button.text) : null;
}

function buttons(entry, shown) {
  const list = shown.button_list || [];
  if (!list.length) return null;
  return h("div", { class: `card-buttons ${list.length > 2 ? "stacked" : ""}` }, list.map((one) => h("button", {
    type: "button",
    class: `card-button style-${one.style || 1}`,
    onclick: (event) => {
      const select = event.target.closest("form").querySelector("select");
      press(entry, one.key, shown.button_selection && select ? { [shown.button_selection.question_key]: [select.value] } : undefined);
    },
  }, one.text)));
}

function jumps(shown, say) {
  const list = shown.jump_list || [];
  if (!list.length) return null;
  return h("div", { class: "card-jumps" }, list.map((one) => {
    if (one.type === 1) return link(one.url, one.title);
    if (one.type === 3) return h("button", { type: "button", class: "link-button", onclick: () => say(one.question) }, one.title);
    return h("span", {}, one.title);
  }));
}

function action(shown) {
  const part = shown.card_action;
  if (!part || !part.type) return null;
  return h("div", { class: "card-action" }, part.type === 1 ? link(part.url, t("open")) : h("span", {}, `${t("miniProgram")} ${part.appid || ""}`));
}
