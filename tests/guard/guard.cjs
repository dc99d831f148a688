// Loaded by every Node process that the tests start (NODE_OPTIONS): the same rules as loopback_guard.py.
'use strict';
const dgram = require('node:dgram');
const dns = require('node:dns');
const fs = require('node:fs');
const net = require('node:net');

const isLoopback = (host) => host === undefined || host === null || host === '' || host === 'localhost'
  || host === '::1' || (net.isIPv4(host) && host.startsWith('127.'));

function violation(what) {
  const row = {
    what: `${what} (Node)`, pid: process.pid, test: process.env.PYTEST_CURRENT_TEST || '',
    stack: new Error().stack.split('\n').slice(3, 12).map((line) => line.trim()),
  };
  if (process.env.WXSDK_TEST_GUARD_REPORT) {
    fs.appendFileSync(process.env.WXSDK_TEST_GUARD_REPORT, JSON.stringify(row) + '\n');
  }
  fs.writeSync(2, `wxsdk's tests stay on this machine: ${what}\n${row.stack.join('\n')}\n`);
  process.exit(86);
}

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function guarded(...args) {
  const first = Array.isArray(args[0]) ? args[0][0] : args[0]; // an array: options that Node normalised already
  const options = typeof first === 'object' && first !== null ? first : { port: first, host: args[1] };
  const host = typeof options.host === 'string' ? options.host : undefined;
  if (!options.path && !isLoopback(host)) violation(`a connection to ${host}`);
  return connect.apply(this, args);
};

for (const owner of [dns, dns.promises, dns.Resolver.prototype, dns.promises.Resolver.prototype]) {
  for (const name of Object.getOwnPropertyNames(owner)) {
    if (!/^(lookup|resolve|reverse)/.test(name) || typeof owner[name] !== 'function') continue;
    const original = owner[name];
    owner[name] = function guarded(host, ...rest) {
      if (!isLoopback(host) && !net.isIP(host)) violation(`a look-up of ${host}`);
      return original.call(this, host, ...rest);
    };
  }
}

const send = dgram.Socket.prototype.send;
dgram.Socket.prototype.send = function guarded(...args) {
  const host = args.find((each, index) => index > 0 && typeof each === 'string');
  if (!isLoopback(host)) violation(`a datagram to ${host}`);
  return send.apply(this, args);
};
