#!/bin/sh
# Makes sure that the programs which tests start by themselves are installed: PostgreSQL, Dovecot, Chromium, nginx and
# HAProxy. Installs what is missing where it can (root, apt-get, a network) and says what is skipped where it cannot. It starts
# nothing, and the packages are kept from starting anything. Never fails.
set -u

PATH=$PATH:/usr/sbin:/usr/local/sbin
export PATH

has_postgres() {
    command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1
}
has_dovecot() {
    command -v dovecot >/dev/null
}
has_chromium() {
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null
}

wanting() {
    missing=""
    has_postgres || missing="$missing postgresql"
    has_dovecot || missing="$missing dovecot-imapd"
    has_chromium || missing="$missing chromium"
    command -v nginx >/dev/null || missing="$missing nginx"
    command -v haproxy >/dev/null || missing="$missing haproxy"
}

wanting
[ -z "$missing" ] && exit 0

skip() {
    for package in $missing; do
        echo "SKIPPED tests against $package: it is not installed, and $1"
    done
    exit 0
}

[ "$(id -u)" = 0 ] || skip "only root can install it (apt-get install$missing)"
command -v apt-get >/dev/null || skip "there is no apt-get to install it with"

# While these files are there, no package starts a service or makes a database cluster. Files that were there
# before stay as they are.
policy=/usr/sbin/policy-rc.d
clusters=/etc/postgresql-common/createcluster.d/inlet-tests.conf
made_policy=""
clean_up() {
    [ -n "$made_policy" ] && rm -f "$policy"
    rm -f "$clusters"
    rmdir /etc/postgresql-common/createcluster.d /etc/postgresql-common 2>/dev/null
}
trap clean_up EXIT
trap 'exit 0' INT TERM
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && made_policy=yes
fi
mkdir -p "$(dirname "$clusters")" && echo "create_main_cluster = false" >"$clusters"

echo "Installing$missing for the tests (nothing is started)"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
timeout 300 apt-get update >"$log" 2>&1 || tail -n 5 "$log"
# One by one: what a distribution lacks keeps nobody from the rest.
for package in $missing; do
    timeout 600 apt-get install --yes --no-install-recommends "$package" >"$log" 2>&1 || tail -n 5 "$log"
done
rm -f "$log"
# A package also has its service started at the next boot of the machine; the tests want none of that.
if [ -d /run/systemd/system ]; then
    for package in $missing; do
        case $package in
        postgresql) systemctl disable --quiet postgresql 2>/dev/null ;;
        dovecot-imapd) systemctl disable --quiet dovecot.service dovecot.socket 2>/dev/null ;;
        nginx | haproxy) systemctl disable --quiet "$package" 2>/dev/null ;;
        esac
    done
fi

wanting
[ -z "$missing" ] || skip "apt-get could not install it (see above)"
exit 0
