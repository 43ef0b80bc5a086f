# "In containers": keys, then the services, then those of the profiles tls, sig and litestream.
(run_keys)
run_nats > "$volumes/nats.log" 2>&1 & nats=$!
run_chat_server > "$volumes/chat-server.log" 2>&1 & chat_server=$!
until_ok chat-server $chat_server answers http://localhost:6969/v1/readyz '"status":"ok"'
answers http://localhost:6969/v1/config '"registration":"open"'
answers http://localhost:6969/ 'HTTP/1.1 200'
test "$(stat -c '%u %a' "$volumes/chat-data/kez-chat.db")" = "65532 600"
grep -E '^(CapEff|NoNewPrivs)' "$root/proc/$chat_server/status" | tr '\t\n' '  ' | grep 'CapEff: 0000000000000000 NoNewPrivs: 1'
before=$(cat "$volumes"/keys/* | sha256sum)
(run_keys)
test "$before" = "$(cat "$volumes"/keys/* | sha256sum)"

run_sig_server > "$volumes/sig-server.log" 2>&1 & sig_server=$!
until_ok sig-server $sig_server "$root/usr/bin/kez-chat-server" healthcheck --bind 127.0.0.1:7878

run_caddy > "$volumes/caddy.log" 2>&1 & caddy=$!
authority=$volumes/caddy-data/caddy/pki/authorities/local/root.crt
until_ok caddy $caddy answers https://chat.localhost/v1/readyz '"status":"ok"' --cacert "$authority"
upgrade=(--http1.1 --max-time 2 --header 'Connection: Upgrade' --header 'Upgrade: websocket' --header 'Sec-WebSocket-Version: 13'
    --header 'Sec-WebSocket-Key: a2V6LWNoYXQta2V6LWNoYQ==' --header 'Origin: http://localhost:6969')
answers https://nats.chat.localhost/ '101 Switching Protocols' --cacert "$authority" "${upgrade[@]}"

"$root/usr/bin/kez-chat-server" admin invite create --label before --db "$volumes/chat-data/kez-chat.db"
run_litestream > "$volumes/litestream.log" 2>&1 & litestream=$!
replica=file://$volumes/chat-data/replica
until_ok litestream $litestream "$litestream_program" restore -o "$volumes/restored.db" "$replica"
"$root/usr/bin/kez-chat-server" restore --in-place --db "$volumes/restored.db"
"$root/usr/bin/kez-chat-server" admin invite list --db "$volumes/restored.db" | grep before

for service in $litestream $caddy $sig_server $chat_server; do
    kill -TERM "$service"
    wait "$service"
done
kill -TERM "$nats"
echo "every service ran as docker-compose.yml says"
