// The driver's side of tests/official/node.py: a line of JSON in, a line of JSON out.
import { createInterface } from "node:readline";

const input = process.stdin;
const write = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr); // what a client prints is not part of the talk
for (const name of ["log", "info", "debug"]) console[name] = console.error;

const say = (what) => write(JSON.stringify(what) + "\n");

/** Tell Python that something happened on a channel. */
export const tell = (channel, name, what = null) => say({ event: [channel, name, what] });

const thrown = (error) =>
  error instanceof Error ? { name: error.name, message: error.message, code: error.code } : error;

/** Serve calls: `calls[name](request)` gives the value, or a promise of it. */
export function serve(calls) {
  const lines = createInterface({ input });
  lines.on("line", async (line) => {
    const request = JSON.parse(line);
    try {
      say({ id: request.id, value: (await calls[request.call](request)) ?? null });
    } catch (error) {
      say({ id: request.id, error: thrown(error) });
    }
  });
  lines.on("close", () => process.exit(0));
}
