//! Answers of the server, and what they mean for the request.

use kez_core::problem::Problem;
use serde::de::DeserializeOwned;

use crate::kernel::event::{HttpResponse, NetworkFault};
use crate::kernel::reason::Reason;

/// An answer, or the lack of one.
pub(crate) type Answer = Result<HttpResponse, NetworkFault>;

/// The outcome of a request that changes something on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome<T> {
    /// Done: the server sent the answer that the protocol specifies.
    Done(T),
    /// The server refuses it with a reason, and would refuse a retry.
    Refused(Problem),
    /// Unknown: no answer, a busy server, or an answer from elsewhere, such as a proxy's error page.
    Unknown,
}

/// Classifies an answer. `done` parses the body that the protocol specifies, or returns `None` for any other.
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

/// The answer of a successful request without content.
pub(crate) fn no_content(response: &HttpResponse) -> Option<()> {
    (response.status == 204).then_some(())
}

/// Parses the body of an answer with one of these statuses.
pub(crate) fn body<T: DeserializeOwned>(response: &HttpResponse, statuses: &[u16]) -> Option<T> {
    if statuses.contains(&response.status) { serde_json::from_slice(&response.body).ok() } else { None }
}

/// Whether a retry may succeed: no answer, a busy server, a rate limit.
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

/// The reason for a refusal.
pub(crate) fn refusal(response: &HttpResponse) -> Reason {
    match problem(response) {
        Some(problem) => Reason::server(&problem.detail),
        None => Reason::Status(response.status),
    }
}

/// The problem details of an answer, if any.
pub(crate) fn problem(response: &HttpResponse) -> Option<Problem> {
    serde_json::from_slice(&response.body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
