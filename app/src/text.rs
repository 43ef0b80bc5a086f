//! The sentences that the user reads for what the client reports.

use kez_client::event::StorageFault;
use kez_client::view::Reason;

/// What a reason says.
pub(crate) fn sentence(reason: &Reason) -> String {
    let text = match reason {
        Reason::Server(text) => return as_sentence(text),
        Reason::Status(status) => return format!("The server refused it (status {status})."),
        Reason::Storage(fault) => return as_sentence(storage(*fault)),
        Reason::NotSaved(fault) => {
            return format!(
                "{} The last change was not saved. Make room if needed, then reload all tabs of KEZ Chat.",
                as_sentence(storage(*fault))
            );
        }
        Reason::NotSent(fault) => return format!("Not sent: {}.", storage(*fault)),
        Reason::ClockApart { seconds, ahead, followed } => return clock_apart(*seconds, *ahead, *followed),
        Reason::Damaged(1) => "A part of what this browser has stored could not be read.",
        Reason::Damaged(parts) => {
            return format!("{parts} parts of what this browser has stored could not be read.");
        }
        Reason::InvalidHandle(rule) => return as_sentence(&rule.to_string()),
        Reason::InvalidPhrase(rule) => return as_sentence(&rule.to_string()),
        Reason::InvalidInvitation => return as_sentence(&kez_core::invite::InvalidInvite.to_string()),
        Reason::HandleTaken(handle) => return format!("@{handle} is taken. Choose another handle."),
        Reason::WrongWord(position) => return format!("Word {position} is not the one from your phrase."),
        Reason::TooLong(kib) => {
            return format!("This message is too long: a message has at most {kib} KB of text.");
        }
        Reason::OtherServer(server) => return format!("You can only write to people on {server} for now."),
        Reason::Nobody { handle, server } => return format!("There is nobody called @{handle} on {server}."),
        Reason::Unproven(handle) => {
            return format!("The server could not prove who @{handle} is. Try again.");
        }
        Reason::NoAnswer => "The server did not answer. Try again.",
        Reason::StillTrying => "The server does not answer. Trying again.",
        Reason::NotConnected => "The server could not be reached yet. Try again in a moment.",
        Reason::SenselessAnswer => "The server's answer makes no sense.",
        Reason::SignatureRefused => {
            "The server does not accept this account's signature. Check this computer's clock."
        }
        Reason::WrongClock => "This computer's clock is wrong: set it and try again.",
        Reason::Stopped => "Nothing can be sent before this page was reloaded.",
        Reason::DamagedMessage => "This message could not be read from this browser, so it was not sent.",
        Reason::SignedOut => "You are signed out. This browser keeps nothing of your account.",
        Reason::AccountDeleted => "Your account and everything kept here are deleted.",
        Reason::PhraseElsewhere => {
            "Your words are shown only in the tab that you opened first: they do not leave it. Go on there, or close \
             the other tabs of KEZ Chat and reload this one."
        }
        Reason::OddPage => "This page has sent something that was not understood. Reload it.",
        Reason::LeaderSilent => {
            "Another tab of KEZ Chat does not answer. Close or reload it, then this one goes on."
        }
        Reason::ReservedHandle => "This handle is reserved.",
        Reason::NoHandle => "Choose a handle first.",
        Reason::InvitationNeeded => "This server takes new accounts by invitation: enter yours.",
        Reason::OldKey => "This key was replaced by a newer one. Use the words of the newer key.",
        Reason::NoAccount => "No account with these words on this server.",
        Reason::UnprovenAccount => "The server's answer does not prove that this account is yours.",
        Reason::WrongPassphrase => "This is not the passphrase.",
        Reason::WrongCurrentPassphrase => "This is not your present passphrase.",
        Reason::PassphraseSet => "This browser asks for your passphrase from now on.",
        Reason::PassphraseChanged => "Your passphrase is changed.",
        Reason::PassphraseRemoved => "Your passphrase is removed.",
        Reason::TheirInboxFull => "Their inbox is full. It is tried again now and then.",
        Reason::NobodyHere => "There is nobody with this handle here.",
        Reason::OwnHandle => "This is your own handle.",
        Reason::NotFoundYet => "This person was not found on the server yet.",
        Reason::KeyChanged => {
            "Their key has changed. Compare the safety number and accept the new key first."
        }
        Reason::KeyChangedAgain => {
            "Their key has changed once more. Compare the safety number that is shown now."
        }
        Reason::Blocked => "You have blocked this person. Unblock them first.",
        Reason::NoteTooLong => "That is too long. Shorten it.",
        Reason::NoConversation => "There is no conversation with this person any more.",
        Reason::InboxNearlyFull => {
            "Your inbox on the server is nearly full. Make room in the settings: under \"Keep on the server\" choose \
             a shorter time."
        }
        Reason::InboxFull => {
            "Your inbox on the server is full: it refuses what people send you. Make room in the settings: under \
             \"Keep on the server\" choose a shorter time."
        }
        Reason::RequestsFull => {
            "The room for message requests is full: new people cannot write to you. Accept, block or throw away \
             requests."
        }
        Reason::ChainPending => "Your key history is still on its way to the server. Try again in a moment.",
        Reason::ChainMoved => "The key was not changed: the key history has changed meanwhile. Try again.",
        Reason::NotRotationPhrase => "This is not your rotation phrase.",
        Reason::CannotBeSent => "This message cannot be sent.",
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
        "KEZ Chat goes by the server's clock until this one is right."
    } else {
        "Set it: until then messages can be neither sent nor received."
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
    fn a_refusal_is_a_sentence_whatever_the_server_says() {
        let server = |text: &str| sentence(&Reason::Server(text.to_owned()));
        assert_eq!(server("nobody holds this handle"), "Nobody holds this handle.");
        assert_eq!(server(" No! "), "No!");
        assert_eq!(sentence(&Reason::Status(404)), "The server refused it (status 404).");
    }

    #[test]
    fn a_wrong_clock_is_told_in_fitting_units() {
        for (seconds, says) in
            [(99, "99 seconds behind"), (180, "3 minutes"), (7_200, "2 hours"), (30 * 86_400, "30 days")]
        {
            let text = sentence(&Reason::ClockApart { seconds, ahead: false, followed: true });
            assert!(text.contains(says) && text.contains("goes by the server's clock"), "{text}");
        }
        let text = sentence(&Reason::ClockApart { seconds: 180, ahead: true, followed: false });
        assert!(text.contains("ahead of") && text.contains("Set it"), "{text}");
    }

    #[test]
    fn a_handle_that_breaks_the_rule_is_told_the_rule() {
        let short = "b".parse::<kez_core::handle::Handle>().unwrap_err();
        assert_eq!(sentence(&Reason::InvalidHandle(short)), "A handle has at least 3 characters.");
    }
}
