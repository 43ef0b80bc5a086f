//! Joining: handle, recovery phrase, a check of three words, passphrase, then [`registering`](crate::registering).

use kez_core::api::RegistrationMode;
use kez_core::handle::{Handle, ServerName};
use kez_core::identity::{SecretIdentity, Seed};
use kez_core::invite::{InvalidInvite, InviteCode};
use kez_core::recovery_phrase;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::account::registering::Registering;
use crate::kernel::answer::Answer;
use crate::kernel::config::Config;
use crate::kernel::context::Context;
use crate::kernel::lookup::Proof;
use crate::kernel::reason::Reason;
use crate::kernel::recipient::as_meant;
use crate::kernel::requests::Purpose;
use crate::kernel::secret::Secret;

/// The number of words that the user has to type back.
const ASKED_WORDS: usize = 3;

/// The steps of /join.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinStep {
    /// Choosing a handle.
    #[default]
    Handle,
    /// Reading the recovery phrase.
    Phrase {
        /// The 24 words.
        words: Vec<String>,
    },
    /// Typing three of the words.
    Confirm {
        /// The positions of the words, counted from 1, ascending.
        positions: Vec<u8>,
    },
    /// Choosing a passphrase, or none; then "Create account".
    Passphrase,
}

/// The availability shown below "Handle".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// No text yet.
    #[default]
    Empty,
    /// Waiting for the server's answer.
    Checking,
    /// "Available".
    Available,
    /// "Taken".
    Taken,
    /// The handle breaks a rule, or is reserved.
    Refused {
        /// The rule.
        reason: Reason,
    },
    /// The server could not be reached.
    Unknown,
}

/// The state of /join.
#[derive(Default)]
pub(crate) struct Join {
    pub(crate) step: Step,
    /// The text in "Handle".
    pub(crate) handle: String,
    pub(crate) availability: Availability,
    /// The text in "Invitation".
    pub(crate) invitation: Secret,
    pub(crate) error: Option<Reason>,
    /// Drawn when the phrase is first shown. Kept when the user goes back.
    pub(crate) seed: Option<Seed>,
    /// Whether the words were typed back.
    pub(crate) confirmed: bool,
    /// Set from "Create account" on.
    pub(crate) registering: Option<Registering>,
}

/// The steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Step {
    #[default]
    Handle,
    Phrase,
    Confirm {
        positions: Vec<u8>,
    },
    Passphrase,
}

impl Join {
    /// The text in "Handle" changed. The syntax is checked here; the server decides the rest.
    pub(crate) fn handle_typed(&mut self, text: String, cx: &mut Context<'_>) {
        if self.step != Step::Handle || self.busy() {
            return;
        }
        self.error = None;
        self.handle = text;
        let text = as_meant(&self.handle);
        self.availability = match text.parse::<Handle>() {
            _ if text.is_empty() => Availability::Empty,
            Err(rule) => Availability::Refused { reason: Reason::InvalidHandle(rule) },
            Ok(handle) if handle.is_reserved() => Availability::Refused { reason: Reason::ReservedHandle },
            Ok(handle) => {
                let purpose = Purpose::Availability(handle.clone());
                if !cx.shared.requests.awaits(&purpose) {
                    cx.get(format!("/v1/u/{handle}"), purpose);
                }
                Availability::Checking
            }
        };
    }

    /// The text in "Invitation" changed, or came from a link.
    pub(crate) fn invitation_typed(&mut self, text: Secret) {
        if self.step == Step::Handle && !self.busy() {
            self.error = None;
            self.invitation = text;
        }
    }

    /// The server has said whether a handle is taken. Only an answer for the current text counts.
    pub(crate) fn availability_answered(
        &mut self,
        asked: &Handle,
        answer: &Answer,
        server: Option<&ServerName>,
    ) {
        if self.chosen_handle().as_ref() != Some(asked) || self.availability != Availability::Checking {
            return;
        }
        self.availability = match server.map(|server| Proof::of_handle(answer, server, asked)) {
            Some(Proof::Proven(_)) => Availability::Taken,
            Some(Proof::NotFound) => Availability::Available,
            _ => Availability::Unknown,
        };
    }

    /// "Continue" with a handle. Unknown availability does not block the user here, since the server decides at
    /// registration.
    pub(crate) fn handle_chosen(&mut self, config: &Config, cx: &mut Context<'_>) {
        if self.step != Step::Handle || self.busy() {
            return;
        }
        let Some(handle) = self.chosen_handle() else {
            self.error = Some(Reason::NoHandle);
            return;
        };
        match self.availability {
            Availability::Available | Availability::Checking | Availability::Unknown => {}
            _ => return,
        }
        let invite = match self.invite(config) {
            Ok(invite) => invite,
            Err(why) => {
                self.error = Some(why);
                return;
            }
        };
        self.error = None;
        if let (Some(registering), Some(server)) = (&mut self.registering, &config.server) {
            return registering.claim(handle, server, invite, cx);
        }
        self.seed.get_or_insert_with(|| Seed::random(&mut &mut *cx.rng));
        self.step = Step::Phrase;
    }

    /// "Continue" below the phrase: asks for three of the words.
    pub(crate) fn phrase_seen(&mut self, cx: &mut Context<'_>) {
        if self.step == Step::Phrase {
            self.error = None;
            self.step = Step::Confirm { positions: draw_positions(cx.rng) };
        }
    }

    /// "Confirm phrase".
    pub(crate) fn phrase_confirmed(&mut self, typed: &[Secret]) {
        let (Step::Confirm { positions }, Some(seed)) = (&self.step, &self.seed) else { return };
        let words = recovery_phrase::words(seed);
        let matches = |(index, position): (usize, &u8)| {
            let expected = words.get(usize::from(*position).wrapping_sub(1));
            let given = typed.get(index).map(|word| recovery_phrase::as_typed(word.expose()));
            expected.is_some_and(|expected| given.is_some_and(|given| given.as_str() == *expected))
        };
        let wrong = positions.iter().enumerate().find(|pair| !matches(*pair)).map(|(_, position)| *position);
        match wrong {
            Some(position) => self.error = Some(Reason::WrongWord(position)),
            None => {
                self.error = None;
                self.confirmed = true;
                self.step = Step::Passphrase;
            }
        }
    }

    /// "Later" below the phrase: the account is created, with a reminder that the words are not safe yet.
    pub(crate) fn confirmation_put_off(&mut self) {
        if self.step == Step::Phrase {
            self.error = None;
            self.confirmed = false;
            self.step = Step::Passphrase;
        }
    }

    /// Goes back one step.
    pub(crate) fn back(&mut self) {
        if self.busy() || self.registering.is_some() {
            return;
        }
        self.error = None;
        self.step = match self.step {
            Step::Handle | Step::Phrase => Step::Handle,
            Step::Confirm { .. } => Step::Phrase,
            Step::Passphrase => Step::Phrase,
        };
    }

    /// "Create account".
    pub(crate) fn create_account(&mut self, passphrase: Secret, config: &Config, cx: &mut Context<'_>) {
        if self.step != Step::Passphrase || self.registering.is_some() {
            return;
        }
        let (Some(handle), Some(seed)) = (self.chosen_handle(), self.seed.clone()) else { return };
        let Some(server) = &config.server else {
            self.error = Some(Reason::NotConnected);
            return;
        };
        // The registration mode may have become known only after the first step. The server's refusal then leads back
        // there.
        let invite = self.invite(config).unwrap_or_default();
        self.error = None;
        let me = SecretIdentity::from_seed(seed);
        self.registering =
            Some(Registering::begin(me, handle, server, invite, passphrase, self.confirmed, cx));
    }

    /// The invitation for the registration, if the server requires one.
    fn invite(&self, config: &Config) -> Result<Option<InviteCode>, Reason> {
        match config.registration {
            Some(RegistrationMode::Invite) if self.invitation.expose().trim().is_empty() => {
                Err(Reason::InvitationNeeded)
            }
            Some(RegistrationMode::Invite) => {
                let invitation = self.invitation.expose().parse();
                invitation.map(Some).map_err(|InvalidInvite| Reason::InvalidInvitation)
            }
            _ => Ok(None),
        }
    }

    /// Whether a request is in flight.
    pub(crate) fn busy(&self) -> bool {
        self.registering.as_ref().is_some_and(Registering::busy)
    }

    /// The handle in the text box, if it is valid.
    pub(crate) fn chosen_handle(&self) -> Option<Handle> {
        as_meant(&self.handle).parse().ok().filter(|handle: &Handle| !handle.is_reserved())
    }

    /// The step, as the page shows it.
    pub(crate) fn step_view(&self) -> JoinStep {
        match (&self.step, &self.seed) {
            (Step::Phrase, Some(seed)) => JoinStep::Phrase {
                words: recovery_phrase::words(seed).into_iter().map(str::to_owned).collect(),
            },
            (Step::Confirm { positions }, _) => JoinStep::Confirm { positions: positions.clone() },
            (Step::Passphrase, _) => JoinStep::Passphrase,
            (Step::Handle | Step::Phrase, _) => JoinStep::Handle,
        }
    }
}

/// Three different positions from 1 to 24, ascending.
fn draw_positions(rng: &mut dyn CryptoRng) -> Vec<u8> {
    let mut all: Vec<u8> = (1..=24).collect();
    let mut drawn: Vec<u8> = Vec::new();
    for _ in 0..ASKED_WORDS {
        let index = rng.next_u64() % all.len() as u64;
        let position = all.swap_remove(index as usize);
        drawn.insert(drawn.partition_point(|other| *other < position), position);
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::chance::Chance;

    #[test]
    fn three_distinct_ascending_positions_cover_the_whole_phrase() {
        let mut rng = Chance::new(1);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..500 {
            let drawn = draw_positions(&mut rng);
            assert_eq!(drawn.len(), 3);
            assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]), "{drawn:?}");
            seen.extend(drawn);
        }
        assert_eq!(seen, (1..=24).collect());
    }
}
