#!/bin/bash
# Exit status 0 if the server of this container answers its health endpoint. Bash's own sockets: the image has no curl.
# The port is the one that the server itself takes from its file and environment.
set -eu
port=$(/usr/local/bin/sagitta --print-config | sed -n 's/^  http_port: //p')
exec 3<>"/dev/tcp/127.0.0.1/${port:-6333}"
printf 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -r -t 4 line <&3
[[ $line == 'HTTP/1.1 200 '* ]]
