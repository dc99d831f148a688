// The language of the page, and its texts.

import { EN } from "./texts-en.js";
import { ZH } from "./texts-zh.js";

const CATALOGUES = { en: EN, zh: ZH };
const wanted = localStorage.getItem("wxsdk-language") || navigator.language || "en";

export let language = wanted.toLowerCase().startsWith("zh") ? "zh" : "en";
document.documentElement.lang = language === "zh" ? "zh-CN" : "en";

export function t(key, values) {
  const text = CATALOGUES[language][key] ?? EN[key] ?? key;
  return values ? text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? "")) : text;
}

export function setLanguage(next) {
  language = next;
  localStorage.setItem("wxsdk-language", next);
  document.documentElement.lang = next === "zh" ? "zh-CN" : "en";
}

export function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString(language === "zh" ? "zh-CN" : "en-GB", { hour: "2-digit", minute: "2-digit" });
}

export function bytes(size) {
  if (size < 1024) return `${size} B`;
  return size < 1048576 ? `${(size / 1024).toFixed(1)} KB` : `${(size / 1048576).toFixed(1)} MB`;
}
