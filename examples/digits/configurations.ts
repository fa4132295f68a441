/** One point of the search: keyword arguments of the Python task. */
export interface Configuration {
  readonly family: "svc" | "knn";
  readonly params: Readonly<Record<string, number | string>>;
}

const C = [0.1, 0.3, 1, 3, 10, 30, 100, 300];
const GAMMA = [0.0001, 0.0002, 0.0003, 0.0005, 0.0007, 0.001, 0.0015, 0.002];
const NEIGHBOURS = [1, 2, 3, 4, 5, 7, 10];
const WEIGHTS = ["uniform", "distance"];
const POWERS = [1, 2];

/** 64 support-vector machines and 28 nearest-neighbour classifiers. */
export const configurations: readonly Configuration[] = [
  ...C.flatMap((c) => GAMMA.map((gamma): Configuration => ({ family: "svc", params: { C: c, gamma } }))),
  ...NEIGHBOURS.flatMap((n_neighbors) =>
    WEIGHTS.flatMap((weights) =>
      POWERS.map((p): Configuration => ({ family: "knn", params: { n_neighbors, weights, p } })),
    ),
  ),
];

/** `svc C=10 gamma=0.001` */
export function describe({ family, params }: Configuration): string {
  return [family, ...Object.entries(params).map(([name, value]) => `${name}=${value}`)].join(" ");
}
