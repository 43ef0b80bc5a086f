# "Upgrade", from a database of the first release, and then every command of the table on the upgraded database.
db=/var/lib/kez-chat/kez-chat.db
systemctl stop kez-chat
cp "$db" /tmp/owner
cat "$tree/server/tests/fixtures/0.1.0.db" > "$db"
rm -f "$db"-*
documented deploy/README.md Upgrade 1
ready kez-chat
kez-chat-server migrate --dry-run --db "$db" | grep 'the schema is up to date'

run() { kez-chat-server "$@" --db "$db" --json; }
run migrate
kez-chat-server healthcheck --json --bind 127.0.0.1:6969
run admin stats
run admin usage
run admin report list
refused run admin report close 1
run admin handle list | grep alice
run admin handle show alice
run admin handle ban alice --reason spam
answers 'http://127.0.0.1:6969/.well-known/webfinger?resource=acct:alice@chat.example' 'HTTP/1.1 404'
run admin handle unban alice
answers 'http://127.0.0.1:6969/.well-known/webfinger?resource=acct:alice@chat.example' 'HTTP/1.1 200'
run admin handle reserve walk
run admin handle release walk
run admin handle export alice --to /tmp/alice.json
test -s /tmp/alice.json
run admin handle delete alice --yes
run admin handle show alice | grep '"state":"reserved"'
run admin invite create --label walk --uses 2 --days 3
run admin invite list
run admin invite revoke 1

# "Room on the disk", and another page size: a backup, then a restore with the server stopped.
systemctl stop kez-chat
rm "$db.replaced"
run backup --to /tmp/room.db
run restore --from /tmp/room.db --replace
run restore --in-place
systemctl start kez-chat
ready kez-chat
