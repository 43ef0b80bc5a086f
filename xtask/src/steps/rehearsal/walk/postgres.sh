# "PostgreSQL": a node, a backup, and a restore.
systemctl start postgresql
until_ok postgresql runuser -u postgres -- psql --command 'select 1'
printf 'secret\nsecret\n' > /tmp/passwords
serving make-database deploy/README.md PostgreSQL 1 --wait --uid=postgres --property=StandardInput=file:/tmp/passwords
cd /tmp
serving node deploy/README.md PostgreSQL 2
ready node
export KEZ_CHAT_DB=postgres://kez:secret@db.example/kez
kez-chat-server admin invite create --label before
(cd / && runuser -u postgres -- pg_dump --format=custom kez > /tmp/kez.dump)
kez-chat-server admin invite create --label after
systemctl stop node
(cd / && runuser -u postgres -- pg_restore --clean --dbname kez < /tmp/kez.dump)
kez-chat-server restore --in-place | grep 'the new epoch'
serving node deploy/README.md PostgreSQL 2
ready node
test "$(labels)" = '"label":"before" '
systemctl stop node
