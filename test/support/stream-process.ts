/** A worker in miniature in a process of its own, so that it can be stopped: stream-process.ts ENDPOINT. SIGTERM: submit no more, and end when all is recorded. */
import { BridgeStream } from "./bridge-stream.ts";

const stream = new BridgeStream(process.argv[2] ?? "");
await stream.start();
console.log("started");

let isEnding = false;
process.on("SIGTERM", () => {
  isEnding = true;
  stream.pause();
});
const timer = setInterval(() => {
  if (stream.lastResultAt > 0) console.log(`results ${stream.results.size}`);
  if (stream.lostAt === null && !(isEnding && stream.isComplete)) return;
  clearInterval(timer);
  const once = [...stream.results.values()].every((count) => count === 1);
  console.log(stream.lostAt === null ? `complete, ${once ? "each once" : "some twice"}` : `lost: ${stream.lost}`);
  void stream.close();
}, 50);
