import { testPlans } from "../support/plans.ts";

await testPlans({ ready: 1_000_000, later: 1_000_000, finished: 1_000_000 });
