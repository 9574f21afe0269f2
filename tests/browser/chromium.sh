#!/bin/sh
# Gets Chromium and a font with Chinese, Japanese and Korean letters for the browser tests, where it can be had.
# Never fails: without a browser those tests do not run, and the report says so.
set -u

has_browser() {
    for name in chromium chromium-browser google-chrome; do
        command -v "$name" >/dev/null 2>&1 && return 0
    done
    return 1
}

has_font() {
    command -v fc-list >/dev/null 2>&1 && [ -n "$(fc-list :lang=ja:lang=ko family 2>/dev/null)" ]
}

has_browser && has_font && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "getting Chromium and fonts for the browser tests"
    for pause in 2 10 30; do
        if apt-get -qq update </dev/null >/dev/null 2>&1 &&
            DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install \
                chromium fonts-noto-cjk </dev/null >/dev/null 2>&1; then
            break
        fi
        sleep "$pause"
    done
fi

has_browser || echo "NO BROWSER: the browser tests will not run (install chromium)" >&2
has_font || echo "NO CJK FONT: screenshots will show boxes (install fonts-noto-cjk)" >&2
exit 0
