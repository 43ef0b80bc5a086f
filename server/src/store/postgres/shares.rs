//! Tracks during a batch what each part of an inbox's requests holds, and makes room in it.

use std::collections::BTreeMap;

use sqlx::postgres::PgConnection;

use super::append::{Counter, HashedMessage};
use crate::store::row::{signed, unsigned};
use crate::store::usage::{Held, Origin, Part, Quota, Source};
use crate::store::{AccountId, StoreError};

/// The parts affected by a batch. The locks of their inboxes protect them until the commit.
#[derive(Default)]
pub(super) struct Shares(BTreeMap<(AccountId, Part), Held>);

impl Shares {
    /// Reads what the parts hold before the batch.
    pub(super) async fn read(
        connection: &mut PgConnection,
        messages: &[&HashedMessage],
    ) -> Result<Self, StoreError> {
        const SQL: &str = "SELECT place, messages, bytes FROM UNNEST($1::bigint[], $2::bytea[]) WITH ORDINALITY \
                AS wanted (inbox, part, place) \
            CROSS JOIN LATERAL (SELECT messages, bytes FROM request_shares \
                WHERE inbox = wanted.inbox AND part = wanted.part LIMIT 1) AS share";
        let mut shares = Self::default();
        for message in messages {
            let inbox = message.message.inbox;
            for part in parts(message.message.origin) {
                shares.0.insert((inbox, part), Held::default());
            }
        }
        if shares.0.is_empty() {
            return Ok(shares);
        }
        let (inboxes, names): (Vec<i64>, Vec<Vec<u8>>) =
            shares.0.keys().map(|(inbox, part)| (inbox.0, part.name())).unzip();
        let rows: Vec<(i64, i64, i64)> =
            sqlx::query_as(SQL).bind(inboxes).bind(names).fetch_all(connection).await?;
        let mut held: Vec<&mut Held> = shares.0.values_mut().collect();
        for (place, messages, bytes) in rows {
            // Ordinality counts from one.
            let share = usize::try_from(place - 1).ok().and_then(|place| held.get_mut(place));
            let share = share.ok_or(StoreError::Corrupt("place in a batch"))?;
            **share = Held { messages: unsigned(messages)?, bytes: unsigned(bytes)? };
        }
        Ok(shares)
    }

    /// Makes room for a request in every part that it belongs to, by deleting the oldest requests there that the owner
    /// has acknowledged. Returns whether there is room now.
    pub(super) async fn make_room(
        &mut self,
        connection: &mut PgConnection,
        message: &HashedMessage,
        quota: Quota,
        counter: &mut Counter,
    ) -> Result<bool, StoreError> {
        let (inbox, bytes) = (message.message.inbox, message.len() as u64);
        for part in parts(message.message.origin) {
            let limit = quota.of(part);
            if !Held::default().with(bytes).is_within(limit) {
                return Ok(false);
            }
            while !self.held(inbox, part).with(bytes).is_within(limit) {
                let Some(freed) = delete_oldest(connection, inbox, counter.acknowledged, part).await? else {
                    return Ok(false);
                };
                counter.usage = counter.usage.without(freed.bytes);
                for part in freed.source.parts() {
                    // The table is already updated; other parts are not read in this batch.
                    self.0.entry((inbox, part)).and_modify(|held| *held = held.without(freed.bytes));
                }
            }
        }
        Ok(true)
    }

    /// Adds a stored message to the counts.
    pub(super) fn add(&mut self, inbox: AccountId, origin: Origin, bytes: u64) {
        for part in parts(origin) {
            self.0.insert((inbox, part), self.held(inbox, part).with(bytes));
        }
    }

    fn held(&self, inbox: AccountId, part: Part) -> Held {
        self.0.get(&(inbox, part)).copied().unwrap_or_default()
    }

    /// Writes what the parts hold after the batch.
    pub(super) async fn write(self, connection: &mut PgConnection) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO request_shares (inbox, part, messages, bytes) \
            SELECT * FROM UNNEST($1::bigint[], $2::bytea[], $3::bigint[], $4::bigint[]) \
            ON CONFLICT (inbox, part) DO UPDATE SET messages = excluded.messages, bytes = excluded.bytes";
        let (mut inboxes, mut names) = (Vec::new(), Vec::new());
        let (mut messages, mut bytes) = (Vec::new(), Vec::new());
        for ((inbox, part), held) in self.0.into_iter().filter(|(_, held)| held.messages > 0) {
            inboxes.push(inbox.0);
            names.push(part.name());
            messages.push(held.messages.cast_signed());
            bytes.push(held.bytes.cast_signed());
        }
        if inboxes.is_empty() {
            return Ok(());
        }
        let write = sqlx::query(SQL).bind(inboxes).bind(names).bind(messages).bind(bytes);
        write.execute(connection).await?;
        Ok(())
    }
}

/// The parts of the requests' share that a message belongs to.
fn parts(origin: Origin) -> impl Iterator<Item = Part> {
    origin.source().into_iter().flat_map(Source::parts)
}

/// A deleted request.
struct Freed {
    bytes: u64,
    source: Source,
}

/// Deletes the oldest acknowledged request of a part, if there is one.
async fn delete_oldest(
    connection: &mut PgConnection,
    inbox: AccountId,
    acknowledged: u64,
    part: Part,
) -> Result<Option<Freed>, StoreError> {
    const ALL: &str = "SELECT seq, bytes, sender, network FROM requests \
        WHERE inbox = $1 AND seq <= $2 AND $3 = ''::bytea ORDER BY seq LIMIT 1";
    const UNSIGNED: &str = "SELECT seq, bytes, sender, network FROM requests \
        WHERE inbox = $1 AND seq <= $2 AND get_byte(network, 0) = 1 AND $3 <> ''::bytea ORDER BY seq LIMIT 1";
    const OF_NETWORK: &str = "SELECT seq, bytes, sender, network FROM requests \
        WHERE inbox = $1 AND seq <= $2 AND network = $3 ORDER BY seq LIMIT 1";
    const OF_KEY: &str = "SELECT seq, bytes, sender, network FROM requests \
        WHERE inbox = $1 AND seq <= $2 AND sender = $3 ORDER BY seq LIMIT 1";
    const DELETE: &str = "DELETE FROM messages WHERE inbox = $1 AND seq = $2";
    let sql = match part {
        Part::All => ALL,
        Part::Unsigned => UNSIGNED,
        Part::Network { .. } => OF_NETWORK,
        Part::Key(_) => OF_KEY,
    };
    let oldest: Option<(i64, i64, Vec<u8>, Vec<u8>)> = sqlx::query_as(sql)
        .bind(inbox.0)
        .bind(signed(acknowledged))
        .bind(part.name())
        .fetch_optional(&mut *connection)
        .await?;
    let Some((seq, bytes, sender, network)) = oldest else { return Ok(None) };
    let source = Source::from_parts(&sender, &network).ok_or(StoreError::Corrupt("request"))?;
    sqlx::query(DELETE).bind(inbox.0).bind(seq).execute(connection).await?;
    Ok(Some(Freed { bytes: unsigned(bytes)?, source }))
}
