//! The sentences shown for the reasons that the client reports.

use kez_client::event::StorageFault;
use kez_client::view::Reason;

/// The sentence for a reason.
pub(crate) fn sentence(reason: &Reason) -> String {
    let text = match reason {
        Reason::Server(text) => return as_sentence(text),
        Reason::Status(status) => return format!("The server refused the request (status {status})."),
        Reason::Storage(fault) => return as_sentence(storage(*fault)),
        Reason::NotSaved(StorageFault::Superseded) => {
            "Another KEZ Chat tab has taken over. The last change was not saved in this one. Reload it to continue here."
        }
        Reason::NotSaved(fault) => {
            return format!(
                "{} The last change was not saved. Free some space if needed, then reload all KEZ Chat tabs.",
                as_sentence(storage(*fault))
            );
        }
        Reason::NotSent(fault) => return format!("Not sent: {}.", storage(*fault)),
        Reason::ClockApart { seconds, ahead, followed } => return clock_apart(*seconds, *ahead, *followed),
        Reason::Damaged(1) => "Part of the data stored in this browser could not be read.",
        Reason::Damaged(parts) => {
            return format!("{parts} parts of the data stored in this browser could not be read.");
        }
        Reason::InvalidHandle(rule) => return as_sentence(&rule.to_string()),
        Reason::InvalidPhrase(rule) => return as_sentence(&rule.to_string()),
        Reason::InvalidInvitation => return as_sentence(&kez_core::invite::InvalidInvite.to_string()),
        Reason::HandleTaken(handle) => return format!("@{handle} is taken. Choose another handle."),
        Reason::WrongWord(position) => return format!("Word {position} does not match your phrase."),
        Reason::TooLong(kib) => {
            return format!("This message is too long: the limit is {kib} KB of text.");
        }
        Reason::OtherServer(server) => return format!("For now, you can only write to people on {server}."),
        Reason::UnknownHandle { handle, server } => {
            return format!("There is no account @{handle} on {server}.");
        }
        Reason::Unproven(handle) => {
            return format!("The server could not prove who @{handle} is. Try again.");
        }
        Reason::NoAnswer => "The server did not answer. Try again.",
        Reason::StillTrying => "The server is not responding. Trying again.",
        Reason::NotConnected => "The server cannot be reached yet. Try again in a moment.",
        Reason::SenselessAnswer => "The server sent an invalid answer.",
        Reason::SignatureRefused => {
            "The server rejects this account's signature. Check this computer's clock."
        }
        Reason::WrongClock => "This computer's clock is wrong. Set it and try again.",
        Reason::Stopped => "Nothing can be sent until this page is reloaded.",
        Reason::GroupNeedsName => "Give the group a name.",
        Reason::NotAdmin => "Only an admin of the group can do that.",
        Reason::NotInGroup => "You are not in this group.",
        Reason::GroupNotChanged => "The group was not changed. Try again.",
        Reason::UnknownDevice => {
            "A device takes part here that no member's key history names. Nothing is sent here."
        }
        Reason::CommitsWithheld => {
            "The server withholds changes of this conversation's keys. Nothing is sent here."
        }
        Reason::GroupDamaged => {
            "This conversation's keys cannot be repaired in this browser. Nothing is sent here."
        }
        Reason::InvalidLinkCode => return as_sentence(&kez_core::link::InvalidLinkCode.to_string()),
        Reason::UnknownLinkCode => "No browser shows this code, or it has expired.",
        Reason::OtherOffer => {
            "The server sent another browser than the one with this code. Nothing was linked."
        }
        Reason::LinkExpired => "The other browser did not answer in time. Try again.",
        Reason::LinkFailed => "The browsers did not understand each other. Nothing was linked. Try again.",
        Reason::DevicesFull => "Your account has 20 browsers, which is the limit. Remove one first.",
        Reason::NoWords => {
            "This browser was linked to your account and has no recovery phrase. So it cannot change the key, delete the \
             account, or write to people who use an earlier version. Do that in a browser that has the phrase."
        }
        Reason::BrowserRemoved => "This browser was removed from your account.",
        Reason::DamagedMessage => "This browser could not read the stored message, so it was not sent.",
        Reason::SignedOut => "You are signed out. No account data is left in this browser.",
        Reason::AccountDeleted => "Your account and its data in this browser are deleted.",
        Reason::PhraseElsewhere => {
            "Your phrase is shown only in the tab that you opened first, because it never leaves that tab. Continue \
             there, or close the other KEZ Chat tabs and reload this one."
        }
        Reason::OddPage => "This page sent an unknown request. Reload it.",
        Reason::LeaderSilent => {
            "Another KEZ Chat tab is not responding. Close or reload it to continue here."
        }
        Reason::ReservedHandle => "This handle is reserved.",
        Reason::NoHandle => "Choose a handle first.",
        Reason::InvitationNeeded => "This server accepts new accounts by invitation only: enter yours.",
        Reason::OldKey => "This key was replaced by a newer one. Use the phrase of the newer key.",
        Reason::NoAccount => "No account on this server has this phrase.",
        Reason::UnprovenAccount => "The server's answer does not prove that this account is yours.",
        Reason::WrongPassphrase => "The passphrase is wrong.",
        Reason::WrongCurrentPassphrase => "Your current passphrase is wrong.",
        Reason::PassphraseSet => "This browser will ask for your passphrase from now on.",
        Reason::PassphraseChanged => "Your passphrase was changed.",
        Reason::PassphraseRemoved => "Your passphrase was removed.",
        Reason::TheirInboxFull => "Their inbox is full. KEZ Chat keeps trying to send this.",
        Reason::GroupFull => {
            "The server has no room for more messages of this conversation. KEZ Chat keeps trying to send this."
        }
        Reason::NoSuchHandle => "No account here has this handle.",
        Reason::OwnHandle => "This is your own handle.",
        Reason::NotFoundYet => "This person has not been found on the server yet.",
        Reason::KeyChanged => {
            "Their key has changed. Compare the safety number and accept the new key first."
        }
        Reason::KeyChangedAgain => {
            "Their key has changed again. Compare the safety number that is shown now."
        }
        Reason::Blocked => "You have blocked this person. Unblock them first.",
        Reason::NoteTooLong => "The note is too long. Shorten it.",
        Reason::NoConversation => "You no longer have a conversation with this person.",
        Reason::NoDevice => {
            "All browsers of this person were removed from their account, so nothing is sent here."
        }
        Reason::NoReader => {
            "No browser of this person can read this yet. It is sent once one of them is online."
        }
        Reason::OldMessagesRefused => {
            "This person refuses old messages, and this browser cannot send newer ones yet."
        }
        Reason::InboxNearlyFull => {
            "Your inbox on the server is nearly full. Make room in the settings: choose a shorter time under \"Keep on \
             the server\"."
        }
        Reason::InboxFull => {
            "Your inbox on the server is full and refuses new messages. Make room in the settings: choose a shorter \
             time under \"Keep on the server\"."
        }
        Reason::RequestsFull => {
            "Your message requests are full, so new people cannot write to you. Accept, block or decline some."
        }
        Reason::ChainPending => "Your key history is still being sent to the server. Try again in a moment.",
        Reason::ChainMoved => "The key was not changed, because the key history has changed. Try again.",
        Reason::NotRotationPhrase => "This is not your rotation phrase.",
        Reason::CannotBeSent => "This message cannot be sent.",
        Reason::BadLink => "A part of this link is missing. Copy the whole link.",
        Reason::LinkRefused => "This link has expired, was used up or was revoked. Ask for a new one.",
    };
    text.to_owned()
}

/// Why the storage failed, as part of a sentence.
pub(crate) const fn storage(fault: StorageFault) -> &'static str {
    match fault {
        StorageFault::Full => "this browser's storage for KEZ Chat is full",
        StorageFault::Unavailable => "this browser does not let KEZ Chat use its storage",
        StorageFault::Damaged => "the stored data is damaged",
        StorageFault::Newer => "the stored data is from a newer version of KEZ Chat",
        StorageFault::Superseded => "another KEZ Chat tab has taken over",
    }
}

fn clock_apart(seconds: u64, ahead: bool, followed: bool) -> String {
    let by = match seconds {
        ..100 => format!("{seconds} seconds"),
        100..7_200 => format!("{} minutes", (seconds + 30) / 60),
        7_200..172_800 => format!("{} hours", (seconds + 1_800) / 3_600),
        _ => format!("{} days", (seconds + 43_200) / 86_400),
    };
    let how = if ahead { "ahead of" } else { "behind" };
    let then = if followed {
        "KEZ Chat uses the server's clock until this one is right."
    } else {
        "Set it: until then, messages can be neither sent nor received."
    };
    format!("This computer's clock is {by} {how} the server's. {then}")
}

/// Text with a capital and a full stop.
fn as_sentence(text: &str) -> String {
    let mut sentence = text.trim().to_owned();
    if let Some(first) = sentence.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_by_the_server_is_shown_as_a_sentence() {
        let server = |text: &str| sentence(&Reason::Server(text.to_owned()));
        assert_eq!(server("no account has this handle"), "No account has this handle.");
        assert_eq!(server(" No! "), "No!");
        assert_eq!(sentence(&Reason::Status(404)), "The server refused the request (status 404).");
    }

    #[test]
    fn a_superseded_tab_says_that_another_one_has_taken_over() {
        for reason in [Reason::NotSaved, Reason::NotSent, Reason::Storage] {
            let text = sentence(&reason(StorageFault::Superseded)).to_lowercase();
            assert!(text.contains("another kez chat tab has taken over"), "{text}");
            assert!(!text.contains("space"), "{text}");
        }
    }

    #[test]
    fn clock_differences_use_a_fitting_unit() {
        for (seconds, says) in
            [(99, "99 seconds behind"), (180, "3 minutes"), (7_200, "2 hours"), (30 * 86_400, "30 days")]
        {
            let text = sentence(&Reason::ClockApart { seconds, ahead: false, followed: true });
            assert!(text.contains(says) && text.contains("uses the server's clock"), "{text}");
        }
        let text = sentence(&Reason::ClockApart { seconds: 180, ahead: true, followed: false });
        assert!(text.contains("ahead of") && text.contains("Set it"), "{text}");
    }

    #[test]
    fn an_invalid_handle_names_the_rule() {
        let short = "b".parse::<kez_core::handle::Handle>().unwrap_err();
        assert_eq!(sentence(&Reason::InvalidHandle(short)), "A handle must have at least 3 characters.");
    }
}
