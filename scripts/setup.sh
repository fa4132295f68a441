#!/usr/bin/env bash
# Makes the checkout ready to run: npm packages, a Node that is new enough, a Python environment, the build.
# Does only what is missing or out of date, so it may stand before every other command.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

CACHE=.cache
LOG=$CACHE/setup.log
LOCK=$CACHE/setup.lock
NPM_STAMP=node_modules/.rayferry-stamp
PYTHON_STAMP=.venv/.rayferry-stamp
BUILD_STAMP=dist/.rayferry-stamp
NODE_WANTED=22
mkdir -p "$CACHE"

die() {
  printf 'setup: %s\n' "$1" >&2
  exit 1
}

hash_of() {
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c1-64
}

is_stamped() { [[ -f $1 && $(<"$1") == "$2" ]]; }

# step TITLE ADVICE COMMAND...: one line with the seconds it took; on failure the end of what it said, and the advice.
# Bash ignores `set -e` in what stands in a condition, so a function given here says `|| return` itself.
step() {
  local title=$1 advice=$2 start=$SECONDS
  shift 2
  printf '%s ... ' "$title"
  if "$@" >"$LOG" 2>&1 </dev/null; then
    printf '%d s\n' "$((SECONDS - start))"
  else
    printf 'failed after %d s. The end of %s:\n\n' "$((SECONDS - start))" "$LOG"
    tail -n 30 "$LOG"
    printf '\n' && die "$advice"
  fi
}

# A folder is made by one process only; its holder's number tells a lock that was left behind.
take_lock() {
  local holder said=
  until mkdir "$LOCK" 2>/dev/null; do
    holder=$(cat "$LOCK/pid" 2>/dev/null || true)
    # Just made, its number not yet written: look again.
    if [[ -z $holder ]] && sleep 0.2 && [[ -d $LOCK && ! -s $LOCK/pid ]]; then holder=0; fi
    if [[ $holder == 0 ]] || { [[ -n $holder ]] && ! kill -0 "$holder" 2>/dev/null; }; then
      # Renamed first, so that of two who find it only one removes it, and never a new one.
      mv "$LOCK" "$LOCK.$$" 2>/dev/null && rm -rf "$LOCK.$$"
      continue
    fi
    [[ -n $said ]] || printf 'setup: waiting for another setup (process %s)\n' "$holder"
    said=1
    sleep 0.5
  done
  printf '%s' "$$" >"$LOCK/pid"
  trap 'rm -rf "$LOCK"' EXIT
  trap 'exit 130' INT TERM
}

node_major() { "$1" -p 'process.versions.node.split(".")[0]' 2>/dev/null || printf 0; }

node_is_new_enough() {
  # npm puts node_modules/.bin first on the PATH of what it runs, so a Node there is the one that counts.
  local node=node
  [[ -x node_modules/.bin/node ]] && node=node_modules/.bin/node
  # 22.18 is the first that runs TypeScript as it is, which the examples and the tests of the CLI do.
  "$node" -e 'const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major > 22 || (major === 22 && minor >= 18) ? 0 : 1)' 2>/dev/null
}

set_up_node() {
  command -v npm >/dev/null || install_debian
  command -v npm >/dev/null || die "npm is missing. Install Node.js $NODE_WANTED or newer with npm (https://nodejs.org)."
  local stamp
  stamp=$(hash_of <package-lock.json)
  if ! is_stamped "$NPM_STAMP" "$stamp"; then
    step "npm packages (npm ci)" "If the lock file is said to be out of step: npm install, then scripts/complete-lock.py. Else: is the npm registry reachable?" npm ci --no-audit --no-fund
    printf '%s' "$stamp" >"$NPM_STAMP"
  fi
  if ! node_is_new_enough; then
    step "Node 24 for this checkout (the machine's is $(node_major node))" \
      "Install Node.js $NODE_WANTED or newer and run it again." npm install --no-save --no-audit --no-fund node@24
    node_is_new_enough || die "The npm package node did not bring a Node here. Install Node.js $NODE_WANTED or newer."
  fi
}

# Root on Debian can be helped without asking; anybody else is told.
install_debian() {
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    step "system packages (scripts/install-debian.sh)" "Install make, npm and python3-venv yourself." scripts/install-debian.sh
  fi
}

is_usable_python() {
  "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1
}

find_python() {
  local each
  for each in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
    if is_usable_python "$each"; then
      command -v "$each"
      return
    fi
    [[ -z ${PYTHON:-} ]] || return 0
  done
}

set_up_python() {
  local python version wanted stamp
  wanted=$(cat python/requirements-dev.txt python/constraints.txt | hash_of)
  if [[ -z ${PYTHON:-} && -x .venv/bin/python ]]; then
    stamp="$wanted $(.venv/bin/python -V 2>&1) $PWD"
    is_stamped "$PYTHON_STAMP" "$stamp" && return
  fi
  python=$(find_python)
  if [[ -z $python && -z ${PYTHON:-} ]]; then
    install_debian
    python=$(find_python)
  fi
  [[ -n $python ]] || die "No Python of at least 3.10 with venv and pip${PYTHON:+ at PYTHON=$PYTHON}. On Debian and Ubuntu: sudo scripts/install-debian.sh. Or name one: PYTHON=/path/to/python3.12 make setup"
  version=$("$python" -V 2>&1)
  stamp="$wanted $version $PWD"
  is_stamped "$PYTHON_STAMP" "$stamp" && [[ -x .venv/bin/python ]] && return
  # An environment can't be moved, nor given another Python.
  if [[ $(.venv/bin/python -V 2>&1) != "$version" ]] || { [[ -f $PYTHON_STAMP ]] && [[ $(<"$PYTHON_STAMP") != *" $PWD" ]]; }; then
    rm -rf .venv
  fi
  rm -f "$PYTHON_STAMP"
  step "Python environment .venv ($version)" "Is the package index reachable? Then run it again." make_venv "$python"
  printf '%s' "$stamp" >"$PYTHON_STAMP"
}

make_venv() {
  "$1" -m venv .venv || return
  # Compiling everything took 14 of 43 s; what is used is compiled when it is first imported.
  .venv/bin/python -m pip install --no-compile --disable-pip-version-check \
    -c python/constraints.txt -r python/requirements-dev.txt || return
  # Enough for an editable install, and needs no build tools: the folder is put on the path.
  .venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$CACHE/site-packages" || return
  printf '%s\n' "$PWD/python" >"$(<"$CACHE/site-packages")/rayferry.pth"
}

build() {
  npm run --silent build || return
  if [[ -f dist/src/cli/main.js ]]; then chmod +x dist/src/cli/main.js; fi
}

set_up_build() {
  local stamp
  stamp=$(find src bridge tsconfig.json tsconfig.build.json package-lock.json -type f \
    \( -name '*.ts' -o -name '*.json' \) -print0 | sort -z | xargs -0 cat | hash_of)
  if ! is_stamped "$BUILD_STAMP" "$stamp"; then
    # A build that fails has written some of it all the same.
    rm -f "$BUILD_STAMP"
    step "build (tsc)" "Correct the errors above and run it again." build
    printf '%s' "$stamp" >"$BUILD_STAMP"
  fi
  # npx finds a package's own command only among those of its dependencies.
  if [[ ! -e node_modules/.bin/rayferry ]]; then ln -sfn ../../dist/src/cli/main.js node_modules/.bin/rayferry; fi
}

take_lock
set_up_node
set_up_python
set_up_build
