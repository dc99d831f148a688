// Draws one entry of a chat.

import { act } from "./api.js";
import { card } from "./cards.js";
import { copy, h, icon, iconButton } from "./dom.js";
import { feedbackDialog } from "./dialogs.js";
import { bytes, clock, t } from "./i18n.js";
import { markdown } from "./markdown.js";
import { emit, state } from "./store.js";

const THINK = /<think>([\s\S]*?)(?:<\/think>|$)/g;
const INVISIBLE = /[\u200b\u200c\u200d\u2060\ufeff\u00ad]/g;
const STATES = { queued: "…", taken: "✓", delivered: "✓✓", answered: "✓✓", lost: "!", unmentioned: "–" };

export function hueOf(name) {
  let sum = 7;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 360;
  return sum;
}

export function avatar(name, side) {
  if (side) return h("span", { class: `avatar bot ${side}`, "aria-hidden": "true" }, icon(side === "group" ? "group" : "chat"));
  return h("span", { class: "avatar", "aria-hidden": "true", dataset: { hue: String(Math.floor(hueOf(name) / 45)) } }, [...name][0].toUpperCase());
}

export function visible(text) {
  return text.replace(THINK, "").replace(INVISIBLE, "").trim();
}

export function preview(entry) {
  if (entry.kind === "event") return `⚡ ${entry.text}`;
  if (entry.card) return `[${t("card")}] ${((entry.card.main_title || {}).title) || entry.card.sub_title_text || ""}`;
  const text = visible(entry.text || "");
  if (text) return text.replace(/^[#>\s]+|[*`~]{1,3}|\|/gm, " ").replace(/\s+/g, " ").trim();
  if (entry.media && entry.media.length) return `[${t(entry.media[0].picture ? "picture" : "file")}] ${entry.media[0].picture ? "" : entry.media[0].name}`;
  if (entry.kind === "voice") return `[${t("voice")}]`;
  return entry.kind === "stream" && !entry.finished ? t("thinking") : "";
}

// The element of an entry; drawn anew whenever the entry changes.
export function bubble(entry, helpers) {
  if (entry.who === "event") return eventNote(entry);
  const mine = entry.who === "user" && entry.user === state.me;
  const name = entry.who === "bot" ? state.bot : entry.user;
  return h("article", { class: `entry ${mine ? "mine" : "theirs"} ${entry.side}`, dataset: { id: entry.id }, "aria-label": `${name}, ${clock(entry.at)}`, "aria-busy": entry.kind === "stream" && !entry.finished && !entry.expired ? "true" : null },
    avatar(name, entry.who === "bot" ? entry.side : null),
    h("div", { class: "entry-body" },
      mine ? null : h("div", { class: "entry-name" }, name, entry.via && entry.via !== "reply" ? h("span", { class: "tag" }, t(`via-${entry.via}`)) : null),
      quoteOf(entry), ...content(entry, helpers), footer(entry, mine, helpers)));
}

function eventNote(entry) {
  return h("details", { class: "entry event", dataset: { id: entry.id } },
    h("summary", {}, icon("bolt"), h("span", {}, entry.user, " · ", eventWords(entry)), h("code", {}, entry.text), entry.state === "lost" ? h("span", { class: "lost" }, t("state-lost")) : null),
    h("pre", { tabindex: "0" }, JSON.stringify(entry.event, null, 2)));
}

function eventWords(entry) {
  const event = entry.event || {};
  if (entry.text === "template_card_event") return t("event-card", { key: event.event_key });
  if (entry.text === "feedback_event") return t(`event-feedback-${event.type}`);
  if (entry.text === "enter_chat") return t("event-enter");
  return t("event-other");
}

function quoteOf(entry) {
  const quote = entry.quote;
  return quote ? h("blockquote", { class: "quoted" }, quote.text || `[${quote.kind || t("message")}]`) : null;
}

function content(entry, helpers) {
  if (state.rawAll || state.raw.has(entry.id)) return [h("pre", { class: "bubble raw", tabindex: "0", "aria-label": t("rawText") }, rawText(entry))];
  if (entry.kind === "tool") return [h("div", { class: "bubble tool" }, icon("bolt"), h("span", {}, t("tool"), " ", h("code", {}, entry.text)), entry.status ? h("span", { class: "tag" }, entry.status) : null)];
  const parts = [];
  if (entry.kind === "voice" && entry.who === "user") parts.push(voice(entry));
  else if (entry.text || entry.kind === "stream") parts.push(text(entry));
  for (const one of entry.media || []) if (!(entry.kind === "voice" && entry.who === "user")) parts.push(media(one, entry));
  if (entry.title || entry.description) parts.push(h("div", { class: "bubble" }, h("strong", {}, entry.title || ""), h("div", {}, entry.description || "")));
  if (entry.card) parts.push(h("div", { class: "bubble card-bubble" }, card(entry, helpers.say)));
  return parts.length ? parts : [h("div", { class: "bubble" }, `[${entry.kind}]`)];
}

function rawText(entry) {
  const shown = entry.text || (entry.card ? JSON.stringify(entry.card, null, 2) : "");
  return shown.replace(INVISIBLE, (sign) => `⟨U+${sign.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

function text(entry) {
  const shown = visible(entry.text || "");
  const thoughts = [...(entry.text || "").matchAll(THINK)].map((found) => found[1].trim()).filter(Boolean).join("\n");
  const thinking = entry.kind === "stream" && !entry.finished && !shown;
  const drawn = entry.who === "bot" && entry.side === "aibot" ? markdown(shown) : h("div", { class: "plain" }, linked(shown, entry));
  return h("div", { class: `bubble ${entry.finished === false && !entry.expired ? "growing" : ""}` },
    thoughts ? h("details", { class: "thoughts" }, h("summary", {}, t("thoughts")), h("div", { class: "plain" }, thoughts)) : null,
    thinking ? (entry.expired ? h("div", { class: "lost" }, t("neverAnswered")) : h("div", { class: "dots", role: "img", "aria-label": t("thinking") }, h("i"), h("i"), h("i"))) : drawn);
}

function linked(shown, entry) {
  const group = state.groups.find((one) => one.id === entry.chat);
  return shown.split(/(https?:\/\/[^\s<>"']+|@[\w\u4e00-\u9fff-]+)/).map((part) => {
    if (/^https?:/.test(part)) return h("a", { href: part, target: "_blank", rel: "noopener noreferrer" }, part);
    if (group && part.startsWith("@") && [state.bot, ...group.members].includes(part.slice(1))) return h("span", { class: "mention" }, part);
    return part;
  });
}

function voice(entry) {
  return h("div", { class: "bubble voice" }, h("div", { class: "wave", role: "img", "aria-label": t("voice") }, icon("voice"), ...Array.from({ length: 14 }, () => h("i"))),
    h("span", { class: "seconds" }, `${entry.seconds || 2}″`), entry.text ? h("p", { class: "transcript" }, entry.text) : null);
}

function media(one, entry) {
  const address = `/media/${one.id}?${new URLSearchParams({ name: one.name })}`;
  if (one.picture) {
    return h("button", { type: "button", class: "picture", "aria-label": `${t("enlarge")}: ${one.name}`, onclick: () => emit("enlarge", { address, name: one.name }) },
      h("img", { src: address, alt: one.name, onload: () => emit("grown") }));
  }
  const kind = entry.kind === "video" ? "▶" : (one.name.split(".").pop() || "?").slice(0, 4).toUpperCase();
  return h("a", { class: "bubble attachment", href: address, download: one.name, "aria-label": `${t("download")}: ${one.name}` },
    h("span", { class: "attachment-name" }, h("b", {}, one.name), h("small", {}, bytes(one.size))), h("span", { class: "attachment-kind", "aria-hidden": "true" }, kind));
}

function footer(entry, mine, helpers) {
  const notes = [];
  if (entry.dropped) notes.push(h("span", { class: "lost" }, t("droppedFinal")));
  if (entry.expired) notes.push(h("span", { class: "lost" }, t("expired")));
  if (mine && entry.state) notes.push(h("span", { class: `state ${entry.state}`, title: t(`state-${entry.state}`), "aria-label": t(`state-${entry.state}`), role: "img" }, STATES[entry.state] || ""));
  if (mine && (entry.state === "lost" || entry.state === "unmentioned")) notes.push(h("span", { class: "lost" }, t(`state-${entry.state}`)));
  if (mine && entry.state === "lost") notes.push(h("button", { type: "button", class: "link-button", onclick: () => act("again", { user: state.me, entry: entry.id }) }, t("again")));
  return h("div", { class: "entry-foot" }, h("time", {}, clock(entry.at)), notes, tools(entry, helpers));
}

function tools(entry, helpers) {
  const raw = state.raw.has(entry.id);
  const list = [
    iconButton("quote", t("quote"), () => helpers.quote(entry)),
    iconButton("copy", t("copy"), () => copy(visible(entry.text || "") || preview(entry), t("copied"))),
  ];
  if (entry.text || entry.card) list.push(iconButton("raw", t(raw ? "shownAs" : "rawText"), () => { raw ? state.raw.delete(entry.id) : state.raw.add(entry.id); emit("entry", entry); }, { "aria-pressed": String(raw) }));
  if (entry.rateable && entry.finished !== false) {
    const rate = (type, more) => act("rate", { user: state.me, entry: entry.id, type, ...more });
    list.push(iconButton("up", t("good"), () => rate(entry.rated === "good" ? "cancel" : "good"), { "aria-pressed": String(entry.rated === "good"), class: "icon-button vote" }));
    list.push(iconButton("down", t("bad"), () => (entry.rated === "bad" ? rate("cancel") : feedbackDialog((more) => rate("bad", more))), { "aria-pressed": String(entry.rated === "bad"), class: "icon-button vote" }));
  }
  return h("span", { class: "tools", role: "group", "aria-label": t("tools") }, list);
}

