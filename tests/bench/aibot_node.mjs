// What the vendor's Node SDK does in the WeCom benchmarks: the same work as aibot_peer.py.
import { createRequire } from 'node:module';
const require = createRequire(process.cwd() + '/');
const { WSClient } = require('@wecom/aibot-node-sdk');

const port = process.argv[2];
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const make = (botId) => new WSClient({ botId, secret: 's', wsUrl: `ws://127.0.0.1:${port}`, logger: quiet });
const now = () => Number(process.hrtime.bigint()) / 1e9;

function pushed(count) {
  return new Promise((resolve) => {
    const client = make(`push:${count}`);
    let seen = 0, began = 0;
    client.on('message.text', () => {
      seen += 1;
      if (seen === 1) began = now();
      if (seen === count) { const took = now() - began; client.disconnect(); resolve(count / took); }
    });
    client.connect();
  });
}

function roundTrip(count) {
  return new Promise((resolve) => {
    const client = make('chats:1');
    client.on('message.text', async (frame) => {
      const times = [];
      for (let number = 0; number < count; number += 1) {
        const began = now();
        await client.replyStream(frame, 's', `snapshot ${number}`);
        times.push(now() - began);
      }
      client.disconnect();
      times.sort((a, b) => a - b);
      resolve(times[Math.floor(times.length / 2)] * 1e6);
    });
    client.connect();
  });
}

function replies(chats, frames) {
  return new Promise((resolve) => {
    const client = make(`chats:${chats}`);
    let left = chats, began = 0;
    client.on('message.text', async (frame) => {
      began = began || now();
      for (let number = 0; number < frames; number += 1) {
        await client.replyStream(frame, 's', `snapshot ${number}`, number === frames - 1);
      }
      left -= 1;
      if (left === 0) { const took = now() - began; client.disconnect(); resolve((chats * frames) / took); }
    });
    client.connect();
  });
}

const figures = { push: await pushed(20000), round_trip_us: await roundTrip(3000), replies: await replies(200, 20) };
console.log(JSON.stringify(figures));
process.exit(0);
