// Builds elements. Text always goes in as text: nothing that a bot or a user says is ever read as HTML.

export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name in element && name !== "list" && name !== "form" && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

// Our own drawings on a grid of 24, one path each.
const PATHS = {
  chat: "M4 5h16a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1h-8l-5 4v-4H4a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1z",
  pulse: "M3 12h4l3-7 4 14 3-7h4",
  bolt: "M13 3 5 14h6l-1 7 8-11h-6z",
  plug: "M9 3v5M15 3v5M6 8h12v3a6 6 0 0 1-12 0zM12 17v4",
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6 6 18",
  plus: "M12 5v14M5 12h14",
  more: "M5.5 12a.6.6 0 1 0 1.2 0 .6.6 0 1 0-1.2 0M11.4 12a.6.6 0 1 0 1.2 0 .6.6 0 1 0-1.2 0M17.3 12a.6.6 0 1 0 1.2 0 .6.6 0 1 0-1.2 0",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9.5h.01",
  file: "M6 3h8l5 5v13H6zM14 3v5h5",
  voice: "M12 4a2.5 2.5 0 0 1 2.5 2.5v5a2.5 2.5 0 0 1-5 0v-5A2.5 2.5 0 0 1 12 4zM6 11a6 6 0 0 0 12 0M12 17v4",
  at: "M15.5 12a3.5 3.5 0 1 1-7 0 3.5 3.5 0 0 1 7 0zm0 0v1.5a2.5 2.5 0 0 0 5 0V12a8.5 8.5 0 1 0-3.5 6.9",
  send: "M4 12 20 4l-5 16-3.5-6.5z",
  quote: "M9 8H5v5h4v1a3 3 0 0 1-3 3M19 8h-4v5h4v1a3 3 0 0 1-3 3",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  code: "M9 7l-5 5 5 5M15 7l5 5-5 5",
  up: "M7 11v9H4v-9zM7 11l4-8a2 2 0 0 1 2 2v4h6l-1.5 9a2 2 0 0 1-2 2H7",
  down: "M7 13V4H4v9zM7 13l4 8a2 2 0 0 0 2-2v-4h6l-1.5-9a2 2 0 0 0-2-2H7",
  qr: "M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h2v2h-2zM18 18h2v2h-2zM18 14h2M14 20h1",
  export: "M12 4v11M7.5 8.5 12 4l4.5 4.5M5 15v5h14v-5",
  sun: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M5 19l1.4-1.4M17.6 6.4 19 5",
  globe: "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18zM3 12h18M12 3c3 3 3 15 0 18M12 3c-3 3-3 15 0 18",
  pause: "M8 5v14M16 5v14",
  play: "M7 5l12 7-12 7z",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  help: "M9 9a3 3 0 1 1 4 2.8c-.7.3-1 .9-1 1.7v.5M12 17.5h.01M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18z",
  group: "M9 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM3 19a6 6 0 0 1 12 0M16 11a2.5 2.5 0 1 0 0-5M17 14a5 5 0 0 1 4 5",
  door: "M5 21V3h10v18M5 21h14M12 12h.01",
  raw: "M4 6h16M4 12h10M4 18h13",
  check: "M5 12.5 10 17l9-10",
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

export function iconButton(name, label, onclick, attributes) {
  return h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...attributes }, icon(name));
}

export function toast(text, kind) {
  const box = document.querySelector("dialog[open]") || document.getElementById("toasts");  // a dialog lies above all else
  const note = h("div", { class: `toast ${kind || ""}` }, text);
  box.append(note);
  setTimeout(() => note.remove(), kind === "error" ? 7000 : 2500);
}

let pressed = null;
const waiting = [];
document.addEventListener("pointerdown", (event) => { pressed = event.target; }, true);
for (const kind of ["pointerup", "pointercancel"]) {
  document.addEventListener(kind, () => setTimeout(() => { pressed = null; for (const run of waiting.splice(0)) run(); }), true);
}

// Runs *draw* now, or once the pointer that is down on *element* is up: a button that is replaced between the two is never clicked.
export function whenFree(element, draw) {
  if (pressed && element && element.contains(pressed)) waiting.push(draw);
  else draw();
}

export async function copy(text, done) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // a browser that keeps its clipboard to itself
    const area = h("textarea", { class: "off-screen", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toast(done);
}
