//! Key packages: the store on both databases, and the routes.

use std::collections::HashSet;

use futures::future::join_all;
use kez_chat_server::store::key_packages::{
    Claimed, MOST_PACKAGES, NewPackage, Publication, Published, Unclaimed,
};
use kez_chat_server::store::{AccountId, Store};
use kez_core::sigchain::{DeviceId, Hash};
use kez_core::time::Timestamp;

use crate::postgres::cluster::Cluster;
use crate::postgres::open::url;
use crate::store::account;
use crate::support::{NOW, Person};

const NOW_TIME: Timestamp = Timestamp::from_unix(NOW);
const WEEK: Timestamp = Timestamp::from_unix(NOW + 7 * 24 * 60 * 60);

fn device(id: u8) -> DeviceId {
    DeviceId::from_bytes([id; 16])
}

fn reference(name: &str) -> Hash {
    Hash::of(name.as_bytes())
}

fn package(name: &str, expires_at: Timestamp) -> NewPackage {
    NewPackage { reference: reference(name), expires_at, package: name.into() }
}

/// Publishes packages with these names; `keep` stay.
async fn publish(
    store: &Store,
    (account, device): (AccountId, DeviceId),
    keep: &[&str],
    names: &[&str],
    last_resort: Option<&str>,
) -> Published {
    let publication = Publication {
        account,
        device,
        keep: keep.iter().copied().map(reference).collect(),
        packages: names.iter().map(|name| package(name, WEEK)).collect(),
        last_resort: last_resort.map(|name| package(name, WEEK)),
    };
    store.publish_packages(publication).await.unwrap()
}

async fn claim(store: &Store, devices: &[(AccountId, DeviceId)]) -> Vec<(DeviceId, bool, String)> {
    let claimed = store.claim_packages(devices.to_vec(), NOW_TIME).await.unwrap();
    let text = |package| String::from_utf8(package).unwrap();
    claimed
        .into_iter()
        .map(|Claimed { device, last_resort, package, .. }| (device, last_resort, text(package)))
        .collect()
}

async fn story(store: Store) {
    let [alice, bob] = ["alice", "bob"].map(Person::new);
    let (alice, bob) = (account(&store, &alice).await.id, account(&store, &bob).await.id);
    let (one, two, of_bob) = ((alice, device(1)), (alice, device(2)), (bob, device(1)));
    let unclaimed = async |(account, device)| store.unclaimed_packages(account, device).await.unwrap();
    let refs = |names: &[&str]| names.iter().copied().map(reference).collect::<Vec<_>>();
    assert_eq!(unclaimed(one).await, Unclaimed::default());
    assert!(claim(&store, &[one, of_bob]).await.is_empty());

    // What is neither kept nor new goes; the devices of an account are apart.
    assert_eq!(publish(&store, one, &[], &["a", "b", "c"], Some("last")).await, Published::Unclaimed(3));
    assert_eq!(publish(&store, two, &["a"], &["d"], None).await, Published::Unclaimed(1));
    assert_eq!(
        publish(&store, one, &["b", "c", "last", "x"], &["c", "e"], None).await,
        Published::Unclaimed(3)
    );
    let expected = Unclaimed { packages: refs(&["b", "c", "e"]), last_resort: Some(reference("last")) };
    assert_eq!(unclaimed(one).await, expected);
    assert_eq!(unclaimed(two).await, Unclaimed { packages: refs(&["d"]), last_resort: None });

    // The oldest first, each once, then the last resort again and again.
    let taken = claim(&store, &[one, two, of_bob]).await;
    assert_eq!(taken, [(device(1), false, "b".to_owned()), (device(2), false, "d".to_owned())]);
    assert_eq!(claim(&store, &[one, two]).await, [(device(1), false, "c".to_owned())]);
    assert_eq!(claim(&store, &[one]).await, [(device(1), false, "e".to_owned())]);
    for _ in 0..2 {
        assert_eq!(claim(&store, &[one]).await, [(device(1), true, "last".to_owned())]);
    }
    // A repeated upload brings nothing back.
    assert_eq!(publish(&store, one, &[], &["b", "f"], Some("last")).await, Published::Unclaimed(1));
    assert_eq!(unclaimed(one).await.packages, refs(&["f"]));
    // A new last resort takes the place of the old one, and one that is not kept goes.
    publish(&store, one, &["f", "last"], &[], Some("other")).await;
    assert_eq!(unclaimed(one).await.last_resort, Some(reference("other")));
    publish(&store, one, &["f"], &[], None).await;
    assert_eq!(unclaimed(one).await, Unclaimed { packages: refs(&["f"]), last_resort: None });

    // A device has at most sixty, whatever it keeps.
    let names: Vec<String> = (0..MOST_PACKAGES).map(|n| format!("many {n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(publish(&store, one, &["f"], &names, Some("no")).await, Published::TooMany);
    assert_eq!(unclaimed(one).await, Unclaimed { packages: refs(&["f"]), last_resort: None }, "as before");
    assert_eq!(publish(&store, one, &[], &names, None).await, Published::Unclaimed(60));

    // A package that ends within the hour is not given out, and an expired one is swept.
    let soon = Timestamp::from_unix(NOW + 3600);
    let publication = Publication {
        account: bob,
        device: device(1),
        keep: HashSet::new(),
        packages: vec![package("soon", soon), package("later", Timestamp::from_unix(NOW + 3601))],
        last_resort: Some(package("soon too", soon)),
    };
    store.publish_packages(publication).await.unwrap();
    assert_eq!(claim(&store, &[of_bob]).await, [(device(1), false, "later".to_owned())]);
    assert!(claim(&store, &[of_bob]).await.is_empty());
    assert_eq!(store.sweep_packages(Timestamp::from_unix(NOW + 3599)).await.unwrap(), 0);
    assert_eq!(store.sweep_packages(soon).await.unwrap(), 2);
    assert_eq!(store.packages_of(bob).await.unwrap(), []);
    assert_eq!(store.packages_of(alice).await.unwrap().len(), 60);

    // An account takes its packages with it.
    assert!(store.delete_account(alice, NOW_TIME).await.unwrap());
    assert_eq!(store.packages_of(alice).await.unwrap(), []);
    assert!(claim(&store, &[one]).await.is_empty());
    store.close().await;
}

#[tokio::test]
async fn the_story_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    story(Store::sqlite(&directory.path().join("kez-chat.db")).await.unwrap()).await;
}

#[tokio::test]
async fn the_story_on_postgres() {
    let database = url(&Cluster::shared().await.database().await);
    story(Store::postgres(&database, 8).await.unwrap()).await;
}

/// Ten thousand claims by sixteen claimers at once, while the device fills up its packages.
async fn claim_race(store: Store) {
    const CLAIMS: usize = 10_000;
    const CLAIMERS: usize = 16;
    let alice = account(&store, &Person::new("alice")).await.id;
    let (at, filled) = ((alice, device(1)), std::sync::atomic::AtomicBool::new(false));
    let fill = async {
        let mut next = 0;
        while next < CLAIMS {
            let stored = store.unclaimed_packages(alice, device(1)).await.unwrap().packages;
            let room = (MOST_PACKAGES - stored.len()).min(CLAIMS - next);
            let packages = (next..next + room).map(|n| package(&n.to_string(), WEEK)).collect();
            let keep = stored.into_iter().collect();
            let publication =
                Publication { account: alice, device: device(1), keep, packages, last_resort: None };
            assert!(matches!(store.publish_packages(publication).await.unwrap(), Published::Unclaimed(_)));
            next += room;
        }
        filled.store(true, std::sync::atomic::Ordering::SeqCst);
    };
    let claimer = async || {
        let mut got = Vec::new();
        loop {
            let is_last = filled.load(std::sync::atomic::Ordering::SeqCst);
            let claimed = claim(&store, &[at]).await;
            if claimed.is_empty() && is_last {
                return got;
            }
            got.extend(claimed.into_iter().map(|(_, _, name)| name));
        }
    };
    let ((), claimed) = tokio::join!(fill, join_all((0..CLAIMERS).map(|_| claimer())));
    let all: Vec<String> = claimed.into_iter().flatten().collect();
    let different: HashSet<&String> = all.iter().collect();
    assert_eq!((all.len(), different.len()), (CLAIMS, CLAIMS), "each once");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_package_is_given_out_twice_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    claim_race(Store::sqlite(&directory.path().join("kez-chat.db")).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_package_is_given_out_twice_on_postgres() {
    let database = url(&Cluster::shared().await.database().await);
    claim_race(Store::postgres(&database, 16).await.unwrap()).await;
}
