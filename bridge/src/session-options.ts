import type { BridgeError } from "../../src/errors.ts";
import type { CurveOptions } from "./keys.ts";
import type { DatabaseIdentity, ServerMessage } from "./messages.ts";
import type { openSocket } from "./socket.ts";

/** Milliseconds without a frame after which the server counts as lost; it sends one each second. */
export const SILENCE = 10_000;

export interface SessionOptions {
  readonly endpoint: string;
  readonly build: string;
  readonly worker: string;
  readonly incarnation: string;
  /** `drain` adopts what dead workers left and submits nothing; default `submit`. */
  readonly role?: "submit" | "drain";
  /** Incarnations that are known to be dead: their sessions end. */
  readonly replaces?: readonly string[];
  /** Null where it can't be read. */
  readonly database: DatabaseIdentity | null;
  readonly curve?: CurveOptions | null;
  /** Milliseconds for the first answer; null: as long as it takes. */
  readonly openTimeout: number | null;
  /** Milliseconds without a frame after which the server counts as lost; default `SILENCE`. */
  readonly silence?: number;
  /** Attempts held at this server, for the heartbeats. */
  readonly held?: () => number;
  /** Everything after the inventory. */
  readonly onMessage: (message: ServerMessage) => void;
  /** The session is over though nobody closed it. */
  readonly onLost: (error: BridgeError) => void;
  /** What carries the frames; default ZeroMQ. Tests put a network in its place that does as they say. */
  readonly openSocket?: typeof openSocket;
}
