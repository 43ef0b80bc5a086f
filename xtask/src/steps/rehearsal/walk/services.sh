# A copy of this machine at $root, where the services of the Compose file run. Their volumes are below $volumes.
set -eux
ip link set lo up
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mkdir -p "$root/usr/share/kez-chat"
cp "$chat_server" "$sig_server" "$root/usr/bin/"
cp -r "$site" "$root/usr/share/kez-chat/"

# Creates a volume owned by a user: volume NAME FOLDER USER:GROUP.
volume() {
    mkdir -p "$volumes/$1" "$root$2"
    chown "$3" "$volumes/$1"
}

# Runs as a service: on a read-only root, with /tmp, its volumes, its user, and no capabilities except those listed.
# confined "VOLUME:FOLDER:ro|rw..." USER:GROUP CAPABILITIES FOLDER [NAME=VALUE]... -- COMMAND...
confined() {
    local mounts=$1 user=$2 capabilities=$3 folder=$4 variables=()
    shift 4
    while [ "$1" != -- ]; do
        variables+=("$1")
        shift
    done
    shift
    mounts=$mounts exec unshare --mount bash -euc '
        mount --rbind "$root" "$root"
        for entry in $mounts; do
            IFS=: read -r from to how <<< "$entry"
            mount --bind "$volumes/$from" "$root$to"
            mount -o "remount,bind,$how" "$root$to"
        done
        mount -o remount,bind,ro "$root"
        mount -t tmpfs -o size=16m,noexec,nosuid,nodev tmpfs "$root/tmp"
        exec "$@"' confined \
        unshare --root="$root" --wd="$folder" \
        setpriv --no-new-privs --reuid="${user%:*}" --regid="${user#*:}" --clear-groups --inh-caps=-all \
        --bounding-set="$capabilities" env -i PATH=/usr/local/bin:/usr/bin:/bin "${variables[@]}" "$@"
}

# Repeats a command until it succeeds, for as long as the service is running: until_ok SERVICE PID COMMAND...
until_ok() {
    local service=$1 pid=$2 try
    shift 2
    set +x
    for try in $(seq 300); do
        if "$@" > "$volumes/until_ok" 2>&1; then
            set -x
            return
        fi
        kill -0 "$pid" || break
        sleep 0.1
    done
    echo "$service: no success with: $*"
    cat "$volumes/until_ok" "$volumes/$service.log"
    exit 1
}

# Whether the response from a URL contains a text: answers URL TEXT [OPTION]...
answers() {
    curl --silent --show-error --include "${@:3}" "$1" | grep --fixed-strings "$2"
}
