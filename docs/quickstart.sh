#!/bin/sh
# From a fresh clone to answers: installs what the build needs, builds, fetches the model, indexes real documentation and asks three
# questions. Everything it makes is in build/ (and the model in the user's data folder). Run again at any time: nothing is done twice.
set -eu
cd "$(dirname "$0")/.."
top=$(pwd)
deps=${QLOADER_DEPS_DIR:-$top/build/deps}
demo=${1:-$top/build/demo}
step() { printf '\n== %s\n' "$*"; }
started=$(date +%s)
mkdir -p build

cat <<TEXT
This installs packages of the distribution (on a bare Debian 12: 280 MB to fetch, 1.2 GB on disk), fetches pinned sources and the model
and builds (0.5 GB in build/), then indexes 600 documents and asks three questions. On two idle cores expect about ten minutes.
TEXT

step "packages of the distribution"
sh pkgconfig/deps/packages

step "pinned sources and the model"
sh pkgconfig/deps/fetch "$deps"

step "build"
cmake --preset release -DQLOADER_DEPS_DIR="$deps" -DQLOADER_TESTS=OFF -DQLOADER_WERROR=OFF > build/configure.log || { cat build/configure.log; exit 1; }
cmake --build --preset release
qloader=$top/build/release/bin/qloader

step "model"
"$qloader" model pull --from "$deps/models/all-MiniLM-L6-v2"
"$qloader" model verify

step "workspace in $demo"
mkdir -p "$demo"
cat > "$demo/config.yaml" <<YAML
projects:
  manuals:
    display_name: "Manuals on this machine"
    sources:
      localfile:
        git-manual:
          base_url: "file:///usr/share/doc/git-doc"
          file_types: ["*.html"]
          max_file_size: 10485760
        python-manual:
          base_url: "file:///usr/share/doc/python3.11/html"
          file_types: ["*.html"]
          include_paths: ["tutorial/**/*", "howto/**/*", "faq/**/*", "using/**/*"]
          max_file_size: 10485760
  code:
    display_name: "libqloader itself"
    sources:
      git:
        libqloader:
          base_url: "file://$top"
          include_paths: ["include/**/*", "lib/**/*", "cli/**/*", "docs/**/*.md"] # not README.md: the questions below stand in it
YAML
cat "$demo/config.yaml"
"$qloader" init --workspace "$demo"

step "ingest"
"$qloader" ingest --workspace "$demo" --profile="$demo/profile"

ask() {
  step "$1"
  "$qloader" search --workspace "$demo" --limit 3 "$1"
}
ask "how do I find the commit that introduced a bug?"
ask "what is the difference between a list and a tuple?"
ask "where are documents deleted that vanished from a source?"

step "done after $(( $(date +%s) - started )) s; how to go on"
cat <<TEXT
  $qloader search --workspace $demo "your question"       (--full: whole passages; --explain: why each is there)
  $qloader project status --workspace $demo
  $qloader prof report $demo/profile/capture.qprof       where time and memory of the ingest above went
  edit $demo/config.yaml (docs/configuration.md tells every key), then: $qloader ingest --workspace $demo
  $qloader --help
  sudo cmake --install build/release     puts the library, headers and programs into /usr/local
TEXT
