// For `node --import`: puts our stand-in in the place of the host that the vendor's plugin runs in.
import { register } from "node:module";

register("./host-hooks.mjs", import.meta.url);
