/** `make test-fast`, which takes less on itself. */
export function isBrief(): boolean {
  return process.env["RAYFERRY_TEST_EFFORT"] === "brief";
}

/** How much of a proof that could go on for ever a run takes on itself: `brief` in `make test-fast`. */
export function rounds(full: number, brief: number): number {
  return isBrief() ? brief : full;
}
