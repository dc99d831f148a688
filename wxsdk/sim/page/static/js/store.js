// What the page knows, kept up to date by the server's events. Views subscribe to the parts they draw.

const listeners = new Map();

export const state = {
  ready: false,
  online: false,
  users: [],
  groups: [],
  entries: new Map(),  // by id, in the order of their coming
  wire: new Map(),
  status: { ilink: {}, aibot: {}, faults: [] },
  faults: { once: [], lasting: [] },
  code: { ilink: "", aibot: "" },
  bot: "Bot",
  base_url: "",
  me: localStorage.getItem("wxsdk-user") || "alice",
  chat: null,  // {side, chat}
  panel: null,  // "wire", "faults", "connect"
  read: new Map(),  // chat key -> how many entries of the bot were seen
  raw: new Set(),  // ids of entries that are shown raw
  rawAll: false,
  paused: false,
};

export function on(topic, listener) {
  if (!listeners.has(topic)) listeners.set(topic, new Set());
  listeners.get(topic).add(listener);
}

export function emit(topic, data) {
  for (const listener of listeners.get(topic) || []) listener(data);
}

export const keyOf = (side, chat) => `${side}/${chat}`;
export const currentKey = () => (state.chat ? keyOf(state.chat.side, state.chat.chat) : "");

export function chatsOf(user) {
  const groups = state.groups.filter((group) => group.members.includes(user));
  return [
    { side: "ilink", chat: user, kind: "single" },
    { side: "aibot", chat: user, kind: "single" },
    ...groups.map((group) => ({ side: "aibot", chat: group.id, kind: "group", name: group.name, members: group.members })),
  ];
}

export function entriesOf(side, chat) {
  return [...state.entries.values()].filter((entry) => entry.side === side && entry.chat === chat);
}

export function connected(side) {
  return Boolean(state.status[side] && state.status[side].connected);
}

const HANDLERS = {
  hello(data) {
    Object.assign(state, { users: data.users, groups: data.groups, faults: data.faults, code: data.code, bot: data.bot, base_url: data.base_url });
    state.entries = new Map(data.entries.map((entry) => [entry.id, entry]));
    state.wire = new Map(data.wire.map((one) => [one.id, one]));
    if (data.status.ilink) state.status = data.status;
    if (!state.users.includes(state.me)) state.me = state.users[0] || "alice";
    state.ready = true;
    emit("all");
  },
  people(data) {
    Object.assign(state, data);
    emit("people");
  },
  entry(entry) {
    state.entries.set(entry.id, entry);
    emit("entry", entry);
  },
  patch(patch) {
    const entry = state.entries.get(patch.id);
    if (!entry) return;
    const { more, ...fields } = patch;
    Object.assign(entry, fields);
    if (more !== undefined) entry.text = (entry.text || "") + more;
    emit("entry", entry);
  },
  cleared({ side, chat }) {
    for (const entry of entriesOf(side, chat)) state.entries.delete(entry.id);
    emit("all");
  },
  wire(one) {
    state.wire.set(one.id, one);
    if (state.wire.size > 500) state.wire.delete(state.wire.keys().next().value);
    emit("wire", one);
  },
  status(status) {
    state.status = status;
    emit("status");
  },
};

export function follow() {
  const source = new EventSource("/api/events");
  for (const [kind, handle] of Object.entries(HANDLERS)) {
    source.addEventListener(kind, (event) => handle(JSON.parse(event.data)));
  }
  source.onopen = () => { state.online = true; emit("online"); };
  source.onerror = () => { state.online = false; emit("online"); };
  return source;
}
