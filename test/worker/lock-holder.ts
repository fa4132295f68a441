/** Takes the lock of the folder in argv[2], says so on stdout, and holds it until it is killed. */
import { takeLock } from "../../src/worker/lock.ts";

const [, , folder = "", name = ""] = process.argv;
await takeLock(folder, name);
process.stdout.write("holding\n");
setInterval(() => {}, 60_000);
