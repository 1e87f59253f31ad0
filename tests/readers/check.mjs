// Reads every store of a list with zarrita and compares with what must be there, byte for byte.
//
// usage: node check.mjs LIST.json
//
// A failure is one line with store, reader, and what differs; the last line counts.

import { readFile } from "node:fs/promises";

// Older engines have no half floats. Their bits are compared, so a type of the same size does.
globalThis.Float16Array ??= class Float16Array extends Uint16Array {};

const { default: FileSystemStore } = await import("@zarrita/storage/fs");
const zarr = await import("zarrita");

class Wrong extends Error {}

const entries = JSON.parse(await readFile(process.argv[2], "utf8"));
let passed = 0;
let failed = 0;
for (const entry of entries) {
  try {
    await check(entry);
    passed += 1;
  } catch (fault) {
    failed += 1;
    const said = fault instanceof Wrong ? fault.message : String(fault);
    console.log(`FAILED ${entry.store}\n  zarrita: ${said}\n  ${entry.command}`);
  }
}
console.log(`node: ${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;

async function check(entry) {
  const store = new FileSystemStore(entry.store);
  const root = zarr.root(store);
  const place = entry.array ? root.resolve(entry.array) : root;
  const array = await zarr.open.v3(place, { kind: "array" });
  const shape = wanted(entry, array.shape);
  demand("shape", array.shape, shape);
  demand("chunks", array.chunks, entry.chunks);
  demand("dimensions", array.dimensionNames ?? array.dimension_names, entry.names);
  // zarrita reads no array without elements: of such, the description has to do.
  if (shape.includes(0)) return;
  const { data, stride } = await zarr.get(array);
  demand("strides", stride, strides(shape));
  const found = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  compare(found, await readFile(entry.expected), shape, size(entry));
}

// A store that was killed holds whole shards of what was sent.
function wanted(entry, found) {
  if (!entry.prefix) return entry.shape;
  const whole = found[0] % entry.shards[0] === 0 && found[0] <= entry.shape[0];
  if (!whole) throw new Wrong(`${found[0]} slices are published, in shards of ${entry.shards[0]}, of ${entry.shape[0]} sent`);
  return [found[0], ...entry.shape.slice(1)];
}

function demand(what, found, wanted) {
  const [f, w] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (f !== w) throw new Wrong(`${what}: ${f}, not ${w}`);
}

function strides(shape) {
  return shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
}

function size(entry) {
  return Number(entry.dtype.slice(2));
}

function compare(found, wanted, shape, bytes) {
  const length = shape.reduce((a, b) => a * b, 1) * bytes;
  demand("bytes", found.length, length);
  if (wanted.length < length) throw new Wrong(`${wanted.length} bytes were dumped, ${length} are compared`);
  if (Buffer.compare(found, wanted.subarray(0, length)) === 0) return;
  const at = found.findIndex((byte, i) => byte !== wanted[i]);
  const element = Math.floor(at / bytes);
  const index = strides(shape).map((step, i) => Math.floor(element / step) % shape[i]);
  throw new Wrong(`first difference at [${index}]: byte ${found[at]} is not ${wanted[at]}`);
}
