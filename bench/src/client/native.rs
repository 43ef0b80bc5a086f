//! Verifies and decrypts a backlog natively. In the browser, the same code runs as WebAssembly at about half to a third
//! of this speed.

use std::time::{Duration, Instant};

use kez_core::envelope::{self, Envelope};
use kez_core::identity::Peer;
use kez_core::message::{Message, plaintext};
use kez_core::sigchain::Heads;

use crate::failure::Failure;
use crate::people::{chain, now, people, rng, text_message};

/// The length of a text whose padded plaintext has 1 KiB.
const TEXT_BYTES: usize = 780;

#[derive(Default)]
struct Times {
    parse: Duration,
    open: Duration,
    read: Duration,
}

/// Seals messages of 1 KiB, then times each step of opening them on one core.
pub(super) fn run(messages: u32) -> Result<(), Failure> {
    let everybody = people(0, 2)?;
    let [alice, bob] = everybody.as_slice() else { return Err(Failure::protocol("two people are needed")) };
    let to_bob = Peer::new(&alice.identity, bob.identity.public()).map_err(Failure::protocol)?;
    let from_alice = Peer::new(&bob.identity, alice.identity.public()).map_err(Failure::protocol)?;
    let mut times = Times::default();
    for n in 1..=u64::from(messages) {
        let plaintext = plaintext(&text_message(TEXT_BYTES, n)?, &chain(n), &Heads::new());
        let sealed = envelope::seal(&alice.identity, &to_bob, &plaintext, now(), &mut rng());
        let json = sealed.map_err(Failure::protocol)?.json;
        let envelope = timed(&mut times.parse, || Envelope::parse(json.as_bytes()));
        let envelope = envelope.map_err(Failure::protocol)?;
        let opened = timed(&mut times.open, || envelope.open(&bob.identity, |_| Some(&from_alice)));
        let opened = opened.map_err(Failure::protocol)?;
        timed(&mut times.read, || Message::parse(&opened.plaintext)).map_err(Failure::protocol)?;
    }
    times.print(messages);
    Ok(())
}

fn timed<T>(total: &mut Duration, step: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = step();
    *total += start.elapsed();
    result
}

impl Times {
    fn print(&self, messages: u32) {
        let total = self.parse + self.open + self.read;
        println!("{messages} messages of 1 KiB, one core:");
        for (step, time) in [
            ("parse the envelope", self.parse),
            ("verify and decrypt", self.open),
            ("read the message", self.read),
            ("together", total),
        ] {
            let each = time.as_secs_f64() * 1e6 / f64::from(messages);
            println!("{step:<20} {:>8.3} s {each:>8.1} us each", time.as_secs_f64());
        }
        println!("{:.0} messages/s", f64::from(messages) / total.as_secs_f64());
    }
}
