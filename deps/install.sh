#!/bin/sh
# Installs the Debian or Ubuntu packages that Chronos is built or tested with; see deps/README.md.
#
# usage: deps/install.sh [build|test]
#   build   what `make` needs (the default)
#   test    that, and what `make test`, `make lint`, `make fuzz` and `make bench` need
#
# Works as root, or through sudo. Packages that are there already are left alone, so that a second
# run does nothing and needs neither root nor a network. Quiet unless something fails. No service
# is started: the tests start their own redis-server.
set -eu

build='gcc libc6-dev make pkg-config libevent-dev libsqlite3-dev libssl-dev'
test='clang clang-format llvm libcmocka-dev libhiredis-dev redis-server redis-tools python3
    universal-ctags cppcheck valgrind strace procps git'

fail() {
    echo "deps/install.sh: $*" >&2
    exit 1
}

case ${1:-build} in
build) wanted=$build ;;
test) wanted="$build $test" ;;
*) fail "unknown set '$1': it is build or test" ;;
esac

installed() {
    dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

missing_of() {
    for package in "$@"; do
        installed "$package" || printf '%s ' "$package"
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo env "$@"
    else
        fail "not root, and there is no sudo: run it as root"
    fi
}

# Runs a command as root and shows what it said only when it fails.
quietly() {
    log=$(mktemp)
    if ! as_root env DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        rm -f "$log"
        fail "'$*' failed"
    fi
    rm -f "$log"
}

# Debian starts the service of a package when it is installed, unless this file says no.
policy=/usr/sbin/policy-rc.d
ours=''
forbid_services() {
    [ -e $policy ] && return
    # shellcheck disable=SC2016
    as_root sh -c 'printf "#!/bin/sh\nexit 101\n" > "$1" && chmod 755 "$1"' sh $policy
    ours=yes
}
allow_services() {
    [ -z "$ours" ] || as_root rm -f $policy
    ours=''
}
trap allow_services EXIT
trap 'exit 130' INT TERM

install_all() {
    quietly apt-get -y -q -o Dpkg::Use-Pty=0 install --no-install-recommends "$@"
}

if ! command -v apt-get >/dev/null; then
    fail "apt-get is not there: install what these Debian packages hold by your own means:
    $(echo $wanted)"
fi

# shellcheck disable=SC2086
missing=$(missing_of $wanted)
had_redis=$(missing_of redis-server)

if [ -n "$missing" ]; then
    echo "deps/install.sh: installing $missing"
    forbid_services
    # shellcheck disable=SC2086
    quietly apt-get -q update
    # shellcheck disable=SC2086
    install_all $missing
fi

# The sanitizers and libFuzzer of clang are in a package with the version in its name.
if [ "${1:-build}" = test ]; then
    version=$(clang -dumpversion | cut -d. -f1)
    runtime=libclang-rt-$version-dev
    if ! installed "$runtime" && apt-cache show "$runtime" >/dev/null 2>&1; then
        echo "deps/install.sh: installing $runtime"
        install_all "$runtime"
    fi
fi

# With systemd the service would come up at the next start of the machine; whoever had it keeps it.
if [ "${1:-build}" = test ] && [ -n "$had_redis" ] && [ -d /run/systemd/system ]; then
    as_root systemctl disable --now --quiet redis-server
fi
exit 0
