export type { Ready } from "./incarnation.ts";
export {
  DEFAULT_CANCEL_GRACE,
  DEFAULT_GRACE,
  RUNNERS,
  type Runner,
  type WorkerOptions,
  type WorkerSettings,
} from "./options.ts";
export { Worker } from "./worker.ts";
