// SPDX-License-Identifier: BSD-2-Clause
//
// Perfetto's trace processor under node, for perfetto.py: its directory is the first argument, each
// line of stdin is {"trace": PATH, "queries": {NAME: SQL}}, each line of stdout the answer, {NAME:
// [[column, ...] of each row]}.  What goes wrong is said on stderr and ends the program.
//
// The module is made for a browser's worker: it looks for `self`, loads its code by address and talks
// through a message port.  Three places of its glue are replaced; each must be there, so that another
// version is noticed.
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';

const PIECE = 16 << 20;
const dir = process.argv[2];
const file = (name) => path.join(dir, name);

function patched(source, changes) {
  for (const [from, to] of changes) {
    if (!source.includes(from)) throw new Error(`the trace processor has no '${from}'`);
    source = source.replace(from, to);
  }
  return source;
}

async function startBridge() {
  globalThis.self = globalThis;
  globalThis.WorkerGlobalScope = class {};
  Object.defineProperty(globalThis, 'location',
    { value: { href: `${pathToFileURL(dir).href}/` }, configurable: true });
  globalThis.ctraceWasm = fs.readFileSync(file('trace_processor.wasm'));
  const created = 'const wasmBridge = new wasm_bridge_1.WasmBridge();';
  const glue = patched(fs.readFileSync(file('engine_bundle.node.js'), 'utf8'), [
    ['this.useMemory64 = hasMemory64Support();', 'this.useMemory64 = false;'],
    ['locateFile: (s) => s,', 'locateFile: (s) => s, wasmBinary: globalThis.ctraceWasm,'],
    [created, `${created} globalThis.ctraceBridge = wasmBridge;`],
  ]);
  console.warn = () => {};
  vm.runInThisContext(glue, { filename: 'engine_bundle.node.js' });
  return globalThis.ctraceBridge;
}

async function startEngine() {
  const { EngineBase } = await import(pathToFileURL(file('engine.mjs')).href);
  const bridge = await startBridge();
  const { port1, port2 } = new MessageChannel();
  class Engine extends EngineBase {
    mode = 'WASM';
    id = 'ctrace';
    rpcSendRequestBytes(bytes) { port2.postMessage(bytes); }
  }
  const engine = new Engine();
  port2.onmessage = (message) => engine.onRpcResponseBytes(message.data);
  bridge.initialize(port1);
  while (!bridge.reqBufferAddr) await new Promise((done) => setTimeout(done, 5));
  return engine;
}

async function load(engine, trace) {
  await engine.resetTraceProcessor({ cropTrackEvents: false, ingestFtraceInRawTable: false,
    analyzeTraceProtoContent: false, ftraceDropUntilAllCpusValid: false });
  const fd = fs.openSync(trace, 'r');
  for (;;) {
    const piece = new Uint8Array(PIECE);
    const size = fs.readSync(fd, piece, 0, PIECE, null);
    if (!size) break;
    await engine.parse(piece.subarray(0, size));
  }
  fs.closeSync(fd);
  await engine.notifyEof();
}

async function rows(engine, sql) {
  const result = await engine.query(sql);
  const columns = result.columns();
  const all = [];
  for (const row = result.iter({}); row.valid(); row.next())
    all.push(columns.map((column) => {
      const value = row.get(column);
      return typeof value === 'bigint' ? Number(value) : value;
    }));
  return all;
}

const engine = await startEngine();
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { trace, queries } = JSON.parse(line);
  const answer = {};
  await load(engine, trace);
  for (const [name, sql] of Object.entries(queries)) answer[name] = await rows(engine, sql);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0);
