//! A message of 1 KiB in a version 1 envelope, and the same in a group: from the plaintext to the JSON that is sent, and
//! back.

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use kez_core::envelope::{Envelope, seal};
use kez_core::group_item::{Body, GroupItem};
use kez_core::identity::{Peer, SecretIdentity, Seed};
use kez_mls_interop::{Device, GID, Member, Ours, certified, now, policy};

use crate::table::{head, median, row, timed};
use crate::{SIZES, TEXT_BYTES};

/// How often each message is sealed and opened.
const TURNS: usize = 200;
/// How many messages a client opens in one call when it catches up: the most.
const AT_ONCE: usize = kez_core::mls::call::MAX_ITEMS;

/// The medians for one message.
struct Costs {
    seal_ms: f64,
    open_ms: f64,
    json_bytes: usize,
}

/// Measures both and prints them.
pub(crate) fn run() {
    let envelope = envelope();
    for leaves in SIZES {
        let (group, at_once) = group(leaves);
        head(&format!("1 KiB, in a group of {leaves} leaves"), ["v1", "group"]);
        row("seal, ms", [Some(envelope.seal_ms), Some(group.seal_ms)]);
        row("open, ms", [Some(envelope.open_ms), Some(group.open_ms)]);
        row(&format!("open, {AT_ONCE} in a call, ms each"), [Some(envelope.open_ms), Some(at_once)]);
        row("JSON, bytes", [envelope.json_bytes as f64, group.json_bytes as f64].map(Some));
        println!();
    }
}

fn envelope() -> Costs {
    let [alice, bob] = [1, 2].map(|byte| SecretIdentity::from_seed(Seed::from_bytes([byte; 32])));
    let to_bob = Peer::new(&alice, bob.public()).unwrap();
    let from_alice = Peer::new(&bob, alice.public()).unwrap();
    measure(
        |text| seal(&alice, &to_bob, text, now(), &mut UnwrapErr(SysRng)).unwrap().json.into_bytes(),
        |json| {
            let envelope = Envelope::parse(&json).unwrap();
            envelope.open(&bob, |_| Some(&from_alice)).unwrap().plaintext.to_vec()
        },
    )
}

/// Also the time of each message, in milliseconds, when many are opened in one call.
fn group(leaves: u16) -> (Costs, f64) {
    let known = certified(leaves).into();
    let new = |number| Ours::new(Device::new(number), &known);
    let (mut author, mut reader) = (new(0), new(1));
    let mut packages = vec![reader.package()];
    packages.extend((2..leaves).map(|number| new(number).package()));
    author.create(&policy(leaves));
    let commit = author.commit(&packages, None);
    author.apply(&commit.mls, true);
    let (_, tree) = author.export();
    reader.join(&commit.welcome.expect("a Welcome"), &tree);
    let (epoch, _) = author.agreed();
    let costs =
        measure(|text| GroupItem::message(GID, epoch, &author.seal(text)), |json| reader.open(&mls(json)));
    let each = (0..5).map(|_| {
        let items: Vec<_> = (0..AT_ONCE)
            .map(|n| GroupItem::message(GID, epoch, &author.seal(&[n as u8; TEXT_BYTES])))
            .collect();
        let open = || reader.open_all(&items.into_iter().map(mls).collect::<Vec<_>>());
        let (opened, time) = timed(open);
        assert_eq!(opened.len(), AT_ONCE);
        time / AT_ONCE as f64
    });
    (costs, median(each.collect()).unwrap_or_default())
}

fn mls(json: Vec<u8>) -> Vec<u8> {
    match GroupItem::parse(json).unwrap().body() {
        Body::Message(post) => post.mls.clone(),
        other => panic!("{other:?}"),
    }
}

fn measure(mut seal: impl FnMut(&[u8]) -> Vec<u8>, mut open: impl FnMut(Vec<u8>) -> Vec<u8>) -> Costs {
    let (mut seals, mut opens, mut json_bytes) = (Vec::new(), Vec::new(), 0);
    for turn in 0..TURNS {
        let text = vec![turn as u8; TEXT_BYTES];
        let (json, time) = timed(|| seal(&text));
        seals.push(time);
        json_bytes = json.len();
        let (opened, time) = timed(|| open(json));
        opens.push(time);
        assert_eq!(opened, text);
    }
    let [seal_ms, open_ms] = [seals, opens].map(|times| median(times).unwrap_or_default());
    Costs { seal_ms, open_ms, json_bytes }
}
