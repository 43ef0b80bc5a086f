//! The sentences for what happened in a group.

use kez_client::view::GroupLine;

/// The name of the kind, as `data-line` gives it, and the sentence.
pub(crate) fn line(line: &GroupLine) -> (&'static str, String) {
    match line {
        GroupLine::Created { by } => ("created", format!("{} created the group.", subject(by))),
        GroupLine::Added { by, who } => ("added", format!("{} added {}.", subject(by), object(who))),
        GroupLine::Removed { by, who } => ("removed", format!("{} removed {}.", subject(by), object(who))),
        GroupLine::Left { who } => ("left", format!("{} left.", subject(who))),
        GroupLine::Renamed { by, name } => {
            ("renamed", format!("{} named the group \u{201c}{name}\u{201d}.", subject(by)))
        }
        GroupLine::Role { by, who, admin: true } => {
            ("role", format!("{} made {} an admin.", subject(by), object(who)))
        }
        GroupLine::Role { by, who, admin: false } => {
            let of = who.as_ref().map_or_else(|| "you are".to_owned(), |who| format!("@{who} is"));
            ("role", format!("{} decided that {of} no longer an admin.", subject(by)))
        }
        GroupLine::Device { who: Some(who) } => ("device", format!("@{who} added a device")),
        GroupLine::Device { who: None } => ("device", "You added a device".to_owned()),
        GroupLine::Rejoined => {
            ("rejoined", "This browser joined again. Some messages may be missing.".to_owned())
        }
        GroupLine::Upgraded => (
            "upgraded",
            "Messages are now protected by keys that change. Earlier ones stay as they were sent.".to_owned(),
        ),
    }
}

fn subject(who: &Option<String>) -> String {
    who.as_ref().map_or_else(|| "You".to_owned(), |who| format!("@{who}"))
}

fn object(who: &Option<String>) -> String {
    who.as_ref().map_or_else(|| "you".to_owned(), |who| format!("@{who}"))
}

#[cfg(test)]
mod tests {
    use kez_client::view::GroupLine;

    use super::line;

    #[test]
    fn lines_name_who_did_what_to_whom() {
        let (me, bob, carol) = (None, Some("bob".to_owned()), Some("carol".to_owned()));
        let said = [
            GroupLine::Created { by: me.clone() },
            GroupLine::Added { by: bob.clone(), who: me.clone() },
            GroupLine::Removed { by: me.clone(), who: carol.clone() },
            GroupLine::Left { who: carol.clone() },
            GroupLine::Renamed { by: bob.clone(), name: "Family".to_owned() },
            GroupLine::Role { by: me, who: bob.clone(), admin: true },
            GroupLine::Role { by: bob, who: carol.clone(), admin: false },
            GroupLine::Device { who: carol },
        ]
        .map(|what| line(&what));
        let said: Vec<(&str, &str)> = said.iter().map(|(kind, text)| (*kind, text.as_str())).collect();
        assert_eq!(
            said,
            [
                ("created", "You created the group."),
                ("added", "@bob added you."),
                ("removed", "You removed @carol."),
                ("left", "@carol left."),
                ("renamed", "@bob named the group \u{201c}Family\u{201d}."),
                ("role", "You made @bob an admin."),
                ("role", "@bob decided that @carol is no longer an admin."),
                ("device", "@carol added a device"),
            ]
        );
    }
}
