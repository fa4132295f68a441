import { expect, test } from "vitest";
import * as errors from "../src/errors.ts";
import * as rayferry from "../src/index.ts";

/** What users import. Adding a name is a decision, removing one breaks them. */
const EXPORTS = [
  "BridgeError",
  "BridgeRefusedError",
  "BridgeSecurityError",
  "ClosedError",
  "ConfigurationError",
  "DatabaseError",
  "DatabaseLoginError",
  "DatabaseNewerError",
  "DatabaseNotMigratedError",
  "DatabaseUnreachableError",
  "EnqueueError",
  "ExecutionCancelledError",
  "ExecutionError",
  "ExecutionExpiredError",
  "ExecutionFailedError",
  "ExecutionLostError",
  "ExecutionNotFoundError",
  "ExecutionStateError",
  "InvalidInputError",
  "KeyFileError",
  "OptionNotSupportedError",
  "PayloadNotReadableError",
  "PayloadNotSerializableError",
  "PayloadTooLargeError",
  "RayTaskBackend",
  "RayTaskExecution",
  "RayferryError",
  "ResultTimeoutError",
  "SidecarError",
  "TASK_STATES",
  "TaskState",
  "UnknownTaskError",
  "WorkerError",
  "WorkerNameTakenError",
  "WorkerNotFoundError",
  "ZonedDate",
  "defineTask",
  "isLive",
  "migrate",
];

test("the package - exports exactly these names", () => {
  expect(Object.keys(rayferry).sort()).toEqual(EXPORTS);
});

test("every error - is a RayferryError with a code of its own", () => {
  const classes = Object.values(errors).filter((each) => each !== errors.RayferryError);
  const codes = classes.map((each) => {
    const error = new (each as new (...args: unknown[]) => errors.RayferryError)("a", "b", { type: "T", message: "m" });
    expect(error).toBeInstanceOf(errors.RayferryError);
    expect(error.name).toBe(each.name);
    return error.code;
  });
  expect(new Set(codes).size).toBe(classes.length);
});

test("TaskState - five of the eight are terminal", () => {
  const live = rayferry.TASK_STATES.filter(rayferry.isLive);
  expect(live).toEqual(["QUEUED", "RUNNING", "CANCELLING"]);
  expect(rayferry.TASK_STATES).toHaveLength(8);
});

test("defineTask - gives the name back", () => {
  expect(rayferry.defineTask<{ a: number }, number>("math.add").name).toBe("math.add");
});
