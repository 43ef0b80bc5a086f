//! A map sorted by key, stored as a sorted list.
//!
//! The standard library's tree is compiled again for every pair of types, at several KiB each, which the browser has to
//! download. A client's maps are small, or grow at their end, and a list is as good for that.

use serde::{Deserialize, Serialize};

/// A map sorted by key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SortedMap<K, V>(Vec<(K, V)>);

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    /// Sets the value under a key. Returns the previous value.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(at) => self.0.get_mut(at).map(|(_, old)| std::mem::replace(old, value)),
            Err(at) => {
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    /// Removes and returns a value.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.find(key).ok().map(|at| self.0.remove(at).1)
    }

    /// The value under a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.0.get(self.find(key).ok()?).map(|(_, value)| value)
    }

    /// A mutable reference to the value under a key.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let at = self.find(key).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }

    /// Whether the map contains a key.
    pub fn contains_key(&self, key: &K) -> bool {
        self.find(key).is_ok()
    }

    /// The value under a key. Inserts one first if there is none.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let at = self.find(&key).unwrap_or_else(|at| {
            self.0.insert(at, (key, make()));
            at
        });
        &mut self.0[at].1
    }

    /// The value under a key. Inserts the default first if there is none.
    pub fn get_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.get_or_insert_with(key, V::default)
    }

    /// The entries from a key on, in order.
    pub fn starting_at(&self, key: K) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        let (Ok(at) | Err(at)) = self.find(&key);
        self.0.iter().skip(at).map(|(key, value)| (key, value))
    }

    /// The last entry before a key.
    pub fn before(&self, key: &K) -> Option<(&K, &V)> {
        let (Ok(at) | Err(at)) = self.find(key);
        self.0.get(at.checked_sub(1)?).map(|(key, value)| (key, value))
    }

    /// How many entries precede a key.
    pub fn count_before(&self, key: &K) -> usize {
        let (Ok(at) | Err(at)) = self.find(key);
        at
    }

    fn find(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.cmp(key))
    }
}

impl<K, V> SortedMap<K, V> {
    /// The number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the map is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entry with the largest key.
    pub fn last(&self) -> Option<(&K, &V)> {
        self.0.last().map(|(key, value)| (key, value))
    }

    /// The entries in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + ExactSizeIterator {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// The entries in order, with mutable values.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// The keys in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// The values in the order of their keys, mutable.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// Keeps only the entries for which `wanted` is true.
    pub fn retain(&mut self, mut wanted: impl FnMut(&K, &V) -> bool) {
        self.0.retain(|(key, value)| wanted(key, value));
    }
}

#[cfg(test)]
mod tests {
    use super::SortedMap;

    fn map(keys: &[u8]) -> SortedMap<u8, u16> {
        let mut map = SortedMap::default();
        for key in keys {
            assert_eq!(map.insert(*key, u16::from(*key) * 10), None);
        }
        map
    }

    fn keys(map: &SortedMap<u8, u16>) -> Vec<u8> {
        map.keys().copied().collect()
    }

    #[test]
    fn keys_are_sorted_after_any_order_of_insertion() {
        let mut map = map(&[5, 1, 9, 3]);
        assert_eq!(keys(&map), [1, 3, 5, 9]);
        assert_eq!((map.insert(5, 7), map.get(&5), map.len()), (Some(50), Some(&7), 4));
        assert_eq!((map.remove(&3), map.remove(&3), keys(&map)), (Some(30), None, vec![1, 5, 9]));
        assert_eq!((map.get(&3), map.contains_key(&9)), (None, true));
    }

    #[test]
    fn neighbours_of_a_present_and_an_absent_key() {
        let map = map(&[2, 4, 6]);
        let from = |key| map.starting_at(key).map(|(key, _)| *key).collect::<Vec<_>>();
        assert_eq!((from(0), from(4), from(5), from(7)), (vec![2, 4, 6], vec![4, 6], vec![6], vec![]));
        let before = |key| map.before(&key).map(|(key, _)| *key);
        assert_eq!((before(2), before(3), before(4), before(9)), (None, Some(2), Some(2), Some(6)));
        assert_eq!(map.last(), Some((&6, &60)));
    }

    #[test]
    fn a_missing_entry_is_created_once() {
        let mut map = map(&[2]);
        *map.get_or_default(1) += 1;
        *map.get_or_default(1) += 1;
        assert_eq!(*map.get_or_insert_with(2, || 0), 20);
        assert_eq!(map.iter().collect::<Vec<_>>(), [(&1, &2), (&2, &20)]);
        map.retain(|key, _| *key == 2);
        assert_eq!(keys(&map), [2]);
    }
}
