import { BridgeError } from "../../src/errors.ts";
import type { Field } from "./fields.ts";
import { checkNesting } from "./limits.ts";
import { pack, unpack, wideInteger } from "./messagepack.ts";
import { LOOSE, SERVER_MESSAGES, type ServerMessage, WORKER_MESSAGES, type WorkerMessage } from "./messages.ts";

export const MAX_ENVELOPE_BYTES = 64 * 1024 * 1024;
export const MAX_MESSAGES = 10_000;

/** One frame: [protocol, epoch, seq, ack, messages]. With seq 0 it is loose: not numbered, and never sent again. */
export interface Envelope<Message> {
  readonly protocol: number;
  readonly epoch: string | null;
  readonly seq: number;
  readonly ack: number;
  readonly messages: readonly Message[];
}

type Fields = Readonly<Record<string, Field<unknown>>>;
/** By type: the fields in the order of the wire, as lists, for frames of thousands of messages. */
type Layout = ReadonlyMap<string, readonly (readonly [name: string, field: Field<unknown>])[]>;

const WORKER_LAYOUT = layoutOf(WORKER_MESSAGES);
const SERVER_LAYOUT = layoutOf(SERVER_MESSAGES);

function layoutOf(table: Readonly<Record<string, Fields>>): Layout {
  return new Map(Object.entries(table).map(([type, fields]) => [type, Object.entries(fields)]));
}

/** The bytes of a frame from a worker. */
export function encodeEnvelope(envelope: Envelope<WorkerMessage>): Uint8Array {
  return encode(envelope, WORKER_LAYOUT);
}

/** The bytes of a frame from a server: for tests, and for a server written in TypeScript. */
export function encodeServerEnvelope(envelope: Envelope<ServerMessage>): Uint8Array {
  return encode(envelope, SERVER_LAYOUT);
}

/** @throws BridgeError when the bytes aren't a frame of this protocol from a server. */
export function decodeEnvelope(bytes: Uint8Array): Envelope<ServerMessage> {
  return decode<ServerMessage>(bytes, SERVER_LAYOUT);
}

/** @throws BridgeError when the bytes aren't a frame of this protocol from a worker. */
export function decodeWorkerEnvelope(bytes: Uint8Array): Envelope<WorkerMessage> {
  return decode<WorkerMessage>(bytes, WORKER_LAYOUT);
}

function encode(envelope: Envelope<{ readonly type: string }>, layout: Layout): Uint8Array {
  const messages = envelope.messages.map((message) => {
    const values: unknown[] = [message.type];
    for (const [name] of layout.get(message.type) ?? []) values.push(onWire(Reflect.get(message, name)));
    return values;
  });
  return pack([envelope.protocol, envelope.epoch, wideInteger(envelope.seq), wideInteger(envelope.ack), messages]);
}

/** Integers keep being integers however large, also inside arrays and maps. */
function onWire(value: unknown): unknown {
  if (typeof value === "number") return Number.isInteger(value) ? wideInteger(value) : value;
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(onWire);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, onWire(item)]));
}

function decode<Message>(bytes: Uint8Array, layout: Layout): Envelope<Message> {
  if (bytes.byteLength > MAX_ENVELOPE_BYTES)
    throw new BridgeError(`A frame of ${bytes.byteLength} bytes came; at most ${MAX_ENVELOPE_BYTES} are allowed.`);
  checkNesting(bytes);
  const frame = unpackFrame(bytes);
  if (!Array.isArray(frame) || frame.length !== 5) throw malformed("an array of 5", frame);
  const [protocol, epoch, seq, ack, messages]: readonly unknown[] = frame;
  if (!isCount(protocol) || !isCount(seq) || !isCount(ack))
    throw malformed("whole numbers for protocol, seq and ack", [protocol, seq, ack]);
  if (epoch !== null && typeof epoch !== "string") throw malformed("an epoch of type str or null", epoch);
  if (!Array.isArray(messages) || messages.length > MAX_MESSAGES)
    throw malformed(`an array of at most ${MAX_MESSAGES} messages`, messages);
  const decoded = messages.map((message) => decodeMessage<Message & { readonly type: string }>(message, layout));
  let loose = 0;
  for (const { type } of decoded) if (LOOSE.has(type)) loose += 1;
  if (seq === 0 ? loose < decoded.length : loose > 0 || decoded.length === 0)
    throw malformed(
      seq === 0 ? "loose messages only" : "numbered messages, at least one",
      decoded.map((each) => each.type),
    );
  return { protocol, epoch, seq, ack, messages: decoded };
}

function decodeMessage<Message>(message: unknown, layout: Layout): Message {
  if (!Array.isArray(message) || typeof message[0] !== "string")
    throw malformed("a message that begins with its type", message);
  const type = message[0];
  const fields = layout.get(type);
  if (fields === undefined) throw malformed(`one of ${[...layout.keys()].join(", ")}`, type);
  if (message.length - 1 !== fields.length) throw malformed(`${fields.length} fields in ${type}`, message.length - 1);
  const decoded: Record<string, unknown> = { type };
  let at = 0;
  for (const [name, field] of fields) {
    at += 1;
    if (!field.accepts(message[at])) throw malformed(`${type}.${name} of type ${field.type}`, message[at]);
    decoded[name] = message[at];
  }
  return decoded as Message;
}

function unpackFrame(bytes: Uint8Array): unknown {
  try {
    return unpack(bytes);
  } catch (error) {
    throw new BridgeError("A frame came that isn't MessagePack.", { cause: error });
  }
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function malformed(expected: string, came: unknown): BridgeError {
  const shown =
    JSON.stringify(came, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value)) ?? String(came);
  return new BridgeError(`A malformed frame came: expected ${expected}, got ${shown.slice(0, 200)}.`);
}
