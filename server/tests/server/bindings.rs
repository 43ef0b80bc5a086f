//! The part of the stores' story about nkeys.

use kez_chat_server::store::{AccountId, BindOutcome, Binding, Bound, MAX_EVER, MAX_LIVE, NewBinding, Store};
use kez_core::identity::Primary;
use kez_core::nkey::PublicNkey;
use kez_core::time::Timestamp;

use crate::support::{NOW, nkey};

const NOW_TIME: Timestamp = Timestamp::from_unix(NOW);

/// Alice and Bob have accounts and no nkeys yet. Returns an nkey that Alice removed.
pub(crate) async fn story(store: &Store, alice: (AccountId, Primary), bob: AccountId) -> PublicNkey {
    let bind = async |account, nkey, expires: u64| {
        let expires_at = Timestamp::from_unix(expires);
        let (primary, binding) = (alice.1, "{}".to_owned());
        let binding = NewBinding { account, primary, nkey, binding, expires_at, now: NOW_TIME };
        store.bind_nkey(binding).await.unwrap()
    };
    let bound = |expires| Some(Bound { primary: alice.1, expires_at: Timestamp::from_unix(expires) });
    let (first, second) = (nkey().public(), nkey().public());
    assert_eq!(store.bound_nkey(first).await.unwrap(), None);
    assert_eq!(bind(alice.0, first, NOW + 1).await, BindOutcome::Bound);
    assert_eq!(store.bound_nkey(first).await.unwrap(), bound(NOW + 1));
    assert_eq!(bind(alice.0, first, NOW + 9).await, BindOutcome::Bound, "renewed");
    assert_eq!(bind(bob, first, NOW + 1).await, BindOutcome::HeldByAnother);
    assert_eq!(store.bound_nkey(first).await.unwrap(), bound(NOW + 9));

    // A removed nkey never returns.
    assert!(!store.remove_nkey(bob, first, NOW_TIME).await.unwrap());
    assert!(!store.remove_nkey(alice.0, second, NOW_TIME).await.unwrap());
    assert!(store.remove_nkey(alice.0, first, NOW_TIME).await.unwrap());
    assert!(store.remove_nkey(alice.0, first, NOW_TIME).await.unwrap());
    assert_eq!(store.bound_nkey(first).await.unwrap(), None);
    assert_eq!(bind(alice.0, first, NOW + 1).await, BindOutcome::Removed);
    assert_eq!(bind(bob, first, NOW + 1).await, BindOutcome::HeldByAnother);

    // All of them can still be exported, with the times at which they were removed.
    let ended = |of: Vec<Binding>| of.iter().map(|binding| binding.removed_at).collect::<Vec<_>>();
    assert_eq!(ended(store.bindings_of(alice.0).await.unwrap()), [Some(NOW_TIME)]);
    assert_eq!(ended(store.bindings_of(bob).await.unwrap()), []);

    // The limits at one time and in total; an existing binding may always be renewed.
    let mut had = vec![first];
    for _ in 0..MAX_LIVE {
        had.push(nkey().public());
        assert_eq!(bind(alice.0, had[had.len() - 1], NOW + 1).await, BindOutcome::Bound);
    }
    assert_eq!(bind(alice.0, second, NOW + 1).await, BindOutcome::TooMany);
    assert_eq!(bind(alice.0, had[1], NOW + 2).await, BindOutcome::Bound);
    for live in &had {
        assert!(store.remove_nkey(alice.0, *live, NOW_TIME).await.unwrap());
    }
    for _ in had.len()..MAX_EVER as usize {
        assert_eq!(bind(alice.0, nkey().public(), NOW).await, BindOutcome::Bound, "expired, so not live");
    }
    assert_eq!(bind(alice.0, second, NOW + 1).await, BindOutcome::TooMany);
    // A key's signature for an account that another key holds is void.
    assert_eq!(bind(bob, second, NOW + 1).await, BindOutcome::Bound);
    assert_eq!(store.bound_nkey(second).await.unwrap(), None);
    first
}
