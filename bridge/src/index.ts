export type {
  AttemptError,
  AttemptRun,
  ClusterInfo,
  ModuleFailure,
  RegisteredTask,
  ServerMessage,
  ServerMessageOf,
  WorkerMessage,
} from "./messages.ts";
export { BridgeSession, type SessionOptions, type Welcome } from "./session.ts";
