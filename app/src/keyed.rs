//! Lists whose rows keep their identity: a new list reuses the signals of the old one, so only changed rows update.

use std::collections::HashMap;

use leptos::prelude::*;

/// A row with a key and contents that may change.
#[derive(Clone)]
pub(crate) struct Keyed<T: 'static> {
    pub(crate) key: String,
    pub(crate) value: ArcRwSignal<T>,
}

impl<T> PartialEq for Keyed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

/// The rows as a list that changes only when rows are added, removed or moved. A change within a row goes to that row's
/// own signal.
pub(crate) fn keyed<T, I>(rows: impl Fn() -> I + Send + Sync + 'static) -> Memo<Vec<Keyed<T>>>
where
    T: PartialEq + Send + Sync + 'static,
    I: IntoIterator<Item = (String, T)>,
{
    Memo::new(move |old: Option<&Vec<Keyed<T>>>| {
        let held: HashMap<&str, &Keyed<T>> =
            old.into_iter().flatten().map(|row| (row.key.as_str(), row)).collect();
        rows().into_iter().map(|(key, value)| reuse_or_create(&held, key, value)).collect()
    })
}

fn reuse_or_create<T>(held: &HashMap<&str, &Keyed<T>>, key: String, value: T) -> Keyed<T>
where
    T: PartialEq + Send + Sync + 'static,
{
    match held.get(key.as_str()) {
        None => Keyed { key, value: ArcRwSignal::new(value) },
        Some(row) => {
            if row.value.with_untracked(|old| *old != value) {
                row.value.set(value);
            }
            Keyed { key, value: row.value.clone() }
        }
    }
}

#[cfg(test)]
mod tests {
    use leptos::prelude::*;

    use super::keyed;

    #[test]
    fn a_changed_row_keeps_its_signal_and_leaves_the_list_alone() {
        let owner = Owner::new();
        owner.set();
        let source = RwSignal::new(vec![("a".to_owned(), 1), ("b".to_owned(), 2)]);
        let list = keyed(move || source.get());
        let first = list.get_untracked();

        source.set(vec![("a".to_owned(), 1), ("b".to_owned(), 3)]);
        let second = list.get_untracked();

        assert_eq!(second[1].value.get_untracked(), 3);
        assert_eq!(first[1].value.get_untracked(), 3, "the row that is on screen got the new contents");
    }

    #[test]
    fn rows_that_return_show_their_new_value() {
        let owner = Owner::new();
        owner.set();
        let source = RwSignal::new(vec![("a".to_owned(), 1)]);
        let list = keyed(move || source.get());
        assert_eq!(list.get_untracked().len(), 1);

        source.set(Vec::new());
        assert!(list.get_untracked().is_empty());
        source.set(vec![("a".to_owned(), 2)]);
        assert_eq!(list.get_untracked()[0].value.get_untracked(), 2);
    }
}
