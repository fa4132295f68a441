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
export { BridgeSession, type InventoryEntry, type SessionOptions, type Welcome } from "./session.ts";
export { makeKeyPair } from "./socket.ts";
