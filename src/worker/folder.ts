import { createHash } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { WorkerError } from "../errors.ts";

/** A unix socket's path has room for 107 bytes, and sockets of Ray's own add 68 to the folder's. */
const LONGEST_FOLDER = 39;

/**
 * The folder of one worker name on one database: its lock, the bridge's socket, Ray's session. Only its owner may enter.
 *
 * @throws WorkerError when somebody else owns it.
 */
export function openFolder(name: string, database: string): string {
  const digest = createHash("sha256").update(`${name} ${database}`).digest("hex").slice(0, 8);
  const parents = [tmpdir(), "/tmp"].map((root) => join(root, `rayferry-${userInfo().uid}`));
  const [folder] = [`${name.slice(0, 12)}-${digest}`, digest]
    .flatMap((last) => parents.map((parent) => join(parent, last)))
    .filter((each) => each.length <= LONGEST_FOLDER);
  if (folder === undefined)
    throw new WorkerError(`Neither ${parents.join(" nor ")} leaves room for a socket. Set TMPDIR to a shorter path.`);
  const parent = dirname(folder);
  for (const each of [parent, folder]) claimFolder(each);
  return folder;
}

function claimFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const found = lstatSync(folder);
  if (!found.isDirectory() || found.uid !== userInfo().uid) {
    throw new WorkerError(`${folder} belongs to somebody else. Remove it, or set TMPDIR to a folder of your own.`);
  }
  if ((found.mode & 0o077) !== 0) chmodSync(folder, 0o700);
}

/** Removes what a dead incarnation left; only under the lock. */
export function clearFolder(folder: string, keep: readonly string[]): void {
  for (const entry of readdirSync(folder)) {
    if (!keep.includes(entry)) rmSync(join(folder, entry), { recursive: true, force: true });
  }
}

/** Removes an empty folder; one that another worker has taken meanwhile stays. */
export function removeFolder(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Not empty: somebody else's by now.
  }
}
