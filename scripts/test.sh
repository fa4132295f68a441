#!/usr/bin/env bash
# test.sh [fast|all|long]: runs the tests of both languages, whatever fails on the way, and ends with one line that adds them up.
#   fast  without Ray and without what waits for seconds, and less of what could go on for ever
#   all   everything but the long proofs        long  all, and the proofs that take long
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

# One test wants PgBouncer. Root on Debian is helped without asking, as by setup; elsewhere that test is left out, or fails and says what to do.
if [[ $mode != fast && $(id -u) == 0 && ! -x /usr/sbin/pgbouncer ]] && command -v apt-get >/dev/null; then
  scripts/install-debian.sh >"${TMPDIR:-/tmp}/rayferry-install.log" 2>&1 || echo "PgBouncer couldn't be installed; see ${TMPDIR:-/tmp}/rayferry-install.log" >&2
fi

reports=$(mktemp -d "${TMPDIR:-/tmp}/rayferry-reports-XXXXXX")
beside=""
trap '[[ -z $beside ]] || kill -- "-$beside" 2>/dev/null; rm -rf "$reports"' EXIT
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

# run_beside NAME REPORT COMMAND...: in the background, what it says kept for `show_beside`, which waits for it.
run_beside() {
  local log="$reports/$1.log" said="$reports/$1.status"
  beside_name=$1 beside_report=$2
  # Under job control, or it would ignore SIGINT, which tests send; Ctrl-C doesn't reach it then, so the trap ends it.
  set -m
  (
    run "${@:1:2}" "${@:3}"
    printf '%s' "${runs[2]}" >"$said"
  ) >"$log" 2>&1 &
  beside=$!
  set +m
}

show_beside() {
  wait "$beside"
  beside=""
  cat "$reports/$beside_name.log"
  runs+=("$beside_name" "$beside_report" "$(cat "$reports/$beside_name.status" 2>/dev/null || echo 1)")
}

typescript_tests() {
  # A kind of test that doesn't exist yet is no failure; one that exists and isn't found is.
  [[ -n $(find test -name "$2" -print -quit) ]] || return 0
  run "typescript-$1" "$reports/typescript-$1.json" vitest run --project "$1" --reporter=default --reporter=json \
    --outputFile.json="$reports/typescript-$1.json"
}

# python_tests NAME MARKERS [PYTEST-ARGUMENT...]
python_tests() { run "python-$1" "$reports/python-$1.xml" pytest_with_report "$@"; }

pytest_with_report() { (cd python && exec pytest -q -m "$2" --junitxml="$reports/python-$1.xml" "${@:3}"); }

markers="not ray and not long"
if [[ $mode == fast ]]; then
  markers+=" and not slow"
  export RAYFERRY_TEST_EFFORT=brief
fi
# Both languages at once, for they wait more than they compute: for processes, for sockets, for time.
run_beside python-fast "$reports/python-fast.xml" pytest_with_report fast "$markers" --numprocesses=2 --dist=worksteal
typescript_tests fast '*.test.ts'
show_beside
if [[ $mode != fast ]]; then
  typescript_tests slow '*.slow.test.ts'
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
