# "Under systemd": the service, its timer, and the documented behaviour of both.
documented deploy/README.md "Under systemd" 1
ready kez-chat
answers http://127.0.0.1:6969/v1/readyz '"status":"ok"'
answers http://127.0.0.1:6969/v1/config '"server":"chat.example"'
test "$(stat -c %a /var/lib/kez-chat/kez-chat.db)" = 600
systemd-analyze security --no-pager --threshold=12 kez-chat | tail -n 1
systemctl list-timers --no-pager | grep kez-chat-backup.timer

# Settings go into the environment file. A reload reads the two files that settings point to.
echo debug > /etc/kez-chat/filter
echo KEZ_CHAT_LOG_FILTER_FILE=/etc/kez-chat/filter >> /etc/kez-chat/environment
systemctl restart kez-chat
ready kez-chat
echo info,kez_chat_server=trace > /etc/kez-chat/filter
systemctl reload kez-chat
until_ok kez-chat sh -c 'journalctl --unit kez-chat --no-pager | grep "reloaded the log filter"'
sed --in-place /FILTER/d /etc/kez-chat/environment
systemctl restart kez-chat
ready kez-chat
