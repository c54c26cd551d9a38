#!/bin/sh
# Everything that must hold, from a clean clone: servers that tests start themselves, formatting, lints, tests.
# Runs on after a failure, so that one run shows all of them, and fails at the end if anything failed.
set -u
cd "$(dirname "$0")/.." || exit 1

failed=""
step() {
    name=$1
    shift
    printf '\n== %s\n' "$name"
    began=$(date +%s)
    if "$@"; then
        printf '== %s: passed in %s s\n' "$name" "$(($(date +%s) - began))"
    else
        printf '== %s: FAILED\n' "$name"
        failed="$failed $name"
    fi
}

sh scripts/test-servers.sh

if cargo fmt --version >/dev/null 2>&1; then
    step formatting cargo fmt --check
else
    echo "SKIPPED formatting: this toolchain has no rustfmt (rustup component add rustfmt)"
fi
step tests cargo test --locked --no-fail-fast
if cargo clippy --version >/dev/null 2>&1; then
    step lints cargo clippy --locked --all-targets --quiet -- --deny warnings
else
    echo "SKIPPED lints: this toolchain has no clippy (rustup component add clippy)"
fi

if [ -n "$failed" ]; then
    printf '\nFAILED:%s\n' "$failed"
    exit 1
fi
printf '\nAll passed.\n'
