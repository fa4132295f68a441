/** The thread of StallWatch: says, while the main thread stands still, in what. */
import { writeSync } from "node:fs";
import { Session } from "node:inspector";
import { workerData } from "node:worker_threads";
import { IS_DEBUGGED, LOOKS, type StallThreadData, TICKS } from "./stall-watch.ts";

const FRAMES = 8;

const { shared, stall, every, json } = workerData as StallThreadData;
let ticks = -1;
/** Milliseconds for which we ran and saw no tick. */
let stood = 0;

setInterval(look, every);

function look(): void {
  Atomics.add(shared, LOOKS, 1);
  const now = Atomics.load(shared, TICKS);
  const before = stood;
  stood = now === ticks ? stood + every : 0;
  ticks = now;
  if (before < stall && stood >= stall) tell();
}

function tell(): void {
  const sentence = `The worker's event loop has stood still for ${(stood / 1000).toFixed(1)} s`;
  // A second debugger would take the main thread from the first.
  if (Atomics.load(shared, IS_DEBUGGED) === 1) say(`${sentence}.`);
  else interrupt((frames) => say(`${sentence}, in:\n${frames.join("\n")}`));
}

/** A native call that takes long is interrupted when it returns: its caller is named then. */
function interrupt(onFrames: (frames: readonly string[]) => void): void {
  const session = new Session();
  session.connectToMainThread();
  // A frame names its script by number only.
  const urls = new Map<string, string>();
  session.on("Debugger.scriptParsed", ({ params }) => urls.set(params.scriptId, params.url));
  session.on("Debugger.paused", ({ params }) => {
    session.post("Debugger.resume");
    session.post("Debugger.disable", () => session.disconnect());
    const frames = params.callFrames.slice(0, FRAMES).map(({ functionName, location }) => {
      const url = urls.get(location.scriptId) ?? "";
      return `  ${functionName || "(anonymous)"} (${url}:${location.lineNumber + 1})`;
    });
    onFrames(frames);
  });
  session.post("Debugger.enable");
  session.post("Debugger.pause");
}

/** The logger belongs to the thread that stands still. */
function say(msg: string): void {
  writeSync(2, json ? `${JSON.stringify({ level: 40, time: Date.now(), msg })}\n` : `${msg}\n`);
}
