#!/usr/bin/env bash
# Everything that can be said about the code without running it, all of it even when one part fails.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/node_modules/.bin:$PWD/.venv/bin:$PATH"

failed=()
check() {
  local name=$1 start=$SECONDS output
  shift
  if output=$("$@" 2>&1); then
    printf '%-12s ok  %d s\n' "$name" "$((SECONDS - start))"
  else
    printf '%-12s FAILED\n%s\n\n' "$name" "$output"
    failed+=("$name")
  fi
}
in_python() { (cd python && "$@"); }

# biome.json holds the layering rules too: who may import whom.
check biome biome ci --colors=off
check tsc tsc --noEmit -p .
beside=(../bench ../examples/protocol-client)
check ruff in_python ruff check --config pyproject.toml . "${beside[@]}"
check ruff-format in_python ruff format --config pyproject.toml --check . "${beside[@]}"
check mypy in_python mypy
check import-linter in_python lint-imports

if [[ ${#failed[@]} != 0 ]]; then
  printf 'lint failed: %s\n' "${failed[*]}" >&2
  exit 1
fi
