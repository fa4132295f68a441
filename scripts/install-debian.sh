#!/usr/bin/env bash
# Installs what the checkout needs from Debian or Ubuntu, and only what is missing. Run it as root.
set -euo pipefail

missing=()
command -v make >/dev/null || missing+=(make)
command -v npm >/dev/null || missing+=(npm)
# Debian ships Python without the modules that make an environment.
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3 python3-venv)
# For one test; Debian puts it where only root's PATH leads.
[[ -x /usr/sbin/pgbouncer ]] || command -v pgbouncer >/dev/null || missing+=(pgbouncer)

if [[ ${#missing[@]} == 0 ]]; then
  echo "Nothing is missing."
  exit 0
fi
if [[ $(id -u) != 0 ]]; then
  echo "Missing: ${missing[*]}. Run it as root: sudo $0" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# Only the program is wanted of pgbouncer: where nothing else says what may start, its service isn't.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi
apt-get update
apt-get install -y --no-install-recommends "${missing[@]}"
