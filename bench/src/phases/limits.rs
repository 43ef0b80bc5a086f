//! Limits: stores messages on the server and on the bare handlers in turn, so that changes in the machine's speed
//! affect all of them alike.

use std::sync::Arc;

use crate::failure::Failure;
use crate::people::Sealed;
use crate::phases::store::{Stored, Way};
use crate::target::{Kind, Place, Target};

/// The number of rounds for each target.
pub(crate) const ROUNDS: usize = 8;

/// The targets of a run, side by side.
pub(crate) struct Limits {
    /// The server.
    pub(crate) server: Arc<Target>,
    /// The bare group-commit writer.
    pub(crate) writer: Arc<Target>,
    /// The bare echo.
    pub(crate) echo: Arc<Target>,
}

/// The same load on each target.
#[derive(Default)]
pub(crate) struct SideBySide {
    /// On the server.
    pub(crate) server: Stored,
    /// On the server, on live streams.
    pub(crate) stream: Stored,
    /// On the bare writer.
    pub(crate) writer: Stored,
    /// On the bare echo.
    pub(crate) echo: Stored,
}

impl Limits {
    /// Starts all three, each with a new database.
    pub(crate) async fn start(place: &Place) -> Result<Self, Failure> {
        Ok(Self {
            server: Target::server(place).await?.into(),
            writer: Target::yardstick(Kind::Writer, &place.directory).await?.into(),
            echo: Target::yardstick(Kind::Echo, &place.directory).await?.into(),
        })
    }

    /// Each sender posts `warm_up` messages that are not counted, then its others in equal rounds. In the same rounds,
    /// the server gets as many messages in another way.
    pub(crate) async fn store(
        &self,
        messages: &Arc<Vec<Vec<Sealed>>>,
        warm_up: usize,
        each: usize,
        streamed: Option<(&Way, &Arc<Vec<Vec<Sealed>>>)>,
    ) -> Result<SideBySide, Failure> {
        for target in [&self.writer, &self.server, &self.echo] {
            Stored::default().round(target, &Way::Post, messages, 0, warm_up).await?;
        }
        let mut all = SideBySide::default();
        for round in 0..ROUNDS {
            let first = warm_up + round * each / ROUNDS;
            let count = warm_up + (round + 1) * each / ROUNDS - first;
            all.writer.round(&self.writer, &Way::Post, messages, first, count).await?;
            all.server.round(&self.server, &Way::Post, messages, first, count).await?;
            if let Some((way, messages)) = streamed {
                all.stream.round(&self.server, way, messages, first, count).await?;
            }
            all.echo.round(&self.echo, &Way::Post, messages, first, count).await?;
        }
        Ok(all)
    }
}
