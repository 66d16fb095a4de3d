#!/usr/bin/env bash
# Walks the second stage of docker/Dockerfile without Docker: a fresh Debian 12 in a temporary folder, the packages of the
# stage, the built server, and then the image's own user, environment, health check and entry point, all read from the
# Dockerfile. A collection is made, filled and searched; SIGTERM must stop the server cleanly, and a second start must
# have the data. FIRST_STAGE=1 walks the first stage too, and takes the server from there instead of the one built outside.
# Needs root, debootstrap (installed if missing), curl and python3.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$(readlink -m "${SAGITTA_BIN:-build/sagitta}")
if [ "$(id -u)" -ne 0 ]; then
    echo "test_rootfs.sh: needs root, for debootstrap and chroot" >&2
    exit 2
fi
command -v debootstrap >/dev/null || apt-get install -y -q --no-install-recommends debootstrap
root=$(mktemp -d -t sagitta-rootfs-XXXXXX)
server=""
finish() {
    if [ -n "$server" ]; then
        kill -KILL "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    umount "$root/proc" 2>/dev/null || true
    rm -rf --one-file-system "$root" "$root.log"
}
trap finish EXIT

# What a stage of the Dockerfile (1: build, -1: the last) says after one of its words (USER, ENV, RUN ...), a value a line.
dockerfile() {
    python3 - "$1" "${2:--1}" <<'PYTHON'
import json, re, shlex, sys
text = re.sub(r"\\\n\s*", "", open("docker/Dockerfile").read())
stages = re.split(r"^FROM ", text, flags=re.M)
stage = [line for line in stages[int(sys.argv[2])].splitlines() if not line.startswith("#")]
for line in stage:
    word, _, rest = line.partition(" ")
    if word != sys.argv[1]:
        continue
    if word == "ENV":
        print("\n".join(shlex.split(rest)))
    elif word in ("HEALTHCHECK", "ENTRYPOINT"):
        print("\n".join(json.loads(rest[rest.index("["):])))
    else:
        print(rest)
PYTHON
}
mapfile -t environment < <(dockerfile ENV)
mapfile -t health_command < <(dockerfile HEALTHCHECK)
mapfile -t entry_point < <(dockerfile ENTRYPOINT)
user=$(dockerfile USER)

echo "== debootstrap"
mirror=$(sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p' \
    /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -m 1 debian || true)
debootstrap --variant=minbase bookworm "$root" ${mirror:+"$mirror"} >"$root.log" 2>&1 || { tail -20 "$root.log"; exit 1; }
chmod 755 "$root" # mktemp lets nobody else in
mount -t proc proc "$root/proc"
for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/*proxy* /etc/resolv.conf; do
    [ ! -f "$file" ] || cp "$file" "$root$file"
done

if [ "${FIRST_STAGE:-0}" = 1 ]; then
    echo "== COPY and RUN of the Dockerfile's first stage"
    while read -r -a part; do
        mkdir -p "$root/src/${part[-1]}"
        if [ -d "${part[0]}" ]; then
            cp -r "${part[0]}/." "$root/src/${part[-1]}"
        else
            cp -p "${part[@]:0:${#part[@]}-1}" "$root/src/${part[-1]}"
        fi
    done < <(dockerfile COPY 1)
    { echo cd /src && dockerfile ARG 1 && dockerfile RUN 1; } >"$root/run.sh"
    chroot "$root" /bin/sh -e /run.sh >"$root.log" 2>&1 || { tail -20 "$root.log"; exit 1; }
    mv "$root/sagitta" "$root/built"
    binary=$root/built
fi

echo "== COPY and RUN of the Dockerfile's last stage"
while read -r -a part; do
    to=${part[-1]}
    unset 'part[-1]'
    if [[ ${part[0]} == --from=* ]]; then
        strip -o "$root$to" "$binary"
        chmod 755 "$root$to"
    else
        cp -p "${part[@]}" "$root$to"
    fi
done < <(dockerfile COPY)
dockerfile RUN >"$root/run.sh"
chroot "$root" /bin/sh -e /run.sh >"$root.log" 2>&1 || { tail -20 "$root.log"; exit 1; }
rm "$root/run.sh"
missing=$(chroot "$root" ldd "${entry_point[0]}" | grep 'not found' || true)
if [ -n "$missing" ]; then
    echo "packages.txt: libraries missing from the run section:"
    echo "$missing"
    exit 1
fi
ids="$(chroot "$root" id -u "$user"):$(chroot "$root" id -g "$user")"

# A free port: the machine's network is shared with the folder.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
at=http://127.0.0.1:$port
inside() {
    exec chroot --userspec="$ids" "$root" /usr/bin/env -i -C /sagitta PATH=/usr/local/bin:/usr/bin:/bin "${environment[@]}" \
        "QDRANT__SERVICE__HTTP_PORT=$port" "$@"
}
healthy() {
    (inside "${health_command[@]}") 2>/dev/null
}
start() {
    inside "${entry_point[@]}" >>"$root.log" 2>&1 &
    server=$!
    for _ in $(seq 300); do
        healthy && break
        kill -0 "$server" 2>/dev/null || { cat "$root.log"; exit 1; }
        sleep 0.1
    done
    healthy || { echo "the health check never passed"; cat "$root.log"; exit 1; }
    [ "$(stat -c %u:%g "/proc/$server")" = "$ids" ] && [ "${ids%%:*}" != 0 ] || { echo "the server runs as root"; exit 1; }
}
stop() {
    local code=0
    kill -TERM "$server"
    wait "$server" || code=$?
    server=""
    [ "$code" -eq 0 ] || { echo "exit status $code after SIGTERM"; cat "$root.log"; exit 1; }
    ! healthy || { echo "the health check does not notice a stopped server"; exit 1; }
}
say() {
    curl -sfS -H 'Content-Type: application/json' "$@"
}
expect() {
    grep -q "$1" <<<"$2" || { echo "expected $1 in: $2"; exit 1; }
}

: >"$root.log"
echo "== first start, as $user ($ids)"
start
say -X PUT "$at/collections/c" -d '{"vectors":{"size":2,"distance":"Dot"}}' >"$root/tmp/answer"
say -X PUT "$at/collections/c/points?wait=true" \
    -d '{"points":[{"id":1,"vector":[1,2],"payload":{"a":1}},{"id":2,"vector":[2,3]}]}' >"$root/tmp/answer"
first=$(say -X POST "$at/collections/c/points/query" -d '{"query":[1,1],"with_payload":true}')
expect '"points":\[{"id":2,.*{"id":1,.*"payload":{"a":1}' "$first"
stop
[ "$(stat -c %u:%g "$root/sagitta/storage")" = "$ids" ] && [ -n "$(ls -A "$root/sagitta/storage")" ] ||
    { echo "the data is not in /sagitta/storage"; exit 1; }

echo "== second start on the same data"
start
second=$(say -X POST "$at/collections/c/points/query" -d '{"query":[1,1],"with_payload":true}')
[ "$(sed 's/"time":[^}]*//' <<<"$first")" = "$(sed 's/"time":[^}]*//' <<<"$second")" ] ||
    { echo "another answer after the restart: $second"; exit 1; }
echo "$second"
stop
echo "1 passed, 0 failed"
