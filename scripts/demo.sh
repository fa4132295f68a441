#!/usr/bin/env bash
# The main job on embedded Postgres and a local Ray: a hyper-parameter search from TypeScript. Ends what it started, also when it is killed.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root/examples/digits"
[[ -e node_modules/rayferry/package.json ]] || npm install --no-audit --no-fund --silent
PATH=$root/node_modules/.bin:$PATH
exec node "$root/dist/src/cli/main.js" dev --tasks digits_tasks --temporary --quiet --die-with-parent -- node search.ts
