# README.md: the binary with its flags, and the page that it serves.
serving by-hand README.md "Run a server" 1
until_ok by-hand answers http://127.0.0.1:6969/v1/readyz '"status":"ok"'
answers http://127.0.0.1:6969/v1/config '"server":"chat.example"'
for path in $(curl --silent http://127.0.0.1:6969/ | grep -oE '"/[^"]+\.(css|js|wasm)"' | tr -d '"' | sort -u); do
    answers "http://127.0.0.1:6969$path" 'HTTP/1.1 200' --output /dev/null --dump-header -
done
systemctl stop by-hand

# deploy/README.md: the same behind a proxy. No certificate authority serves this machine, so Caddy's internal one is used.
sed --in-place '1i {\n\tlocal_certs\n\tskip_install_trust\n}' "$tree/deploy/Caddyfile"
serving by-hand deploy/README.md "Behind a proxy, with TLS" 1
until_ok by-hand answers http://127.0.0.1:6969/v1/readyz '"status":"ok"'
serving proxy deploy/README.md "Behind a proxy, with TLS" 2
authority=/root/.local/share/caddy/pki/authorities/local/root.crt
until_ok proxy answers https://chat.example/v1/readyz '"status":"ok"' --cacert "$authority"
answers https://chat.example/ 'strict-transport-security' --cacert "$authority"
answers http://chat.example/ 'Location: https://chat.example/'
systemctl stop by-hand proxy
