# shellcheck shell=bash
# Sourced by the scripts beside it: where things are, and how progress is shown.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# The build tools are installed here, and kept. Several checkouts may share one folder.
CRDT_TOOLS=${CRDT_TOOLS:-$ROOT/.tools}
WEB=$ROOT/web
PATH=$WEB/node_modules/.bin:$CRDT_TOOLS/bin:$PATH
export ROOT CRDT_TOOLS WEB PATH

# Scripts call each other: the clock is that of the one called first, which alone says that there is
# nothing to do.
# shellcheck disable=SC2034 # the scripts read it
if [[ -n ${CRDT_STARTED:-} ]]; then OUTERMOST=false; else OUTERMOST=true; fi
export CRDT_STARTED=${CRDT_STARTED:-$(date +%s)}

# say TEXT: one line of progress, with the time since the start.
say() {
  local seconds=$(($(date +%s) - CRDT_STARTED))
  printf '[%d:%02d] %s\n' $((seconds / 60)) $((seconds % 60)) "$*"
}

# fail TEXT...: an error in words, one line an argument, and the end.
fail() {
  printf 'error: %s\n' "$1" >&2
  shift
  if (($#)); then printf '       %s\n' "$@" >&2; fi
  exit 1
}

# need PROGRAM WHAT-TO-DO: fails when a program that cannot be installed from here is missing.
need() {
  command -v "$1" >/dev/null || fail "$1 is needed and is not on PATH." "$2"
}

# sources FOLDER: the files in it that git would know of; where there is no repository, as in an
# unpacked archive or a container's build, those that nothing has built. Names end with NUL.
sources() {
  if git -C "$1" rev-parse --git-dir >/dev/null 2>&1; then
    git -C "$1" ls-files --cached --others --exclude-standard -z -- .
  else
    (cd "$1" && find . \( -name node_modules -o -name dist -o -name target \) -prune -o \
      -type f -printf '%P\0' | sort -z)
  fi
}

# digest PATH...: one hash over the contents and names of the files, and of the sources in the folders.
digest() {
  local path
  for path in "$@"; do
    if [[ -d $path ]]; then
      sources "$path" | (cd "$path" && xargs -0 -r sha256sum -- 2>/dev/null)
    elif [[ -f $path ]]; then
      sha256sum -- "$path"
    fi
  done | sha256sum | cut -c1-32
}

# fresh STAMP DIGEST: whether the stamp file was left by a run on the same inputs.
fresh() {
  [[ -f $1 && $(<"$1") == "$2" ]]
}

# stamp STAMP DIGEST: leaves the stamp.
stamp() {
  mkdir -p "$(dirname "$1")"
  printf '%s\n' "$2" >"$1"
}

# as_root COMMAND...: runs it as root, by sudo where that is needed.
as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "root is needed for: $*" "Run that as root, or install sudo, and start this again."
  fi
}

# locked_version CRATE: its version in Cargo.lock; nothing when it is not there.
locked_version() {
  awk -v name="\"$1\"" '$1 == "name" && $3 == name { getline; gsub(/"/, "", $3); print $3; exit }' \
    "$ROOT/Cargo.lock"
}

# target_folder: where cargo puts what it builds.
target_folder() {
  cargo metadata --manifest-path "$ROOT/Cargo.toml" --format-version 1 --no-deps --offline |
    node -p 'JSON.parse(require("fs").readFileSync(0, "utf8")).target_directory'
}

# build_programs NAME...: builds programs of the workspace, in the profile of the tests, which build them too.
build_programs() {
  say "building $*"
  cargo build --quiet --profile test --manifest-path "$ROOT/Cargo.toml" "${@/#/--package=}"
}

# server_binary: where build_programs puts the server.
server_binary() { echo "$(target_folder)/debug/signaling-server"; }

# peer_binary: where build_programs puts the native peer.
peer_binary() { echo "$(target_folder)/debug/crdt-peer"; }

# wasm_toolchain: chooses, for the cargo calls that follow, the toolchain that has the WebAssembly
# target, where scripts/setup-wasm-debian left one beside the usual.
wasm_toolchain() {
  if [[ -f $CRDT_TOOLS/wasm-toolchain ]]; then
    RUSTUP_TOOLCHAIN=$(<"$CRDT_TOOLS/wasm-toolchain")
    export RUSTUP_TOOLCHAIN
  fi
}
