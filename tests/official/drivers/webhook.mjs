// The webhook half of @wecom/wecom-openclaw-plugin behind an HTTP server: node webhook.mjs TOKEN KEY BOT_ID. Prints its port.
import http from "node:http";
import { register } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

register("./webhook-hooks.mjs", import.meta.url);
const [token, encodingAESKey, botId] = process.argv.slice(2);
const home = path.join(process.env.WXSDK_OFFICIAL_ROOT, "node_modules/@wecom/wecom-openclaw-plugin/dist/src/webhook/");
console.log = () => {};
const { handleWecomWebhookRequest } = await import(pathToFileURL(path.join(home, "handler.js")));
const { registerWecomWebhookTarget } = await import(pathToFileURL(path.join(home, "target.js")));

const account = {
  accountId: "default", connectionMode: "webhook", token, encodingAESKey, receiveId: "", botId,
  welcomeText: "Welcome.", config: { botId }, enabled: true, configured: true,
};
const config = { channels: { wecom: {} } };
registerWecomWebhookTarget({ account, config, runtime: {}, core: {}, path: "/wecom/bot" }, ["/wecom/bot"]);

const server = http.createServer(async (request, response) => {
  if (!(await handleWecomWebhookRequest(request, response))) {
    response.statusCode = 404;
    response.end();
  }
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
