// Drives the vendor's SDK for WeCom AI bots. Every event and every warning of a client is told on its channel.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { serve, tell } from "./lines.mjs";

const require = createRequire(path.join(process.env.WXSDK_OFFICIAL_ROOT, "package.json"));
const { WSClient, WecomCrypto, generateReqId } = require("@wecom/aibot-node-sdk");
const clients = new Map();

function logger(channel) {
  const told = (level) => (message, ...more) => tell(channel, level, [message, ...more].map(String).join(" "));
  return { debug() {}, info() {}, warn: told("warn"), error: told("log-error") };
}

function eventValue(value) {
  return value instanceof Error ? { name: value.name, message: value.message, code: value.code } : value;
}

serve({
  open({ channel, options }) {
    const client = new WSClient({ logger: logger(channel), ...options });
    const emit = client.emit.bind(client);
    client.emit = (name, ...values) => {
      tell(channel, name, values.map(eventValue)[0]);
      return emit(name, ...values);
    };
    clients.set(channel, client);
    client.connect();
  },
  async do({ channel, method, args }) {
    return clients.get(channel)[method](...args);
  },
  isConnected: ({ channel }) => clients.get(channel).isConnected,
  upload: ({ channel, file, options }) => clients.get(channel).uploadMedia(readFileSync(file), options),
  async download({ channel, url, aeskey }) {
    const { buffer, filename } = await clients.get(channel).downloadFile(url, aeskey ?? undefined);
    return { sha256: createHash("sha256").update(buffer).digest("hex"), size: buffer.length, filename };
  },
  close: ({ channel }) => clients.get(channel).disconnect(),
  reqId: ({ prefix }) => generateReqId(prefix),
  crypto: ({ settings, method, args }) => new WecomCrypto(...settings)[method](...args),
});
