// What the page asks of the server.

import { toast } from "./dom.js";
import { t } from "./i18n.js";

async function answered(request) {
  let answer;
  try {
    answer = await request;
  } catch {
    toast(t("offline"), "error");
    return null;
  }
  const data = await answer.json().catch(() => ({ error: "unknown", text: answer.statusText }));
  if (data.error) {
    toast(data.text, "error");
    return null;
  }
  return { result: data.result };
}

// Resolves to {result} when it was done, to null when it was not; the person has been told why then.
export function act(name, data) {
  return answered(fetch(`/api/${name}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(data) }));
}

export function sendFile(where, file, text) {
  const query = new URLSearchParams({ ...where, name: file.name, text: text || "" });
  return answered(fetch(`/api/file?${query}`, { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: file }));
}
