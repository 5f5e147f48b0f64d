#!/usr/bin/env bash
# Makes the folder `release`: the program for this system and, where its target is installed, for Windows; man pages,
# shell completions, licence and README; and the SHA-256 of each file.
set -euo pipefail
cd "$(dirname "$0")"
windows=x86_64-pc-windows-gnu
rm -rf release
mkdir -p release/man release/completions
cargo build --release
cp target/release/comtrail LICENSE README.md CHANGELOG.md release/
target/release/comtrail man release/man
for shell in bash zsh fish powershell elvish; do
  target/release/comtrail completions "$shell" >"release/completions/comtrail.$shell"
done
if command -v x86_64-w64-mingw32-gcc >/dev/null && [ -d "$(rustc --print sysroot)/lib/rustlib/$windows" ]; then
  cargo build --release --target $windows
  cp "target/$windows/release/comtrail.exe" release/
else
  echo "comtrail.exe was not made: it needs gcc-mingw-w64-x86-64 and \`rustup target add $windows\`" >&2
fi
(cd release && find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum >SHA256SUMS)
