# "NATS", with credentials that only root can read, and then by hand with the flags that gen-keys prints.
serving broker deploy/README.md NATS 1
until_ok broker answers http://127.0.0.1:8222/healthz '"status":"ok"'
test "$(stat -c %a /etc/kez-chat/nats/keys/nats-issuer.nk)" = 600
documented deploy/README.md NATS 2
ready kez-chat
until_ok kez-chat answers http://127.0.0.1:6969/v1/readyz '"status":"ok"'
answers http://127.0.0.1:6969/v1/config 'wss://nats.chat.example'
until_ok broker answers http://127.0.0.1:8222/connz '"num_connections": 2'

flags=$(journalctl --unit broker --no-pager --output cat | grep -E '^--nats-' | tr '\n' ' ')
(cd /tmp && systemd-run --quiet --unit=by-hand --working-directory=/tmp kez-chat-server --server chat.example \
    --bind 127.0.0.1:6970 $flags --nats-url nats://127.0.0.1:4222 --nats-ws-url wss://nats.chat.example)
until_ok by-hand answers http://127.0.0.1:6970/v1/readyz '"status":"ok"'
until_ok broker answers http://127.0.0.1:8222/connz '"num_connections": 4'
systemctl stop by-hand

# Nothing depends on the broker.
systemctl stop broker
until_ok kez-chat answers http://127.0.0.1:6969/v1/readyz '"status":"degraded"'
rm -r /etc/systemd/system/kez-chat.service.d
systemctl daemon-reload
systemctl restart kez-chat
ready kez-chat
