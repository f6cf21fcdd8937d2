// SPDX-License-Identifier: GPL-2.0-only
// Perfetto's trace processor (as WebAssembly, out of Perfetto's own web page) without a browser:
// what comes on standard input goes to it, what it answers to standard output.
//
//     node trace_processor.js FOLDER    with engine_bundle.js and trace_processor*.wasm of one release
//
// Both are a stream of TraceProcessorRpc (protos/perfetto/trace_processor/trace_processor.proto).
"use strict";

const fs = require("fs");
const path = require("path");
const vm = require("vm");

const folder = process.argv[2];
const read = (name) => fs.readFileSync(path.join(folder, path.basename(String(name))));

// What the page's script expects of the browser's worker that it is meant for.
globalThis.self = globalThis;
globalThis.location = { href: "file:///engine_bundle.js", pathname: "/engine_bundle.js" };
globalThis.WorkerGlobalScope = function () {};
globalThis.importScripts = () => {};
globalThis.XMLHttpRequest = class {
  open(_method, name) {
    this.name = name;
  }
  send() {
    this.response = read(this.name);
    this.status = 200;
  }
};
console.log = console.warn = console.error;

const requests = new Uint8Array(fs.readFileSync(0));
const host = globalThis.process;
const port = { postMessage: (answer) => host.stdout.write(Buffer.from(answer)) };
globalThis.process = undefined; // else it takes itself to be a program of Node
vm.runInThisContext(read("engine_bundle.js").toString());
globalThis.process = host;
globalThis.onmessage({ data: port });

// All of it is loaded in the call above, but for a promise that is kept when that returns.
setImmediate(() => port.onmessage({ data: requests }));
