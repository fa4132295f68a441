/**
 * The operating system's user that Postgres runs as. Postgres refuses to run as root, so for root that is `nobody`.
 *
 * `nobody` can't walk into a checkout below a 0700 folder such as /root. `setpriv` hands the process the one capability
 * that lets it (CAP_DAC_OVERRIDE, which Postgres doesn't mind); where there is no setpriv, the user id is changed
 * plainly and the path has to be open to everybody.
 */
import { type ChildProcess, execFile, type SpawnOptions, spawn } from "node:child_process";
import { chown, readFile } from "node:fs/promises";
import { promisify } from "node:util";

const NOBODY = 65534;

export interface Account {
  /** Starts a program as this user. */
  spawn(program: string, args: readonly string[], options: SpawnOptions): ChildProcess;
  /** Makes this user the owner of a file or folder. */
  own(path: string): Promise<void>;
}

const ourselves: Account = {
  spawn: (program, args, options) => spawn(program, args, options),
  own: async () => {},
};

export async function postgresAccount(): Promise<Account> {
  if (process.getuid?.() !== 0) return ourselves;
  const { uid, gid } = await nobody();
  const own = (path: string) => chown(path, uid, gid);
  const setpriv = [
    `--reuid=${uid}`,
    `--regid=${gid}`,
    "--clear-groups",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
    // Without it access(2), by which Postgres looks for its own files, ignores the capability.
    "--securebits=+no_setuid_fixup",
  ];
  if (await works("setpriv", [...setpriv, "true"])) {
    return { own, spawn: (program, args, options) => spawn("setpriv", [...setpriv, program, ...args], options) };
  }
  return { own, spawn: (program, args, options) => spawn(program, args, { ...options, uid, gid }) };
}

async function nobody(): Promise<{ uid: number; gid: number }> {
  const passwd = await readFile("/etc/passwd", "utf8").catch(() => "");
  const fields = passwd
    .split("\n")
    .find((line) => line.startsWith("nobody:"))
    ?.split(":");
  // macOS writes nobody as -2; the system calls take it unsigned.
  return { uid: Number(fields?.[2] ?? NOBODY) >>> 0, gid: Number(fields?.[3] ?? NOBODY) >>> 0 };
}

async function works(program: string, args: readonly string[]): Promise<boolean> {
  return await promisify(execFile)(program, args).then(
    () => true,
    () => false,
  );
}
