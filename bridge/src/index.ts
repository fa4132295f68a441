export type { InventoryEntry } from "./inventories.ts";
export {
  type CurveOptions,
  isKey,
  KEY_ROLES,
  type KeyPair,
  type KeyRole,
  readKeyPair,
  readPublicKey,
  writeKeyPair,
} from "./keys.ts";
export type {
  AttemptError,
  AttemptRun,
  ClusterInfo,
  DatabaseIdentity,
  ModuleFailure,
  RegisteredTask,
  ServerMessage,
  ServerMessageOf,
  WorkerMessage,
} from "./messages.ts";
export { BridgeSession, type Welcome } from "./session.ts";
export type { SessionOptions } from "./session-options.ts";
export { makeKeyPair } from "./socket.ts";
