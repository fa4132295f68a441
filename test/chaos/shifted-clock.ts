/**
 * Preloaded into a worker (`node --import`): its wall clock is CHAOS_CLOCK_HOURS ahead. By `Date` alone, and not by libfaketime: that also shifts the clocks that timers
 * and waits go by, in Node as in the Python that the worker starts, so that a stop would be tested and not a wrong time of day; and it has to be installed.
 */
const shift = Number(process.env["CHAOS_CLOCK_HOURS"] ?? 0) * 3_600_000;
const RealDate = Date;

globalThis.Date = new Proxy(RealDate, {
  construct(target, args, newTarget) {
    return Reflect.construct(target, args.length === 0 ? [RealDate.now() + shift] : args, newTarget);
  },
  apply: () => new RealDate(RealDate.now() + shift).toString(),
  get: (target, name, receiver) =>
    name === "now" ? () => RealDate.now() + shift : Reflect.get(target, name, receiver),
});
