import type { TaskError } from "../errors.ts";

/** A timeout is the same to who writes a policy, whether the interrupt ended the task or the kill. */
const TIMEOUT = [
  "rayferry.errors.SoftTimeout",
  "rayferry.errors.RayferryError",
  "Timeout",
  "TimeoutError",
  "Exception",
  "BaseException",
];

/** Whether the error's class, one of its bases, or rayferry's own word for it is among `names`, with or without their module paths. */
export function isOneOf(error: TaskError, names: readonly string[]): boolean {
  const own = error.code === "Timeout" ? TIMEOUT : error.code === "TaskError" ? [] : [error.code];
  const classes = [error.type, ...error.bases, ...own];
  return names.some((name) => classes.some((each) => isNamed(each, name)));
}

/** `pkg.errors.Busy` is named by itself, by `errors.Busy` and by `Busy`; the builtin `ValueError` also by `builtins.ValueError`. */
function isNamed(type: string, name: string): boolean {
  return type === name || type.endsWith(`.${name}`) || name === `builtins.${type}`;
}
