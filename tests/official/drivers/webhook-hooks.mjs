// Module hooks: the few names that the webhook half of the vendor's WeCom plugin takes from its host.
const HOST = "data:text/javascript," + encodeURIComponent(`
  export const DEFAULT_ACCOUNT_ID = "default";
  export const normalizeAccountId = (id) => id;
  export const createPluginRuntimeStore = () => ({ setRuntime() {}, getRuntime() { return {}; }, clearRuntime() {}, tryGetRuntime() {} });
`);

export async function resolve(specifier, context, next) {
  return specifier.startsWith("openclaw/") ? { url: HOST, shortCircuit: true } : next(specifier, context);
}
