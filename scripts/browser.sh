#!/bin/sh
# Sees to it that the browser tests find a Chromium; as root on Debian it installs one.
[ "$BROWSER" = 0 ] && exit 0
ls tests/browser/test_*.py >/dev/null 2>&1 || exit 0
[ -n "$FALLSAFE_CHROMIUM" ] && exit 0
for name in chromium chromium-browser google-chrome google-chrome-stable chrome; do
    command -v "$name" >/dev/null && exit 0
done
"$BIN/python" -c 'import os, sys
from playwright.sync_api import sync_playwright
with sync_playwright() as p:
    sys.exit(not os.path.exists(p.chromium.executable_path))' 2>/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing Chromium for the browser tests"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update && apt-get install -y --no-install-recommends chromium fonts-inter fonts-noto-core; } >/tmp/fallsafe-chromium.$$ 2>&1 \
        && { rm -f /tmp/fallsafe-chromium.$$; exit 0; }
    tail -3 /tmp/fallsafe-chromium.$$
fi
echo "the browser tests need Chromium: install it, or name it in FALLSAFE_CHROMIUM, or leave them out with BROWSER=0"
exit 1
