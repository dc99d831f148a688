// A stand-in for the host of the vendor's iLink plugin: only what the plugin calls, and an agent that follows a script.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

const folder = process.env.OPENCLAW_STATE_DIR;

// imported by the plugin

export const normalizeAccountId = (id) => id.trim().toLowerCase().replace(/[^a-z0-9_-]+/g, "-");
export const resolvePreferredOpenClawTmpDir = () => path.join(folder, "tmp");
export const withFileLock = (_file, _options, work) => work();
export const loadConfig = () => ({});
export const writeConfigFile = async () => {};
export const getGlobalHookRunner = () => null;
export const fireAndForgetHook = () => {};
export const buildCanonicalSentMessageHookContext = (what) => what;
export const toPluginMessageContext = (what) => what;
export const toPluginMessageSentEvent = (what) => what;
export const createTypingCallbacks = ({ start, stop }) => ({ start, stop });
export const resolveDirectDmAuthorizationOutcome = () => "allowed";
export const resolveSenderCommandAuthorizationWithRuntime = async () => ({
  senderAllowedForCommands: true,
  commandAuthorized: true,
});

// handed to the plugin

let files = 0;

/** The host's services for one account. `agent(context, act)` is called for each message, act does one step. */
export function channelRuntime(agent) {
  return {
    media: {
      async saveMediaBuffer(buffer, contentType, subdir, maxBytes, name) {
        const into = path.join(folder, "saved", subdir ?? "");
        mkdirSync(into, { recursive: true });
        const file = path.join(into, `${++files}-${name ? path.basename(name) : "media"}`);
        writeFileSync(file, buffer);
        return { path: file };
      },
    },
    commands: {},
    routing: { resolveAgentRoute: () => ({ agentId: "main", sessionKey: "session", mainSessionKey: "session" }) },
    session: { resolveStorePath: () => path.join(folder, "sessions"), recordInboundSession: async () => {} },
    reply: {
      finalizeInboundContext: (context) => context,
      resolveHumanDelayConfig: () => undefined,
      createReplyDispatcherWithTyping: (options) => ({
        dispatcher: options,
        replyOptions: {},
        markDispatchIdle() {},
      }),
      withReplyDispatcher: ({ run }) => run(),
      async dispatchReplyFromConfig({ ctx, dispatcher, replyOptions }) {
        await agent(ctx, {
          typing: (on) => (on ? dispatcher.typingCallbacks.start() : dispatcher.typingCallbacks.stop()),
          tool: (event) => replyOptions.onItemEvent({ kind: "tool", ...event }),
          deliver: (payload) =>
            Promise.resolve(dispatcher.deliver(payload)).catch((error) =>
              dispatcher.onError(error, { kind: "final" }),
            ),
        });
      },
    },
  };
}
