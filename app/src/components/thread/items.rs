//! The items of a thread, from top to bottom: messages and the lines between them. Pure, so it can be tested without a
//! browser.

use kez_client::view::{GroupLine, MessageBody, MessageRow};

/// The longest gap between two messages of one sender in the same group, in seconds.
const GROUP_SECONDS: u64 = 120;

/// An item of the thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A new day begins; holds a time within that day, in Unix seconds.
    Day(u64),
    /// The messages below were unread when the thread was opened.
    New,
    /// This many messages of the sender never arrived.
    Missing(u64),
    /// The next message contradicts what the sender sent before.
    Contradiction,
    /// Something that happened, and is not a message.
    Event(Event),
    /// A message. `continues` means that it is grouped with the previous one of the same sender.
    Message { row: MessageRow, continues: bool },
}

/// An event of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The other user has changed their key.
    KeyReplaced,
    /// The other user has added a device.
    DeviceAdded,
    /// The group has changed.
    Group(GroupLine),
}

impl Event {
    fn of(row: &MessageRow) -> Option<Self> {
        match &row.body {
            MessageBody::KeyReplaced => Some(Self::KeyReplaced),
            MessageBody::DeviceAdded => Some(Self::DeviceAdded),
            MessageBody::Group(line) => Some(Self::Group(line.clone())),
            _ => None,
        }
    }
}

/// The items with their keys, which stay the same as older and newer messages are added.
///
/// The time of a message is only claimed by its sender. So a day line appears only where the time moves on to a later
/// day, and a wrong clock cannot fill the thread with lines.
pub(super) fn items(
    messages: &[MessageRow],
    first_unread: Option<&str>,
    day_of: impl Fn(u64) -> i64,
) -> Vec<(String, Item)> {
    let mut items = Vec::with_capacity(messages.len() + 8);
    let mut day = i64::MIN;
    let mut previous: Option<&MessageRow> = None;
    for row in messages {
        let before = items.len();
        if day_of(row.at) > day {
            day = day_of(row.at);
            items.push((format!("day-{}", row.id), Item::Day(row.at)));
        }
        if first_unread == Some(&row.id) {
            items.push(("new".to_owned(), Item::New));
        }
        if row.missing_before > 0 {
            items.push((format!("missing-{}", row.id), Item::Missing(row.missing_before)));
        }
        if row.contradicts_chain {
            items.push((format!("contradiction-{}", row.id), Item::Contradiction));
        }
        if let Some(event) = Event::of(row) {
            items.push((row.id.clone(), Item::Event(event)));
            previous = None;
            continue;
        }
        let alone = items.len() > before;
        let continues = !alone && previous.is_some_and(|previous| belong_together(previous, row));
        items.push((row.id.clone(), Item::Message { row: row.clone(), continues }));
        previous = Some(row);
    }
    items
}

fn belong_together(earlier: &MessageRow, later: &MessageRow) -> bool {
    let same = (earlier.mine, &earlier.author) == (later.mine, &later.author);
    same && earlier.at.abs_diff(later.at) <= GROUP_SECONDS
}

#[cfg(test)]
mod tests {
    use kez_client::view::{DeliveryState, MessageBody, MessageRow};

    use super::{Item, items};

    const DAY: u64 = 86_400;

    fn row(id: &str, mine: bool, at: u64) -> MessageRow {
        MessageRow {
            id: id.to_owned(),
            mine,
            author: None,
            body: MessageBody::Text { text: id.to_owned() },
            state: if mine { DeliveryState::Sent } else { DeliveryState::Received },
            at,
            missing_before: 0,
            contradicts_chain: false,
            cut: false,
            former_key: None,
            old_way: false,
            error: None,
            reactions: Vec::new(),
        }
    }

    /// One character per item: D, N, X, ! for lines, M for a message, m for one that continues a group.
    fn shape(messages: &[MessageRow], first_unread: Option<&str>) -> String {
        let letter = |(_, item): (String, Item)| match item {
            Item::Day(_) => 'D',
            Item::New => 'N',
            Item::Missing(_) => 'X',
            Item::Contradiction => '!',
            Item::Event(_) => 'E',
            Item::Message { continues: false, .. } => 'M',
            Item::Message { continues: true, .. } => 'm',
        };
        items(messages, first_unread, |at| (at / DAY) as i64).into_iter().map(letter).collect()
    }

    #[test]
    fn one_sender_within_two_minutes_is_one_group() {
        let messages = [row("a", true, 0), row("b", true, 120), row("c", true, 241), row("d", false, 242)];
        assert_eq!(shape(&messages, None), "DMmMM");
    }

    #[test]
    fn a_separator_splits_a_group() {
        let mut messages = [row("a", false, 0), row("b", false, 1), row("c", false, 2)];
        messages[2].missing_before = 2;
        assert_eq!(shape(&messages, Some("b")), "DMNMXM");
        messages[1].contradicts_chain = true;
        assert_eq!(shape(&messages, None), "DM!MXM");
    }

    #[test]
    fn a_day_separator_appears_only_when_time_advances() {
        let messages =
            [row("a", true, DAY), row("b", false, 5), row("c", true, DAY + 1), row("d", true, 2 * DAY)];
        assert_eq!(shape(&messages, None), "DMMMDM");
    }

    #[test]
    fn loading_older_messages_keeps_the_ids_of_the_others() {
        let all = [row("a", true, 0), row("b", true, DAY), row("c", true, 2 * DAY)];
        let names = |messages: &[MessageRow]| -> Vec<String> {
            items(messages, Some("b"), |at| (at / DAY) as i64).into_iter().map(|(name, _)| name).collect()
        };
        let newer = names(&all[1..]);
        assert!(names(&all).ends_with(&newer));
    }

    #[test]
    fn no_messages_make_no_rows() {
        assert_eq!(shape(&[], Some("a")), "");
    }
}
