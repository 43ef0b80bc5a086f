//! The requests whose answers are awaited, and what each is for.

use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::problem::Problem;
use serde::de::DeserializeOwned;

use crate::contacts::ContactId;
use crate::effect::RequestId;
use crate::event::{HttpResponse, NetworkFault, TabId};
use crate::lookup::Found;
use crate::people::News;
use crate::queue::Key;
use crate::sorted_map::SortedMap;

/// An answer of the server's that took longer than this, in milliseconds, says little about what time it is there.
const PROMPT: u64 = 10_000;

/// An answer, or none.
pub(crate) type Answer = Result<HttpResponse, NetworkFault>;

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// What the server says of itself.
    Config,
    /// Whether a handle can be had.
    Availability(Handle),
    /// The claim of a handle.
    Register,
    /// Whether the server already knows one's own key.
    OwnAccount,
    /// The account behind a recovery phrase.
    Restore,
    /// The key behind a handle.
    Handle(Handle),
    /// The handle behind the key of a sender.
    Sender(Primary),
    /// What one's own registration is.
    OwnRecord,
    /// What one's own chain is.
    OwnChain,
    /// A link of one's own chain on its way.
    AppendLink,
    /// The claim of one's handle by the key that takes over.
    RegisterChangedKey,
    /// Whether the server already knows the key that takes over.
    ChangedRecord,
    /// The former key on its way to one's own inbox.
    KeepFormerKey,
    /// The chain of a contact.
    Chain(ContactId),
    /// The chain that proves that a sender's key was replaced.
    FormerKey {
        /// The sender's key.
        key: Primary,
        /// The chain.
        root: Primary,
        /// Who is said to have had it.
        found: Box<Found>,
    },
    /// A message on its way.
    Send(Key),
    /// Whom this account has blocked.
    Blocks,
    /// Something that the server has to know about a contact.
    Tell(ContactId, News),
    /// A block is lifted of whom there is no contact here.
    Unblock(Handle),
    /// A page of the inbox.
    Page,
    /// What the inbox holds and may hold.
    Status,
    /// Up to which position everything is stored here.
    Acknowledge,
    /// How long the server keeps what is stored here.
    Keep {
        /// For how many days; none for ever.
        days: Option<u16>,
    },
    /// The message requests of a key are thrown away on the server.
    DiscardRequests(Primary),
    /// Whom this account has accepted.
    Accepted,
    /// The binding of this browser's nkey.
    Binding {
        /// Until when, in Unix seconds.
        until: u64,
    },
    /// A report to the operator, from this tab.
    Report(TabId),
    /// Everything that the server stores, for the tab that asked.
    Export(TabId),
    /// The end of the account.
    DeleteAccount,
    /// Whether the account has ended already.
    DeletionCheck,
}

impl Purpose {
    /// One step at a time is made with one's own chain.
    pub(crate) const fn is_about_own_chain(&self) -> bool {
        matches!(
            self,
            Self::OwnRecord
                | Self::OwnChain
                | Self::AppendLink
                | Self::RegisterChangedKey
                | Self::ChangedRecord
                | Self::KeepFormerKey
        )
    }
}

/// The table of open requests. An id is never used twice, so a late or doubled answer finds nothing.
#[derive(Default)]
pub(crate) struct Requests {
    last: u64,
    /// With the time at which each was made.
    open: SortedMap<RequestId, (Purpose, u64)>,
}

impl Requests {
    pub(crate) fn open(&mut self, purpose: Purpose, now: u64) -> RequestId {
        self.last += 1;
        let id = RequestId(self.last);
        self.open.insert(id, (purpose, now));
        id
    }

    /// Takes the request that is answered, if it is still awaited.
    pub(crate) fn close(&mut self, id: RequestId) -> Option<Purpose> {
        self.open.remove(&id).map(|(purpose, _)| purpose)
    }

    /// Whether a request that is answered now was made a moment ago.
    pub(crate) fn is_prompt(&self, id: RequestId, now: u64) -> bool {
        self.open.get(&id).is_some_and(|(_, made)| now.saturating_sub(*made) <= PROMPT)
    }

    /// Whether an answer for this purpose is awaited.
    pub(crate) fn awaits(&self, purpose: &Purpose) -> bool {
        self.any(|other| other == purpose)
    }

    /// Whether an answer for such a purpose is awaited.
    pub(crate) fn any(&self, of: impl Fn(&Purpose) -> bool) -> bool {
        self.open.values().any(|(purpose, _)| of(purpose))
    }

    /// Stops waiting for answers of which `unwanted` holds.
    pub(crate) fn forget(&mut self, unwanted: impl Fn(&Purpose) -> bool) {
        self.open.retain(|_, (purpose, _)| !unwanted(purpose));
    }
}

/// What the answer to a request is worth that changes something on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome<T> {
    /// It was done: the answer is the one that the protocol names.
    Done(T),
    /// The server refuses it, says why, and would refuse it again.
    Refused(Problem),
    /// Nothing is known: no answer, a busy server, or an answer that is not the server's, a proxy's page say.
    Unknown,
}

/// What the answer is worth; `done` reads the body that the protocol names, or says that it is another one.
pub(crate) fn outcome<T>(answer: &Answer, done: impl FnOnce(&HttpResponse) -> Option<T>) -> Outcome<T> {
    let Ok(response) = answer else { return Outcome::Unknown };
    if let Some(done) = done(response) {
        return Outcome::Done(done);
    }
    match problem(response) {
        Some(problem) if problem.status == response.status && !may_succeed_later(answer) => {
            Outcome::Refused(problem)
        }
        _ => Outcome::Unknown,
    }
}

/// The answer of a server that has done something and has nothing to say about it.
pub(crate) fn no_content(response: &HttpResponse) -> Option<()> {
    (response.status == 204).then_some(())
}

/// The body of an answer with one of these statuses, where it is what it has to be.
pub(crate) fn body<T: DeserializeOwned>(response: &HttpResponse, statuses: &[u16]) -> Option<T> {
    if statuses.contains(&response.status) { serde_json::from_slice(&response.body).ok() } else { None }
}

/// Whether the same request may succeed later: no answer, a busy server, a rate limit.
pub(crate) fn may_succeed_later(answer: &Answer) -> bool {
    match answer {
        Err(NetworkFault) => true,
        Ok(response) => matches!(response.status, 408 | 425 | 429 | 500..),
    }
}

/// The server's `Retry-After`, in seconds.
pub(crate) fn retry_after(answer: &Answer) -> Option<u64> {
    answer.as_ref().ok().and_then(|response| response.retry_after)
}

/// Why a request was refused, as one sentence.
pub(crate) fn refusal(response: &HttpResponse) -> String {
    match problem(response) {
        Some(problem) => sentence(&problem.detail),
        None => format!("The server refused it (status {}).", response.status),
    }
}

/// The problem details of an answer, where it has some.
pub(crate) fn problem(response: &HttpResponse) -> Option<Problem> {
    serde_json::from_slice(&response.body).ok()
}

/// Begins with a capital and ends with a full stop. Cut after 300 characters: a server's text is not to be trusted with
/// the whole screen.
pub(crate) fn sentence(text: &str) -> String {
    let mut sentence: String = text.trim().chars().take(300).collect();
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
    fn a_request_is_answered_once() {
        let mut requests = Requests::default();
        let id = requests.open(Purpose::Register, 0);
        assert!(requests.awaits(&Purpose::Register));
        assert_eq!(requests.close(id), Some(Purpose::Register));
        assert_eq!(requests.close(id), None);
        assert_ne!(requests.open(Purpose::Register, 0), id);
    }

    #[test]
    fn an_answer_counts_only_when_it_is_the_servers() {
        use kez_core::problem::ProblemCode;
        let answer = |status, body: &str| {
            Ok(HttpResponse { status, retry_after: None, date: None, body: body.as_bytes().to_vec() })
        };
        let problem = |code: ProblemCode| {
            let problem = Problem::new(code, "no");
            (answer(code.status(), &serde_json::to_string(&problem).unwrap()), problem)
        };
        let done = |answer: &Answer| outcome(answer, |response| body::<Vec<u8>>(response, &[200, 201]));
        assert_eq!(done(&answer(201, "[1]")), Outcome::Done(vec![1]));
        for (status, body) in
            [(200, "<html>"), (200, ""), (204, "[1]"), (302, ""), (403, "<html>"), (404, "{}")]
        {
            assert_eq!(done(&answer(status, body)), Outcome::Unknown, "{status} {body}");
        }
        assert_eq!(done(&Err(NetworkFault)), Outcome::Unknown);
        assert_eq!(done(&problem(ProblemCode::Unavailable).0), Outcome::Unknown);
        let (refusal, said) = problem(ProblemCode::UnknownHandle);
        assert_eq!(done(&refusal), Outcome::Refused(said));
        let (refusal, _) = problem(ProblemCode::UnknownHandle);
        let elsewhere = refusal.map(|response| HttpResponse { status: 400, ..response });
        assert_eq!(done(&elsewhere), Outcome::Unknown, "the problem is about another status");
    }

    #[test]
    fn a_refusal_is_a_sentence_whatever_the_server_says() {
        let response = |body: &str| HttpResponse {
            status: 404,
            retry_after: None,
            date: None,
            body: body.as_bytes().to_vec(),
        };
        let problem = Problem::new(kez_core::problem::ProblemCode::UnknownHandle, "nobody holds this handle");
        let body = serde_json::to_string(&problem).unwrap();
        assert_eq!(refusal(&response(&body)), "Nobody holds this handle.");
        assert_eq!(refusal(&response("<html>")), "The server refused it (status 404).");
        assert_eq!(sentence(&"é".repeat(1000)).chars().count(), 301);
    }
}
