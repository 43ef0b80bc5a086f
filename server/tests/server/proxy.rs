//! A bad network: a TCP proxy on loopback that delays, stalls and cuts connections at random places.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How long a stalled connection carries no data before it is reset.
const STALL: Duration = Duration::from_millis(1500);
/// The longest delay of a piece, in milliseconds.
const DELAY: u64 = 40;

/// The fate of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// It works.
    None,
    /// It is reset before it carries any data.
    Refused,
    /// It is reset in the middle of the client's data.
    RequestCut,
    /// It is reset in the middle of the server's data, so the client does not know the result of its request.
    AnswerCut,
    /// From some point on, the client's data no longer arrives.
    RequestStalled,
    /// From some point on, the server's data no longer arrives.
    AnswerStalled,
    /// All data arrives late, and in pieces.
    Delayed,
}

/// How good the network is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Weather {
    /// No faults.
    Fair,
    /// Two connections in three meet a fault, and none lasts long.
    Foul,
}

/// Runs until it is dropped; its connections are reset then.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    /// The target of new connections. Existing connections are reset when it changes.
    target: watch::Sender<SocketAddr>,
    /// Whether any data passes.
    flows: watch::Sender<bool>,
    met: Mutex<BTreeMap<Fault, usize>>,
}

impl Proxy {
    /// Forwards to `target`, with the same faults in the same order for the same `seed`.
    pub(crate) async fn start(target: SocketAddr, weather: Weather, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (target, flows) = (watch::channel(target).0, watch::channel(true).0);
        let shared = Arc::new(Shared { target, flows, met: Mutex::default() });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared), weather, Chance(seed)));
        Self { address, shared, task }
    }

    /// From now on connections go to another target.
    pub(crate) fn point_at(&self, target: SocketAddr) {
        self.shared.target.send_replace(target);
    }

    /// From now on no data passes in either direction, and neither end is notified.
    pub(crate) fn stall(&self) {
        self.shared.flows.send_replace(false);
    }

    /// Lets the delayed data pass.
    pub(crate) fn resume(&self) {
        self.shared.flows.send_replace(true);
    }

    /// The number of connections per fault.
    pub(crate) fn met(&self) -> BTreeMap<Fault, usize> {
        self.shared.met.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, weather: Weather, mut chance: Chance) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                let fate = Fate::draw(weather, &mut chance);
                *shared.met.lock().unwrap().entry(fate.fault).or_default() += 1;
                connections.spawn(carry(client, fate, Arc::clone(&shared)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// The fault of one connection.
struct Fate {
    fault: Fault,
    /// After this many bytes.
    after: u64,
    chance: Chance,
}

impl Fate {
    fn draw(weather: Weather, chance: &mut Chance) -> Self {
        use Fault::{AnswerCut, AnswerStalled, Delayed, None, Refused, RequestCut, RequestStalled};
        let fault = match (weather, chance.below(12)) {
            (Weather::Fair, _) | (Weather::Foul, 0..4) => None,
            (_, 4) => Refused,
            (_, 5 | 6) => RequestCut,
            (_, 7 | 8) => AnswerCut,
            (_, 9) => RequestStalled,
            (_, 10) => AnswerStalled,
            _ => Delayed,
        };
        // Requests here have some 1,200 bytes and answers 250; a connection carries several.
        let after = match fault {
            RequestCut | RequestStalled => chance.below(8_000),
            AnswerCut | AnswerStalled => chance.below(2_000),
            _ => u64::MAX,
        };
        // In foul weather even a good connection ends after a while, so that a new fate is drawn.
        let after = if matches!(weather, Weather::Foul) { after.min(60_000) } else { after };
        Self { fault, after, chance: Chance(chance.next()) }
    }

    /// The number of bytes that one direction carries before the fault, and the fault.
    fn of(&self, direction: Direction) -> (u64, End) {
        use Fault::{AnswerCut, AnswerStalled, RequestCut, RequestStalled};
        match (self.fault, direction) {
            (RequestCut, Direction::Answer) | (AnswerCut, Direction::Request) => (u64::MAX, End::Cut),
            (RequestStalled, Direction::Request) | (AnswerStalled, Direction::Answer) => {
                (self.after, End::Stall)
            }
            (RequestStalled, Direction::Answer) | (AnswerStalled, Direction::Request) => (u64::MAX, End::Cut),
            _ => (self.after, End::Cut),
        }
    }
}

#[derive(Clone, Copy)]
enum Direction {
    Request,
    Answer,
}

#[derive(Clone, Copy)]
enum End {
    Cut,
    Stall,
}

/// Forwards both directions of a connection, until it ends by itself or is reset.
async fn carry(mut client: TcpStream, mut fate: Fate, shared: Arc<Shared>) {
    let mut target = shared.target.subscribe();
    let address = *target.borrow_and_update();
    if fate.fault != Fault::Refused
        && let Ok(mut server) = TcpStream::connect(address).await
    {
        let late = |chance: &mut Chance| (fate.fault == Fault::Delayed).then(|| Chance(chance.next()));
        let (up, down) = (fate.of(Direction::Request), fate.of(Direction::Answer));
        let (late_up, late_down) = (late(&mut fate.chance), late(&mut fate.chance));
        let (client_says, client_hears) = client.split();
        let (server_says, server_hears) = server.split();
        let both = async {
            tokio::try_join!(
                pump(client_says, server_hears, up, late_up, &shared),
                pump(server_says, client_hears, down, late_down, &shared),
            )
        };
        let whole = tokio::select! {
            both = both => both.is_ok(),
            _ = target.changed() => false,
        };
        if whole {
            return;
        }
        let _ = server.set_zero_linger();
    }
    let _ = client.set_zero_linger();
}

/// Forwards one direction. Fails when the connection must be reset.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    (mut left, end): (u64, End),
    mut late: Option<Chance>,
    shared: &Shared,
) -> std::io::Result<()> {
    let (mut flows, mut buffer) = (shared.flows.subscribe(), vec![0; 16 * 1024]);
    loop {
        let size = late.as_mut().map_or(buffer.len(), |chance| 1 + chance.below(400) as usize);
        let read = from.read(&mut buffer[..size]).await?;
        // The sender lives as long as the proxy.
        let _ = flows.wait_for(|flows| *flows).await;
        if read == 0 {
            return to.shutdown().await;
        }
        if let Some(chance) = &mut late {
            tokio::time::sleep(Duration::from_millis(chance.below(DELAY))).await;
        }
        let passes = left.min(read as u64);
        to.write_all(&buffer[..passes as usize]).await?;
        left -= passes;
        if left == 0 {
            if matches!(end, End::Stall) {
                tokio::time::sleep(STALL).await;
            }
            return Err(std::io::ErrorKind::ConnectionReset.into());
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): every seed works.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A new seed each time, unless `KEZ_NETWORK_SEED` sets one. It is printed, so that a run can be repeated.
    #[allow(clippy::print_stdout, reason = "shown where a test fails")]
    pub(crate) fn seed() -> u64 {
        let given = std::env::var("KEZ_NETWORK_SEED").ok();
        let seed = given.map_or_else(|| getrandom::u64().unwrap(), |seed| seed.parse().unwrap());
        println!("KEZ_NETWORK_SEED={seed}");
        seed
    }
}
