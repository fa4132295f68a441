#!/usr/bin/env bash
# test.sh [fast|all|long]: runs the tests of both languages, whatever fails on the way, and ends with one line that adds them up.
#   fast  without Ray        all  fast and Ray        long  all, and the proofs that take long
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/node_modules/.bin:$PWD/.venv/bin:$PATH"

mode=${1:-all}
case $mode in
  fast | all | long) ;;
  *)
    echo "usage: $0 [fast|all|long]" >&2
    exit 2
    ;;
esac

reports=$(mktemp -d "${TMPDIR:-/tmp}/rayferry-reports-XXXXXX")
trap 'rm -rf "$reports"' EXIT
runs=()

# run NAME REPORT COMMAND...: remembers the exit status and the report that the command writes.
run() {
  local name=$1 report=$2 start=$SECONDS status=0
  shift 2
  printf '\n== %s\n' "$name"
  "$@" || status=$?
  printf '== %s: %d s\n' "$name" "$((SECONDS - start))"
  runs+=("$name" "$report" "$status")
}

typescript_tests() {
  # A kind of test that doesn't exist yet is no failure; one that exists and isn't found is.
  [[ -n $(find test -name "$2" -print -quit) ]] || return 0
  run "typescript-$1" "$reports/typescript-$1.json" vitest run --project "$1" --reporter=default --reporter=json \
    --outputFile.json="$reports/typescript-$1.json"
}

# python_tests NAME MARKERS [PYTEST-ARGUMENT]
python_tests() { run "python-$1" "$reports/python-$1.xml" pytest_with_report "$@"; }

pytest_with_report() { (cd python && pytest -q -m "$2" --junitxml="$reports/python-$1.xml" ${3:+"$3"} ${4:+"$4"}); }

typescript_tests fast '*.test.ts'
python_tests fast "not ray and not long"
if [[ $mode != fast ]]; then
  typescript_tests ray '*.ray.test.ts'
  python_tests ray "ray and not long" --ignore=tests/in_ray
  # A Ray in pytest's own process: what it reads from the environment has to be there before anything imports it.
  python_tests in-ray "ray and not long" tests/in_ray
fi
if [[ $mode == long ]]; then
  typescript_tests long '*.long.test.ts'
  python_tests long long --ignore=tests/in_ray
fi

printf '\n'
.venv/bin/python scripts/test-summary.py ${runs[@]+"${runs[@]}"}
