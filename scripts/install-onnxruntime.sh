#!/usr/bin/env bash
# Brings onnxruntime-node, an optional peer, into this repository's node_modules for the tests and benches on it. package.json
# and package-lock.json stay as they are, and `npm ci` takes it away again. (`npm install --no-save` of an optional peer
# installs nothing here.)
#
#   scripts/install-onnxruntime.sh [VERSION]     by default 1.30.0; 290 MB
set -euo pipefail
cd "$(dirname "$0")/.."

folder=.cache/onnxruntime
mkdir -p "$folder"
[ -f "$folder/package.json" ] || echo '{ "private": true }' > "$folder/package.json"
npm install --prefix "$folder" --no-audit --no-fund --ignore-scripts "onnxruntime-node@${1:-1.30.0}"
for package in onnxruntime-node onnxruntime-common; do
  rm -rf "node_modules/$package"
  ln -s "../$folder/node_modules/$package" "node_modules/$package"
done
