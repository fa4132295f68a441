import fc from "fast-check";
import { expect } from "vitest";
import {
  decodeEnvelope,
  decodeWorkerEnvelope,
  encodeEnvelope,
  encodeServerEnvelope,
} from "../../bridge/src/envelope.ts";
import { pack } from "../../bridge/src/messagepack.ts";
import { LOOSE } from "../../bridge/src/messages.ts";
import { BridgeError } from "../../src/errors.ts";
import { readFixtures } from "./fixtures.ts";

const FRAMES = readFixtures()
  .filter(({ name }) => name !== "envelope")
  .flatMap(({ cases, name }) => cases.map(({ message }) => pack([1, "epoch", LOOSE.has(name) ? 0 : 1, 0, [message]])));

const change = fc.tuple(fc.nat(100_000), fc.nat(255));
const damaged = fc
  .tuple(fc.constantFrom(...FRAMES), fc.array(change, { maxLength: 4 }), fc.uint8Array({ maxLength: 4 }))
  .map(([frame, changes, tail]) => {
    const bytes = new Uint8Array([...frame, ...(tail.length === 1 ? tail : [])]);
    for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
    return bytes;
  });
const anyMessage = fc.array(fc.anything({ withBigInt: false, maxDepth: 3 }), { maxLength: 5 });
const anyFrame = fc
  .tuple(fc.constant(1), fc.constant("epoch"), fc.nat(1), fc.nat(3), fc.array(anyMessage, { maxLength: 2 }))
  .map((frame) => pack(frame));

/** Whatever comes, either decoder gives a frame that can be written again, or throws BridgeError. */
export function fuzzDecoders(numRuns: number): void {
  fc.assert(
    fc.property(fc.oneof(damaged, damaged, anyFrame, fc.uint8Array({ maxLength: 64 })), (bytes) => {
      attempt(() => encodeServerEnvelope(decodeEnvelope(bytes)));
      attempt(() => encodeEnvelope(decodeWorkerEnvelope(bytes)));
    }),
    { numRuns },
  );
}

function attempt(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(BridgeError);
  }
}
