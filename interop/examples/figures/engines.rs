//! Our engine and openmls in groups of one size, each in a group of its own kind only.
//!
//! Only the creator commits. So the tree has no other keys than the creator's above its leaves, and each commit is
//! encrypted to every leaf: the most that a commit costs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use kez_core::mls::call::Certified;
use kez_mls_interop::{Device, Member, Ours, Theirs, certified, policy};

use crate::TEXT_BYTES;
use crate::table::{head, median, row, timed};

/// How often the engines take turns, so that changes in the machine's speed affect both alike.
const ROUNDS: usize = 5;
/// How often a group is created in each round, and joined by a Welcome.
const CREATIONS: usize = 3;
/// How often each other step is made in each round.
const TURNS: usize = 11;
/// How long a round of one engine may take. What it has not reached by then is left out.
const LIMIT: Duration = Duration::from_secs(180);

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Create,
    Join,
    Add,
    Remove,
    Own,
    Process,
    Seal,
    Open,
    State,
    Message,
    Commit,
    Welcome,
}

const STEPS: [(Step, &str); 12] = [
    (Step::Create, "create and add all, ms"),
    (Step::Join, "join by the Welcome, ms"),
    (Step::Add, "add one: its author, ms"),
    (Step::Remove, "remove one: its author, ms"),
    (Step::Own, "  of this, to apply it, ms"),
    (Step::Process, "update: each reader, ms"),
    (Step::Seal, "seal 1 KiB, ms"),
    (Step::Open, "open 1 KiB, ms"),
    (Step::State, "state of a member, bytes"),
    (Step::Message, "message of 1 KiB, bytes"),
    (Step::Commit, "update, bytes"),
    (Step::Welcome, "Welcome for one, bytes"),
];

type Found = BTreeMap<Step, Vec<f64>>;

/// Measures both engines and prints the medians.
pub(crate) fn run(leaves: u16) {
    let known: Arc<[Certified]> = certified(leaves + 1).into();
    let mut engines = [(Found::new(), true), (Found::new(), true)];
    for _ in 0..ROUNDS {
        let [ours, theirs] = &mut engines;
        let known = Arc::clone(&known);
        within_limit(ours, move |out| measure(leaves, |number| Ours::new(Device::new(number), &known), out));
        within_limit(theirs, move |out| measure(leaves, |number| Theirs::new(&Device::new(number)), out));
    }
    println!();
    head(&format!("{leaves} leaves"), ["kez-mls", "openmls"]);
    for (step, name) in STEPS {
        row(name, engines.each_ref().map(|(found, _)| found.get(&step).cloned().and_then(median)));
    }
    for ((_, complete), engine) in engines.into_iter().zip(["kez-mls", "openmls"]) {
        if !complete {
            println!("{engine}: the rest was left out after {} s", LIMIT.as_secs());
        }
    }
}

/// Runs measurements on a thread and adds what they find within the limit, and whether that is all. Does nothing if an
/// earlier round was not complete.
fn within_limit(
    (found, complete): &mut (Found, bool),
    measure: impl FnOnce(&Sender<(Step, f64)>) + Send + 'static,
) {
    if !*complete {
        return;
    }
    let (out, values) = mpsc::channel();
    let (thread, start) = (thread::spawn(move || measure(&out)), Instant::now());
    loop {
        match values.recv_timeout(LIMIT.saturating_sub(start.elapsed())) {
            Ok((step, value)) => found.entry(step).or_default().push(value),
            Err(RecvTimeoutError::Timeout) => {
                // An operation cannot be interrupted. Its thread ends with the program.
                *complete = false;
                return;
            }
            Err(RecvTimeoutError::Disconnected) => return thread.join().unwrap(),
        }
    }
}

fn measure<M: Member>(leaves: u16, new: impl Fn(u16) -> M, out: &Sender<(Step, f64)>) {
    let note = |step, value| {
        // Nothing reads the values once the limit has passed.
        let _ = out.send((step, value));
    };
    let policy = policy(leaves + 1);
    let (mut author, mut reader) = (new(0), new(1));
    for _ in 0..CREATIONS {
        (author, reader) = (new(0), new(1));
        let mut packages = vec![reader.package()];
        packages.extend((2..leaves).map(|number| new(number).package()));
        let (commit, time) = timed(|| {
            author.create(&policy);
            let commit = author.commit(&packages, None);
            author.apply(&commit.mls, true);
            commit
        });
        note(Step::Create, time);
        let (welcome, (_, tree)) = (commit.welcome.expect("a Welcome"), author.export());
        note(Step::Join, timed(|| reader.join(&welcome, &tree)).1);
        assert_eq!(author.agreed(), reader.agreed());
    }
    let newcomer = Device::new(leaves);
    for turn in 0..TURNS {
        let package = [new(leaves).package()];
        // Returns the commit, and the times to make it, to apply it, and to apply it as another member.
        let mut commit = |author: &mut M, add: &[Vec<u8>], remove| {
            let (commit, made) = timed(|| author.commit(add, remove));
            let own = timed(|| author.apply(&commit.mls, true)).1;
            let others = timed(|| reader.apply(&commit.mls, false)).1;
            (commit, made, own, others)
        };
        let (added, made, own, _) = commit(&mut author, &package, None);
        note(Step::Add, made + own);
        note(Step::Welcome, added.welcome.expect("a Welcome").len() as f64);
        let (_, made, own, _) = commit(&mut author, &[], Some(&newcomer));
        note(Step::Remove, made + own);
        note(Step::Own, own);
        let (update, _, _, others) = commit(&mut author, &[], None);
        note(Step::Process, others);
        note(Step::Commit, update.mls.len() as f64);
        let text = vec![turn as u8; TEXT_BYTES];
        let (sealed, time) = timed(|| author.seal(&text));
        note(Step::Seal, time);
        note(Step::Message, sealed.len() as f64);
        let (opened, time) = timed(|| reader.open(&sealed));
        note(Step::Open, time);
        assert_eq!(opened, text);
        assert_eq!(author.agreed(), reader.agreed());
        note(Step::State, author.stored() as f64);
    }
}
