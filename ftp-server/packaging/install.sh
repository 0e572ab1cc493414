#!/bin/sh
# Installs ftp-server and ftp-client with manual pages and completions:
#
#     ./install.sh [--uninstall] [PREFIX]
#
# PREFIX is /usr/local for root, and ~/.local for other users. A program that is running goes on with its old file.
set -eu

act=install
if [ "${1-}" = --uninstall ]; then
    act=uninstall
    shift
fi
case "${1-}" in
    -*) echo "usage: $0 [--uninstall] [PREFIX]" >&2; exit 2 ;;
    "") if [ "$(id -u)" = 0 ]; then prefix=/usr/local; else prefix=$HOME/.local; fi ;;
    /*) prefix=$1 ;;
    *) prefix=$PWD/$1 ;;
esac

cd "$(dirname "$0")"
find bin share -type f | while read -r file; do
    target=$prefix/$file
    if [ $act = uninstall ]; then
        rm -f "$target"
        continue
    fi
    mkdir -p "$(dirname "$target")"
    cp "$file" "$target.new"
    case $file in
        bin/*) chmod 755 "$target.new" ;;
        *) chmod 644 "$target.new" ;;
    esac
    mv -f "$target.new" "$target"
done

if [ $act = uninstall ]; then
    echo "removed from $prefix"
    exit 0
fi
echo "installed in $prefix: ftp-server, ftp-client, manual pages and completions"
case ":$PATH:" in
    *":$prefix/bin:"*) ;;
    *) echo "to find them, put this into your shell's profile: export PATH=\"$prefix/bin:\$PATH\"" ;;
esac
