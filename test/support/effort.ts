/** How much of a proof that could go on for ever a run takes on itself: `brief` in `make test-fast`. */
export function rounds(full: number, brief: number): number {
  return process.env["RAYFERRY_TEST_EFFORT"] === "brief" ? brief : full;
}
