// Draws Markdown as elements: headings, emphasis, code, tables, lists, quotes, links, rules. No HTML of the text is read.

import { copy, h, icon } from "./dom.js";
import { t } from "./i18n.js";

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)\s*.*$/;
const RULE = /^ {0,3}([-*_])( *\1){2,} *$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const DELIMITERS = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;
const INLINE = /(`+)([\s\S]*?[^`])\1(?!`)|!\[([^\]]*)\]\(([^\s)]+)[^)]*\)|\[([^\]]+)\]\(([^\s)]+)[^)]*\)|\*\*\*([^*\n]+)\*\*\*|\*\*([^\n]+?)\*\*|__([^_\n]+)__|~~([^~\n]+)~~|\*([^*\s][^*\n]*?)\*|(?<![\w])_([^_\n]+)_(?![\w])|<(https?:\/\/[^>\s]+)>|(https?:\/\/[^\s<>"'，。；！？）】」]+)|\\([!-/:-@[-`{-~])/g;

export function markdown(text) {
  return h("div", { class: "markdown" }, blocks(text.replace(/\r\n?/g, "\n").split("\n")));
}

function blocks(lines) {
  const out = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at];
    const fence = FENCE.exec(line);
    let match;
    if (!line.trim()) at += 1;
    else if (fence) at = codeBlock(lines, at, fence, out);
    else if (RULE.test(line)) { out.push(h("hr")); at += 1; }
    else if ((match = HEADING.exec(line))) { out.push(h(`h${Math.min(match[1].length + 2, 6)}`, { class: `size-${match[1].length}` }, inline(match[2]))); at += 1; }
    else if (/^ {0,3}>/.test(line)) at = quoteBlock(lines, at, out);
    else if (line.includes("|") && at + 1 < lines.length && lines[at + 1].includes("-") && DELIMITERS.test(lines[at + 1])) at = table(lines, at, out);
    else if (ITEM.test(line)) at = list(lines, at, out);
    else at = paragraph(lines, at, out);
  }
  return out;
}

function codeBlock(lines, at, fence, out) {
  const body = [];
  let end = at + 1;
  while (end < lines.length && !new RegExp(`^ {0,3}${fence[1][0]}{${fence[1].length},}\\s*$`).test(lines[end])) body.push(lines[end++]);
  const source = body.join("\n");
  out.push(h("div", { class: "code" },
    h("div", { class: "code-head" }, h("span", {}, fence[2] || t("code")),
      h("button", { type: "button", class: "link-button", "aria-label": t("copyCode"), onclick: () => copy(source, t("copied")) }, icon("copy"), t("copy"))),
    h("pre", { tabindex: "0" }, h("code", {}, source))));
  return end + 1;
}

function quoteBlock(lines, at, out) {
  const body = [];
  while (at < lines.length && /^ {0,3}>/.test(lines[at])) body.push(lines[at++].replace(/^ {0,3}> ?/, ""));
  out.push(h("blockquote", {}, blocks(body)));
  return at;
}

function cells(line) {
  const parts = [""];
  for (let i = 0; i < line.length; i += 1) {
    if (line[i] === "\\" && line[i + 1] === "|") { parts[parts.length - 1] += "|"; i += 1; }
    else if (line[i] === "|") parts.push("");
    else parts[parts.length - 1] += line[i];
  }
  if (!parts[0].trim()) parts.shift();
  if (parts.length && !parts[parts.length - 1].trim()) parts.pop();
  return parts.map((part) => part.trim());
}

function table(lines, at, out) {
  const head = cells(lines[at]);
  const sides = cells(lines[at + 1]).map((mark) => (mark.endsWith(":") ? (mark.startsWith(":") ? "center" : "right") : "left"));
  const rows = [];
  let end = at + 2;
  while (end < lines.length && lines[end].includes("|") && lines[end].trim()) rows.push(cells(lines[end++]));
  const row = (tag, values) => h("tr", {}, head.map((_, i) => h(tag, { class: `to-${sides[i] || "left"}` }, inline(values[i] || ""))));
  out.push(h("div", { class: "table", tabindex: "0", role: "region", "aria-label": t("table") },
    h("table", {}, h("thead", {}, row("th", head)), h("tbody", {}, rows.map((values) => row("td", values))))));
  return end;
}

function list(lines, at, out) {
  const first = ITEM.exec(lines[at]);
  const ordered = /\d/.test(first[2]);
  const indent = first[1].length;
  const items = [];
  while (at < lines.length) {
    const match = ITEM.exec(lines[at]);
    if (match && match[1].length <= indent + 1 && /\d/.test(match[2]) === ordered) {
      items.push([match[3]]);
      at += 1;
    } else if (items.length && lines[at].trim() && /^\s{2,}/.test(lines[at])) {
      items[items.length - 1].push(lines[at].slice(Math.min(indent + 2, lines[at].search(/\S/))));
      at += 1;
    } else break;
  }
  const element = h(ordered ? "ol" : "ul", ordered ? { start: String(parseInt(first[2], 10)) } : {}, items.map(([head, ...rest]) => {
    const task = /^\[([ xX])\]\s+(.*)$/.exec(head);
    const body = task ? [h("input", { type: "checkbox", disabled: true, checked: task[1] !== " ", "aria-label": task[2] }), inline(task[2])].flat() : inline(head);
    return h("li", {}, body, rest.length ? blocks(rest) : null);
  }));
  out.push(element);
  return at;
}

function paragraph(lines, at, out) {
  const body = [];
  while (at < lines.length && lines[at].trim() && !FENCE.test(lines[at]) && !HEADING.test(lines[at]) && !RULE.test(lines[at]) && !/^ {0,3}>/.test(lines[at]) && !(body.length && ITEM.test(lines[at]))) {
    body.push(lines[at++]);
  }
  out.push(h("p", {}, body.flatMap((line, i) => (i ? [h("br"), ...inline(line)] : inline(line)))));
  return at;
}

export function link(address, ...children) {
  const safe = /^https?:\/\//i.test(address);
  return safe ? h("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, children) : h("span", {}, children);
}

// A picture from elsewhere is fetched when the reader asks for it, not before: fetching tells its host who reads.
export function remotePicture(address, label) {
  const button = h("button", { type: "button", class: "remote-picture", "aria-label": `${t("loadPicture")}: ${label || address}` },
    icon("image"), h("span", {}, label || t("picture")), h("small", {}, t("loadPicture")));
  button.addEventListener("click", () => {
    const picture = h("img", { src: address, alt: label || t("picture"), referrerpolicy: "no-referrer" });
    picture.addEventListener("error", () => picture.replaceWith(h("span", { class: "broken" }, t("noPicture"))));
    button.replaceWith(picture);
  });
  return button;
}

function inline(text) {
  const out = [];
  let last = 0;
  INLINE.lastIndex = 0;
  for (const found of text.matchAll(INLINE)) {
    if (found.index > last) out.push(text.slice(last, found.index));
    last = found.index + found[0].length;
    const [, , code, alt, image, label, target, both, bold, bold2, gone, italic, italic2, auto, bare, escaped] = found;
    if (code !== undefined) out.push(h("code", {}, code));
    else if (image !== undefined) out.push(remotePicture(image, alt));
    else if (label !== undefined) out.push(link(target, inline(label)));
    else if (both !== undefined) out.push(h("strong", {}, h("em", {}, inline(both))));
    else if (bold ?? bold2) out.push(h("strong", {}, inline(bold ?? bold2)));
    else if (gone !== undefined) out.push(h("del", {}, inline(gone)));
    else if (italic ?? italic2) out.push(h("em", {}, inline(italic ?? italic2)));
    else if (auto || bare) out.push(link(auto || bare, auto || bare));
    else if (escaped !== undefined) out.push(escaped);
  }
  if (last < text.length) out.push(text.slice(last));
  return out;
}
