// Where a message is written: text, pictures and files (chosen, dropped or pasted), voice, mentions, a quote.

import { act, sendFile } from "./api.js";
import { preview } from "./bubble.js";
import { voiceDialog } from "./dialogs.js";
import { h, icon, iconButton, toast } from "./dom.js";
import { bytes, t } from "./i18n.js";
import { on, state } from "./store.js";

const MAX_BYTES = 20 * 1048576;

export function composer(current) {
  let quoted = null;
  let files = [];
  let sending = Promise.resolve();
  const box = h("textarea", { rows: "1", "aria-label": t("write"), placeholder: t("write"), enterkeyhint: "send" });
  const chosen = h("input", { type: "file", multiple: true, hidden: true, onchange: () => { add([...chosen.files]); chosen.value = ""; } });
  const attached = h("div", { class: "attached" });
  const mentions = h("ul", { class: "mentions", hidden: true, "aria-label": t("mention") });
  const at = iconButton("at", t("mention"), () => { insert("@"); suggest(); });
  const send = h("button", { type: "submit", class: "send", "aria-label": t("send"), title: t("send") }, icon("send"));
  const form = h("form", { class: "composer", "aria-label": t("write") },
    mentions, attached,
    h("div", { class: "composer-tools" },
      iconButton("image", t("sendPicture"), () => pick("image/*")), iconButton("file", t("sendFile"), () => pick("")),
      iconButton("voice", t("sendVoice"), () => voiceDialog(where())), at, chosen),
    h("div", { class: "composer-line" }, box, send));

  const where = () => ({ side: current().side, chat: current().chat, user: state.me });

  function pick(accept) {
    chosen.accept = accept;
    chosen.click();
  }

  function add(list) {
    for (const file of list) {
      if (file.size > MAX_BYTES) toast(t("tooLarge", { size: bytes(MAX_BYTES) }), "error");
      else files.push(file);
    }
    drawAttached();
    box.focus();
  }

  function drawAttached() {
    attached.replaceChildren(...[
      quoted ? h("div", { class: "chip quote-chip" }, icon("quote"), h("span", {}, preview(quoted)), iconButton("close", t("noQuote"), () => { quoted = null; drawAttached(); box.focus(); })) : null,
      ...files.map((file) => h("div", { class: "chip" }, file.type.startsWith("image/") ? h("img", { src: URL.createObjectURL(file), alt: "" }) : icon("file"), h("span", {}, file.name), h("small", {}, bytes(file.size)),
        iconButton("close", `${t("remove")} ${file.name}`, () => { files = files.filter((one) => one !== file); drawAttached(); }))),
    ].filter(Boolean));
  }

  function insert(text) {
    box.setRangeText(text, box.selectionStart, box.selectionEnd, "end");
    box.focus();
    grow();
  }

  function suggest() {
    const group = state.groups.find((one) => one.id === current().chat);
    const before = /@([^\s@]*)$/.exec(box.value.slice(0, box.selectionStart));
    const names = group && before ? [state.bot, ...group.members.filter((one) => one !== state.me)].filter((one) => one.toLowerCase().startsWith(before[1].toLowerCase())) : [];
    mentions.hidden = !names.length;
    mentions.replaceChildren(...names.map((name) => h("li", {}, h("button", { type: "button", onclick: () => {
      box.setRangeText(`@${name} `, box.selectionStart - before[0].length, box.selectionStart, "end");
      mentions.hidden = true;
      box.focus();
    } }, `@${name}`))));
  }

  function grow() {
    box.style.height = "auto";
    box.style.height = `${Math.min(box.scrollHeight, 160)}px`;
  }

  // The field is free at once; messages go out in the order of writing, and one that fails comes back into the field.
  function submit() {
    const text = box.value.trim();
    if (!text && !files.length) return;
    const message = { target: where(), text, files, quote: quoted };
    box.value = "";
    files = [];
    quoted = null;
    drawAttached();
    grow();
    box.focus();
    sending = sending.then(() => deliver(message));
  }

  async function deliver({ target, text, files: pending, quote }) {
    if (!pending.length) {
      if (!(await act("say", { ...target, text, quote: quote ? quote.id : null })) && !box.value) box.value = text;
      return grow();
    }
    for (const [i, file] of pending.entries()) {
      if (await sendFile(target, file, i === pending.length - 1 ? text : "")) continue;
      files = [...pending.slice(i), ...files];
      if (!box.value) box.value = text;
      drawAttached();
      return grow();
    }
    return undefined;
  }

  form.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  box.addEventListener("input", () => { grow(); suggest(); });
  box.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return;  // an input method is still at work: its Enter is not ours
    if (event.key === "Escape" && !mentions.hidden) { event.stopPropagation(); mentions.hidden = true; return; }
    if (!mentions.hidden && event.key === "ArrowDown") { event.preventDefault(); mentions.querySelector("button").focus(); return; }
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      if (!mentions.hidden) mentions.querySelector("button").click();
      else submit();
    }
  });
  mentions.addEventListener("keydown", (event) => {
    const all = [...mentions.querySelectorAll("button")];
    const next = all[all.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0)];
    if (next && event.key.startsWith("Arrow")) { event.preventDefault(); next.focus(); }
    if (event.key === "Escape") { mentions.hidden = true; box.focus(); }
  });
  box.addEventListener("paste", (event) => {
    const pasted = [...event.clipboardData.files];
    if (pasted.length) { event.preventDefault(); add(pasted); }
  });

  const fresh = () => {
    at.hidden = !state.groups.some((one) => one.id === current().chat);
    mentions.hidden = true;
    quoted = null;
    drawAttached();
    grow();
  };
  on("chat", fresh);
  on("people", fresh);
  return { root: form, add, quote(entry) { quoted = entry; drawAttached(); box.focus(); }, focus: () => box.focus(), say: (text) => act("say", { ...where(), text }) };
}
