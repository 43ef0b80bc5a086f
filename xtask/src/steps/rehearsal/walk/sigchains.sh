# A separate sigchain server, used by a chat server and an auditor.
documented deploy/README.md "Under systemd" 2
until_ok kez-sig kez-chat-server healthcheck --bind 127.0.0.1:7878
kez-chat-server audit http://127.0.0.1:7878 --state /tmp/audit.json
echo KEZ_CHAT_SIG_SERVER_URL=http://127.0.0.1:7878 >> /etc/kez-chat/environment
systemctl restart kez-chat
ready kez-chat
until_ok kez-chat answers http://127.0.0.1:6969/v1/readyz '"status":"ok"'
systemctl stop kez-sig
until_ok kez-chat answers http://127.0.0.1:6969/v1/readyz '"status":"degraded"'
sed --in-place /SIG_SERVER_URL/d /etc/kez-chat/environment

# A wrong setting prevents the start, with an error message.
echo KEZ_CHAT_SERVER=other.example > /etc/kez-chat/environment
refused systemctl restart kez-chat
journalctl --unit kez-chat --no-pager | grep 'the database belongs to the server chat.example'
systemctl stop kez-chat
