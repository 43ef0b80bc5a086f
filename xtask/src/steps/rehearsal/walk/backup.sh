# "Backup" and "The drill": a restore brings back exactly the data at the time of the backup.
db=/var/lib/kez-chat/kez-chat.db
kez-chat-server admin invite create --label before --db "$db"
documented deploy/README.md Backup 1
documented deploy/README.md Backup 2
systemctl start kez-chat-backup.service
ls -l /backup /var/lib/kez-chat-backups/
(cd /backup && sha256sum --check ./*.sha256)
(cd /var/lib/kez-chat-backups && sha256sum --check ./*.sha256)

# The metrics report the age of the timer's newest backup; the service cannot modify the backup.
echo KEZ_CHAT_METRICS_BIND=127.0.0.1:9090 >> /etc/kez-chat/environment
systemctl restart kez-chat
ready kez-chat
age=$(curl --silent http://127.0.0.1:9090/metrics | awk '/^kez_chat_last_backup_timestamp_seconds/ { print systime() - $2 }')
test "$age" -lt 60
server=$(systemctl show --property=MainPID --value kez-chat)
findmnt --task "$server" --noheadings --output TARGET,OPTIONS /var/lib/private/kez-chat-backups | grep ' ro,'
kez-chat-server admin invite create --label after --db "$db"

# The date in the documentation.
made="/backup/kez-chat-$(date +%F).db"
named=$(grep -oE '/backup/kez-chat-[0-9-]+\.db' "/rehearsal/deploy/README.md/Backup/3.sh")
if [ "$made" != "$named" ]; then mv "$made" "$named"; rm "$made.sha256"; fi
documented deploy/README.md Backup 3
ready kez-chat
test "$(labels --db "$db")" = '"label":"before" '
test "$(labels --db "$db.replaced" | wc -w)" = 2
test "$(stat -c '%U %a' "$db")" = "$(stat -c '%U %a' "$db.replaced")"

# Stands in for another machine: another folder, without any files of the first one.
mkdir /tmp/other-machine
cp "$named" /tmp/other-machine/
(cd /tmp/other-machine && sha256sum ./*.db | sed 's/ \.\// /' > "$(basename "$named").sha256")
tree=/tmp/other-machine serving drill deploy/README.md "The drill" 1
until_ok drill bash -e "/rehearsal/deploy/README.md/The drill/2.sh"
documented deploy/README.md "The drill" 2
test "$(labels --db /tmp/drill.db)" = '"label":"before" '
systemctl stop drill
