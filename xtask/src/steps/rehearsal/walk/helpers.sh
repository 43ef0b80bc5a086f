# Helpers shared by the scripts in this folder. They wait for conditions, never for fixed times.
set -eux

# Runs one block of commands of a document: documented FILE HEADING NUMBER.
documented() {
    (cd "$tree" && bash -eux "/rehearsal/$1/$2/$3.sh")
}

# Starts a block whose last command serves until it is stopped, as the unit NAME: serving NAME FILE HEADING NUMBER [OPTION]...
serving() {
    systemd-run --quiet --unit="$1" --working-directory="$tree" --setenv=PATH --setenv=HOME --property=KillMode=mixed \
        "${@:5}" bash -eux "/rehearsal/$2/$3/$4.sh"
}

# Repeats a command until it succeeds, for as long as the unit is running: until_ok UNIT COMMAND...
until_ok() {
    local unit=$1 try
    shift
    set +x
    for try in $(seq 300); do
        if "$@" > /tmp/until_ok 2>&1; then
            set -x
            return
        fi
        systemctl is-failed --quiet "$unit" && break
        sleep 0.1
    done
    echo "$unit: no success with: $*"
    cat /tmp/until_ok
    systemctl status "$unit" --no-pager || true
    journalctl --unit "$unit" --no-pager | tail -n 30
    exit 1
}

ready() {
    until_ok "$1" kez-chat-server healthcheck --bind "127.0.0.1:${2:-6969}"
}

# Whether the response from a URL contains a text: answers URL TEXT [OPTION]...
answers() {
    curl --silent --show-error --include "${@:3}" "$1" | grep --fixed-strings "$2"
}

labels() {
    kez-chat-server admin invite list --json "$@" | grep -o '"label":"[^"]*"' | tr '\n' ' '
}

# Runs a command that must fail.
refused() {
    if "$@"; then exit 1; fi
}
