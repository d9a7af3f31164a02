#!/usr/bin/env bash
# Builds the native backend @tensorflow/tfjs-node into this repository's node_modules where the download of its own
# install script cannot be reached, from the npm and PyPI registries alone:
#   npm   @tensorflow/tfjs-node   JavaScript and the source of its binding, without its install script
#   PyPI  tensorflow-cpu          libtensorflow and the headers of its C interface
# package.json and package-lock.json stay as they are, and `npm ci` takes the backend away again.
#
#   scripts/build-tfjs-node.sh            takes about a minute, most of it the download of 230 MB
#   FORCE=1 scripts/build-tfjs-node.sh    builds again
#
# Needs Linux on x86_64, Node with its headers (NODEDIR, by default where `node` lies), python3 with pip, make, g++.
# TFJS_NODE_CACHE (default ~/.cache/tfjs-node-native) keeps the libraries for the next time; they are linked, not copied.
set -euo pipefail

tfjs_version=4.22.0
# The C interface that tfjs-node 4.22 was written for is still in this one; cp311 only names a file, no Python runs it.
tensorflow_version=2.18.1

fail() {
  echo "build-tfjs-node: $*" >&2
  exit 1
}

[ "$(uname -sm)" = 'Linux x86_64' ] || fail "this works on Linux x86_64 only, not on $(uname -sm)."
for tool in node npm python3 make g++; do
  command -v "$tool" > /dev/null || fail "$tool is missing."
done
node_dir=${NODEDIR:-$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")}
[ -f "$node_dir/include/node/node_api.h" ] || fail "no headers of Node in $node_dir/include/node; say where with NODEDIR."
gyp=$(npm root -g)/npm/node_modules/node-gyp/bin/node-gyp.js
[ -f "$gyp" ] || fail "npm does not bring node-gyp at $gyp."

cd "$(dirname "$0")/.."
libraries=${TFJS_NODE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tfjs-node-native}/tensorflow-$tensorflow_version
package=$PWD/node_modules/@tensorflow/tfjs-node

if [ ! -f "$libraries/complete" ]; then
  rm -rf "$libraries"
  mkdir -p "$libraries"
  python3 -m pip download --quiet --no-deps --only-binary=:all: --implementation cp --python-version 311 \
    --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 --dest "$libraries" \
    "tensorflow-cpu==$tensorflow_version"
  python3 - "$libraries" << 'PYTHON'
import glob, os, shutil, sys, zipfile

libraries = sys.argv[1]
wheel = glob.glob(f"{libraries}/*.whl")[0]
prefix = "tensorflow/include/"
# What the binding includes: the C interface and the platform headers that it draws in.
headers = ("tensorflow/c/", "tensorflow/core/platform/", "/tsl/platform/", "/tsl/c/")


def place(name):
    if name in ("tensorflow/libtensorflow_cc.so.2", "tensorflow/libtensorflow_framework.so.2"):
        return "lib/" + os.path.basename(name)
    if name.startswith(prefix) and any(part in "/" + name[len(prefix):] for part in headers):
        return "include/" + name[len(prefix):]


with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        target = None if name.endswith("/") else place(name)
        if target is None:
            continue
        os.makedirs(os.path.dirname(f"{libraries}/{target}"), exist_ok=True)
        with archive.open(name) as source, open(f"{libraries}/{target}", "wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
os.remove(wheel)
PYTHON
  ln -s libtensorflow_cc.so.2 "$libraries/lib/libtensorflow.so.2"
  ln -s libtensorflow.so.2 "$libraries/lib/libtensorflow.so"
  ln -s libtensorflow_framework.so.2 "$libraries/lib/libtensorflow_framework.so"
  touch "$libraries/complete"
fi

# --save-prod, though nothing is saved: npm does not install what it takes for one of the optional peers.
[ -d "$package" ] || npm install --no-save --save-prod --ignore-scripts --no-audit --no-fund \
  "@tensorflow/tfjs-node@$tfjs_version"

if [ -n "${FORCE:-}" ] || [ "$(readlink "$package/deps" || true)" != "$libraries" ]; then
  rm -rf "$package/deps" "$package/lib" "$package/build"
  ln -s "$libraries" "$package/deps"
fi
napi=$(node -p 'Math.min(8, process.versions.napi)') # 8 is the newest that tfjs-node 4.22 knows
if [ ! -f "$package/lib/napi-v$napi/tfjs_binding.node" ]; then
  log=$(mktemp)
  (cd "$package" && node "$gyp" rebuild --nodedir="$node_dir" --module_name=tfjs_binding \
    --module_path="$package/lib/napi-v$napi" --napi_build_version="$napi" \
    --napi_version="$(node -p process.versions.napi)") > "$log" 2>&1 || {
    tail -30 "$log" >&2
    fail "the binding was not compiled; the whole log is in $log."
  }
  rm "$log"
fi

TF_CPP_MIN_LOG_LEVEL=1 node -e "
const util = require('util'); // Node 23 removed these, and tfjs-node calls them
util.isNullOrUndefined ??= (value) => value === null || value === undefined;
util.isArray ??= Array.isArray;
const tf = require('@tensorflow/tfjs-node');
const [value] = tf.matMul([[2]], [[21]]).dataSync();
if (value !== 42) throw new Error('2 * 21 is ' + value);
console.log('tfjs-node', tf.version['tfjs-node'], 'with libtensorflow', tf.backend().binding.TF_Version);"
