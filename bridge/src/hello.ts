/** What a worker says first, and what of the answers to it counts. */
import { BridgeError, BridgeRefusedError } from "../../src/errors.ts";
import type { Credit } from "./fields.ts";
import {
  PROTOCOL_MAX,
  PROTOCOL_MIN,
  type ServerMessage,
  type ServerMessageOf,
  type WorkerMessageOf,
} from "./messages.ts";
import type { SessionOptions } from "./session-options.ts";

/** What the server may have outstanding. */
export const WORKER_CREDIT: Credit = { messages: 10_000, bytes: 16 * 1024 * 1024 };

/** `resume`: the session that goes on, and the last frame that came in it; null where none was begun. */
export function makeHello(
  options: SessionOptions,
  hello: number,
  resume: readonly [session: string, received: number] | null,
): WorkerMessageOf<"hello"> {
  const { build, worker, incarnation, role = "submit", replaces = [], database } = options;
  return {
    type: "hello",
    protocol_min: PROTOCOL_MIN,
    protocol_max: PROTOCOL_MAX,
    build,
    worker,
    incarnation,
    hello,
    role,
    replaces,
    resume,
    database,
    credit: WORKER_CREDIT,
    capabilities: [],
  };
}

/**
 * The welcome to this hello, or null where the message is none.
 *
 * @throws BridgeRefusedError when the server refuses, or speaks no protocol of ours. @throws BridgeError on a fault.
 */
export function welcomeIn(
  message: ServerMessage,
  hello: number,
  epoch: string | null,
): ServerMessageOf<"welcome"> | null {
  if (message.type === "fault") throw faulted(message);
  if (message.type === "refused" && message.hello === hello)
    throw new BridgeRefusedError(message.code, message.message, epoch);
  if (message.type !== "welcome" || message.hello !== hello) return null;
  if (message.protocol < PROTOCOL_MIN || message.protocol > PROTOCOL_MAX) throw noCommonProtocol(message);
  return message;
}

export function faulted({ message, code }: ServerMessageOf<"fault">): BridgeError {
  return new BridgeError(`The server refused a frame: ${message} (${code}).`);
}

function noCommonProtocol({ protocol, build }: ServerMessageOf<"welcome">): BridgeRefusedError {
  return new BridgeRefusedError(
    "PROTOCOL_MISMATCH",
    `The server (rayferry ${build}) chose protocol ${protocol}; this worker speaks ${PROTOCOL_MIN} to ${PROTOCOL_MAX}. Install the same version on both sides.`,
  );
}
