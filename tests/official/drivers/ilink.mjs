// Drives the vendor's iLink plugin inside the stand-in of its host (host.mjs). Channels are account ids.
import path from "node:path";
import { PassThrough } from "node:stream";
import { pathToFileURL } from "node:url";
import { channelRuntime } from "./host.mjs";
import { serve, tell } from "./lines.mjs";

const dist = path.join(
  process.env.WXSDK_OFFICIAL_ROOT,
  "node_modules/@tencent-weixin/openclaw-weixin/dist/src",
);
const load = (file) => import(pathToFileURL(path.join(dist, file)).href);

// What its login reads and prints: a terminal of our own.
const keyboard = new PassThrough();
Object.defineProperty(process, "stdin", { value: keyboard, configurable: true });
process.stdout.write = (text) => (tell("terminal", "printed", String(text)), true);

// Its pauses between two tries (1 s, 2 s, 30 s) pass in a moment; every other timer is as it is.
const PAUSES = new Set([1000, 2000, 30_000]);
const realTimeout = globalThis.setTimeout;
globalThis.setTimeout = (run, ms, ...rest) => realTimeout(run, PAUSES.has(ms) ? 5 : ms, ...rest);

// The vendor's hosts, which its login knows by heart, are found where the test says.
const places = new Map();
const realFetch = globalThis.fetch;
globalThis.fetch = (url, options) => {
  const { origin } = new URL(url);
  const there = places.get(origin);
  return realFetch(there ? there + String(url).slice(origin.length) : url, options);
};

const { weixinPlugin } = await load("channel.js");
const accounts = await load("auth/accounts.js");
const running = new Map();

const revive = (value) =>
  value && typeof value === "object"
    ? "$base64" in value
      ? Buffer.from(value.$base64, "base64")
      : Array.isArray(value)
        ? value.map(revive)
        : Object.fromEntries(Object.entries(value).map(([key, one]) => [key, revive(one)]))
    : value;

function config(account, cdnBaseUrl) {
  const section = { quoteCache: { enabled: false }, accounts: { [account]: { cdnBaseUrl } } };
  return { channels: { "openclaw-weixin": section } };
}

/** The agent: tell what came, then do the steps of the script. */
const agent = (account, script) => async (context, act) => {
  tell(account, "inbound", context);
  for (const step of script) {
    if ("typing" in step) await act.typing(step.typing);
    else if ("tool" in step) act.tool(step.tool);
    else await act.deliver(step);
  }
};

serve({
  place: ({ origin, at }) => void places.set(origin, at),
  type: ({ text }) => void keyboard.write(text),
  async call({ module, name, args }) {
    return (await load(module))[name](...revive(args));
  },
  async map({ module, name, lists }) {
    const made = (await load(module))[name];
    return Promise.all(lists.map((args) => made(...revive(args))));
  },
  async filter({ texts, size }) {
    const { StreamingMarkdownFilter } = await load("messaging/markdown-filter.js");
    return texts.map((text) => {
      const filter = new StreamingMarkdownFilter();
      let out = "";
      for (let at = 0; at < text.length; at += size) out += filter.feed(text.slice(at, at + size));
      return out + filter.flush();
    });
  },
  async until({ module, name, args }) {
    const ask = (await load(module))[name];
    while (!ask(...args)) await new Promise((done) => realTimeout(done, 2));
  },
  save({ account, token, baseUrl, cdnBaseUrl }) {
    accounts.saveWeixinAccount(account, { token, baseUrl });
    accounts.registerWeixinAccountId(account);
    running.set(account, { cfg: config(account, cdnBaseUrl) });
  },
  forgetOthers({ account }) {
    const others = accounts.listIndexedWeixinAccountIds().filter((id) => id !== account);
    others.forEach(accounts.unregisterWeixinAccountId);
  },
  start({ account, script = [] }) {
    const one = running.get(account);
    const abort = new AbortController();
    const note = (level) => (text) => tell(account, level, text);
    one.abort = abort;
    one.over = weixinPlugin.gateway.startAccount({
      account: weixinPlugin.config.resolveAccount(one.cfg, account),
      cfg: one.cfg,
      abortSignal: abort.signal,
      channelRuntime: channelRuntime(agent(account, script)),
      runtime: { log: note("log"), error: note("error") },
      setStatus: (status) => tell(account, "status", status),
    });
    one.over.catch((error) => tell(account, "ended", String(error)));
  },
  async stop({ account }) {
    const one = running.get(account);
    one.abort.abort();
    await one.over.catch(() => {});
    await weixinPlugin.gateway.stopAccount({ account: weixinPlugin.config.resolveAccount(one.cfg, account) });
  },
  sendText: ({ account, to, text }) =>
    weixinPlugin.outbound.sendText({ cfg: running.get(account).cfg, accountId: account, to, text }),
  sendMedia: ({ account, to, text, file }) =>
    weixinPlugin.outbound.sendMedia({
      cfg: running.get(account).cfg,
      accountId: account,
      to,
      text,
      mediaUrl: file,
    }),
  async login({ account }) {
    const started = await weixinPlugin.gateway.loginWithQrStart({ accountId: account, force: true });
    tell(account, "qrcode", started.qrDataUrl ?? null);
    if (!started.qrDataUrl) return started;
    const login = await load("auth/login-qr.js");
    return login.waitForWeixinLogin({ sessionKey: started.sessionKey, apiBaseUrl: "unused" });
  },
});
tell("driver", "ready");
