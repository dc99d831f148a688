// Whatever the vendor's plugin imports of its host is host.mjs.
export const resolve = (specifier, context, next) =>
  specifier.startsWith("openclaw/")
    ? { url: new URL("./host.mjs", import.meta.url).href, shortCircuit: true }
    : next(specifier, context);
