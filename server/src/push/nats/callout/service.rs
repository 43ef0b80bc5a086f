//! The callout as a NATS service: requests arrive on a subject that only brokers may publish to.

use std::sync::Arc;

use async_nats::{Client, Message, Subscriber};
use futures::StreamExt;

use super::Callout;
use crate::config::nats::NatsUrl;
use crate::push::nats::credentials::Credentials;
use crate::push::nats::{NatsError, connect};

/// The subject of the brokers' requests.
const SUBJECT: &str = "$SYS.REQ.USER.AUTH";
/// All nodes of a server share the work.
const QUEUE_GROUP: &str = "kez-chat";
/// The number of requests that one node handles at once.
const AT_ONCE: usize = 64;

/// The service, subscribed but not answering yet.
pub struct Service {
    client: Client,
    questions: Subscriber,
}

impl Service {
    /// Starts to connect and subscribes to the requests.
    ///
    /// # Errors
    /// When the credentials or addresses are invalid.
    pub async fn start(urls: &[NatsUrl], credentials: Option<Credentials>) -> Result<Self, NatsError> {
        let client = connect(urls, credentials, "kez-chat-server auth callout").await?;
        let questions = client.queue_subscribe(SUBJECT, QUEUE_GROUP.to_owned()).await?;
        Ok(Self { client, questions })
    }

    /// Answers requests until the task is aborted.
    pub async fn serve(self, callout: Arc<Callout>) {
        let Self { client, questions } = self;
        questions.for_each_concurrent(AT_ONCE, |question| answer(&client, &callout, question)).await;
    }
}

async fn answer(client: &Client, callout: &Callout, question: Message) {
    let (Some(reply), Ok(request)) = (question.reply, std::str::from_utf8(&question.payload)) else { return };
    match callout.answer(request).await {
        // A broker that gets no answer refuses the client.
        Ok(answer) => drop(client.publish(reply, answer.into()).await),
        Err(error) => tracing::warn!(%error, "a NATS request was not answered"),
    }
}
