//! Values by target path. A cycle makes several such maps for each object, of some twenty paths each: a
//! sorted list is one allocation where a tree is several, and two of them are compared in one pass.

use std::vec;

use super::TargetPath;

/// A map in the order of its paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathMap<V>(Vec<(TargetPath, V)>);

impl<V> Default for PathMap<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> PathMap<V> {
    pub(crate) fn with_capacity(paths: usize) -> Self {
        Self(Vec::with_capacity(paths))
    }

    fn place(&self, path: &TargetPath) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.cmp(path))
    }

    pub(crate) fn get(&self, path: &TargetPath) -> Option<&V> {
        self.place(path).ok().map(|place| &self.0[place].1)
    }

    pub(crate) fn contains_key(&self, path: &TargetPath) -> bool {
        self.place(path).is_ok()
    }

    /// Adds a path that comes after all that are there.
    pub(crate) fn append(&mut self, path: TargetPath, value: V) {
        debug_assert!(self.0.last().is_none_or(|(last, _)| *last < path));
        self.0.push((path, value));
    }

    pub(crate) fn insert(&mut self, path: TargetPath, value: V) {
        match self.place(&path) {
            Ok(place) => self.0[place].1 = value,
            Err(place) => self.0.insert(place, (path, value)),
        }
    }

    pub(crate) fn remove(&mut self, path: &TargetPath) -> Option<V> {
        let place = self.place(path).ok()?;
        Some(self.0.remove(place).1)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TargetPath, &V)> {
        self.0.iter().map(|(path, value)| (path, value))
    }
}

impl<V> IntoIterator for PathMap<V> {
    type Item = (TargetPath, V);
    type IntoIter = vec::IntoIter<(TargetPath, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_holds_what_a_tree_would_hold() {
        let path = |number: u8| TargetPath::parse(&format!("a{number}")).unwrap();
        let (mut map, mut tree) = (PathMap::default(), BTreeMap::new());
        for number in [5, 1, 9, 5, 3, 9, 0, 7] {
            map.insert(path(number), number);
            tree.insert(path(number), number);
            if number == 3 {
                assert_eq!(map.remove(&path(5)), tree.remove(&path(5)));
            }
        }
        for number in 0..10 {
            assert_eq!(map.get(&path(number)), tree.get(&path(number)));
            assert_eq!(
                map.contains_key(&path(number)),
                tree.contains_key(&path(number))
            );
        }
        assert_eq!(map.len(), tree.len());
        assert_eq!(map.remove(&path(4)), None);
        assert!(map.iter().eq(tree.iter()));
        assert!(map.into_iter().eq(tree));
    }
}
