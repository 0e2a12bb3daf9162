# Sourced by the other scripts: makes .venv ready (dependencies, compiled extension) and puts it first on PATH.
# Does nothing, in a few milliseconds and without the network, when nothing changed since the last time.
#
#   ready run    what `ingest` needs
#   ready dev    that, and what the tests, checks and benchmarks need

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$ROOT/.venv

_say() { echo "[setup] $*" >&2; }
_fail() { echo "[setup] ERROR: $*" >&2; exit 1; }

_find_python() {
  local candidate
  for candidate in "${INGEST_PYTHON:-}" python3 python3.13 python3.12 python3.11; do
    [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return 0
    fi
  done
  return 1
}

# What the environment was built from: when none of it changed, there is nothing to do.
_fingerprint() {
  cd "$ROOT" && cat pyproject.toml "requirements-$1.lock" ffi/build.py ffi/cdef.h ffi/src/*.[ch] | cksum
}

ready() {
  local set=$1 want python log
  want=$(_fingerprint "$set")
  # The development set contains the running one.
  if [ -f "$VENV/.ready-$set" ] && [ "$(cat "$VENV/.ready-$set")" = "$want" ]; then
    export PATH=$VENV/bin:$PATH VIRTUAL_ENV=$VENV
    return 0
  fi
  python=$(_find_python) || _fail "Python 3.11 or newer is needed and was not found; install it, or name it in INGEST_PYTHON"
  "${CC:-cc}" --version >/dev/null 2>&1 || _fail "a C compiler is needed (tried '${CC:-cc}'); on Debian or Ubuntu: apt-get install gcc python3-dev"
  log=$ROOT/.venv-setup.log
  if [ ! -x "$VENV/bin/python" ]; then
    _say "creating .venv with $("$python" --version)"
    "$python" -m venv "$VENV" >"$log" 2>&1 || { cat "$log" >&2; rm -rf "$VENV"; _fail "python -m venv failed; on Debian or Ubuntu: apt-get install python3-venv"; }
  fi
  rm -f "$VENV/.ready-$set"
  _say "installing dependencies (requirements-$set.lock)"
  "$VENV/bin/python" -m pip install --disable-pip-version-check -q -r "$ROOT/requirements-$set.lock" >"$log" 2>&1 ||
    { tail -n 30 "$log" >&2; _fail "installing the dependencies failed (is the package index reachable?); the whole log: .venv-setup.log"; }
  _say "compiling the C extension"
  "$VENV/bin/python" -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e "$ROOT" >"$log" 2>&1 ||
    { tail -n 30 "$log" >&2; _fail "compiling failed; on Debian or Ubuntu: apt-get install gcc python3-dev zlib1g-dev; the whole log: .venv-setup.log"; }
  rm -f "$log"
  [ "$set" = dev ] && _fingerprint run >"$VENV/.ready-run"
  echo "$want" >"$VENV/.ready-$set"
  _say "ready"
  export PATH=$VENV/bin:$PATH VIRTUAL_ENV=$VENV
}
