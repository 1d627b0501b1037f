//! The target's list, to answer look-ups: of each object its id and its mapped values, packed, and the
//! fingerprints of those by which it may be looked for.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use tempfile::SpooledTempFile;

use super::lookup::{GivenUp, address_paths, judge, named, paths, searched};
use super::{Context, Error};
use crate::engine::mapping::Mappings;
use crate::engine::model::{MatchKey, ObjectKind, TargetId, TargetObject, TargetPath, Value};
use crate::engine::plan::Found;
use crate::scim;
use crate::store::{Packer, Unpacker};

/// What is kept of a list in memory; a longer one goes to a file that has no name and ends with the cycle.
const IN_MEMORY: usize = 8 * 1024 * 1024;

/// The target objects of one kind, by the values at the paths that objects are matched by. A list of a
/// million users must leave room for everything else that a cycle holds.
pub(super) struct Index<'a> {
    mappings: &'a Mappings,
    /// What is kept of an object names its paths by their place here.
    paths: Vec<TargetPath>,
    packed: Packed,
    /// Where each of them begins.
    places: Vec<u64>,
    /// Where the object begins that has a value of this fingerprint; in order once all are there.
    hits: Vec<(u64, u64)>,
    /// The same for the ids.
    ids: Vec<(u64, u64)>,
    /// The places of the paths at which any object has a value.
    shown: BTreeSet<u64>,
    /// Any object has a member.
    shows_members: bool,
}

impl<'a> Index<'a> {
    /// Goes through the target's whole list, whatever a look-up said: some targets compare with case
    /// where they should not, and answer that an object does not exist.
    pub(super) async fn whole(
        context: &'a Context<'a>,
        kind: ObjectKind,
        wanted: &[&[MatchKey]],
    ) -> Result<Self, Error> {
        let paths = paths(context, kind, wanted);
        let list = context.reader.first_page(kind, &paths).await?;
        Self::read(context, list, kind, wanted).await
    }

    pub(super) async fn read(
        context: &'a Context<'a>,
        list: scim::Listing,
        kind: ObjectKind,
        wanted: &[&[MatchKey]],
    ) -> Result<Self, Error> {
        let mut kept = paths(context, kind, wanted);
        if context.is_first && kind == ObjectKind::User {
            for name in ["userName", "active"].map(named) {
                if !kept.contains(&name) {
                    kept.push(name);
                }
            }
        }
        Self::with(context, list, kind, wanted, kept).await
    }

    /// The target's whole list with the members of groups, to be compared and searched by any of these paths.
    pub(super) async fn audited(
        context: &'a Context<'a>,
        kind: ObjectKind,
        keys: &[TargetPath],
    ) -> Result<Self, Error> {
        let mut kept: BTreeSet<TargetPath> = paths(context, kind, &[]).into_iter().collect();
        kept.extend(keys.iter().cloned());
        kept.extend(["userName", "displayName", "active"].map(named));
        let kept: Vec<TargetPath> = kept.into_iter().collect();
        let list = context.reader.first_page_with_members(kind, &kept).await?;
        let keys: Vec<MatchKey> = keys
            .iter()
            .map(|path| MatchKey {
                path: path.clone(),
                value: Value::Boolean(false),
            })
            .collect();
        Self::with(context, list, kind, &[&keys], kept).await
    }

    /// The same with these paths of each object.
    async fn with(
        context: &'a Context<'a>,
        list: scim::Listing,
        kind: ObjectKind,
        wanted: &[&[MatchKey]],
        kept: Vec<TargetPath>,
    ) -> Result<Self, Error> {
        let mappings = &context.job.rules.rules(kind).mappings;
        let mut matched: BTreeSet<TargetPath> = mappings
            .iter()
            .filter(|mapping| mapping.matching.is_some() || mapping.selects_unique())
            .map(|mapping| mapping.target.clone())
            .collect();
        matched.extend(wanted.iter().copied().flatten().map(|key| key.path.clone()));
        if context.is_first && kind == ObjectKind::User {
            matched.extend(address_paths(mappings).cloned());
        }
        let mut index = Self::new(context, kind, kept);
        context
            .reader
            .read_on(list, |object| index.add(&object, &matched))
            .await?;
        index.close()?;
        Ok(index)
    }

    pub(super) fn new(context: &'a Context<'a>, kind: ObjectKind, paths: Vec<TargetPath>) -> Self {
        let mappings = &context.job.rules.rules(kind).mappings;
        Self::kept_in(&context.agent.store.scratch_folder(), mappings, paths)
    }

    fn kept_in(folder: &Path, mappings: &'a Mappings, paths: Vec<TargetPath>) -> Self {
        Self {
            mappings,
            paths,
            packed: Packed::new(folder),
            places: Vec::new(),
            hits: Vec::new(),
            ids: Vec::new(),
            shown: BTreeSet::new(),
            shows_members: false,
        }
    }

    pub(super) fn add(&mut self, object: &TargetObject, matched: &BTreeSet<TargetPath>) {
        let place = self.packed.length;
        self.places.push(place);
        self.ids.push((fingerprint(object.id.as_str()), place));
        for path in matched {
            let value = object.attributes.get(path);
            let value = value.and_then(|value| searched(self.mappings, path, value));
            self.hits
                .extend(value.map(|value| (fingerprint(&(path, &value)), place)));
        }
        let known = (0..).zip(&self.paths);
        let kept: Vec<(u64, &Value)> = known
            .filter_map(|(number, path)| Some((number, object.attributes.get(path)?)))
            .collect();
        let mut packer = Packer::default();
        packer.text(object.id.as_str());
        packer.number(kept.len() as u64);
        for (number, value) in kept {
            packer.number(number);
            packer.value(value);
            self.shown.insert(number);
        }
        self.shows_members |= object
            .members
            .as_ref()
            .is_some_and(|members| !members.is_empty());
        packer.number(
            object
                .members
                .as_ref()
                .map_or(0, |members| members.len() as u64 + 1),
        );
        for member in object.members.iter().flatten() {
            packer.text(member.as_str());
        }
        self.packed.push(&packer.finish());
    }

    /// Ends the list. An object that could not be kept is an error here.
    pub(super) fn close(&mut self) -> Result<(), Error> {
        self.hits.sort_unstable();
        self.ids.sort_unstable();
        for list in [&mut self.hits, &mut self.ids] {
            list.shrink_to_fit();
        }
        self.places.shrink_to_fit();
        match self.packed.failed.take() {
            Some(source) => Err(Error::List { source }),
            None => Ok(()),
        }
    }

    /// Every object of the list.
    pub(super) fn objects(&self) -> impl Iterator<Item = Result<TargetObject, Error>> {
        self.places.iter().map(|place| self.unpack(*place))
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// How many objects have this value, in the form in which objects are looked for.
    pub(super) fn count(&self, path: &TargetPath, value: &Value) -> Result<usize, Error> {
        let key = MatchKey {
            path: path.clone(),
            value: value.clone(),
        };
        Ok(self.hits_of(&key)?.len())
    }

    /// The values of these paths that several objects have.
    pub(super) fn duplicates(
        &self,
        paths: &[TargetPath],
    ) -> Result<Vec<(TargetPath, Value, Vec<TargetId>)>, Error> {
        let mut found = Vec::new();
        for hits in self.hits.chunk_by(|(one, _), (other, _)| one == other) {
            if hits.len() < 2 {
                continue;
            }
            let first = self.unpack(hits[0].1)?;
            for path in paths {
                let value = first.attributes.get(path);
                let Some(value) = value.filter(|value| {
                    let value = searched(self.mappings, path, value);
                    value.is_some_and(|value| fingerprint(&(path, &value)) == hits[0].0)
                }) else {
                    continue;
                };
                let key = MatchKey {
                    path: path.clone(),
                    value: value.clone(),
                };
                let targets = self.hits_of(&key)?.into_iter().map(|object| object.id);
                let targets: BTreeSet<TargetId> = targets.collect();
                if targets.len() > 1 {
                    found.push((path.clone(), value.clone(), targets.into_iter().collect()));
                }
            }
        }
        found.sort_by(|(one, _, _), (other, _, _)| one.cmp(other));
        Ok(found)
    }

    fn hits_of(&self, key: &MatchKey) -> Result<Vec<TargetObject>, Error> {
        let Some(wanted) = searched(self.mappings, &key.path, &key.value) else {
            return Ok(Vec::new());
        };
        let mark = fingerprint(&(&key.path, &wanted));
        let from = self.hits.partition_point(|(one, _)| *one < mark);
        let places = self.hits[from..].iter().take_while(|(one, _)| *one == mark);
        let objects = places.map(|(_, place)| self.unpack(*place));
        let mut objects: Vec<TargetObject> = objects.collect::<Result<_, _>>()?;
        // Two values may have one fingerprint.
        let is_hit = |object: &TargetObject| {
            let shown = object.attributes.get(&key.path);
            let shown = shown.and_then(|shown| searched(self.mappings, &key.path, shown));
            shown.as_ref() == Some(&wanted)
        };
        objects.retain(is_hit);
        Ok(objects)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Whether the list has this object, as far as a fingerprint shows.
    pub(super) fn contains(&self, target: &TargetId) -> bool {
        let mark = fingerprint(target.as_str());
        let found = self.ids.binary_search_by_key(&mark, |(one, _)| *one);
        found.is_ok()
    }

    /// The object with this id.
    pub(super) fn get(&self, target: &TargetId) -> Result<Option<TargetObject>, Error> {
        let mark = fingerprint(target.as_str());
        let from = self.ids.partition_point(|(one, _)| *one < mark);
        let places = self.ids[from..].iter().take_while(|(one, _)| *one == mark);
        for (_, place) in places {
            let object = self.unpack(*place)?;
            if object.id == *target {
                return Ok(Some(object));
            }
        }
        Ok(None)
    }

    pub(super) fn shows_members(&self) -> bool {
        self.shows_members
    }

    /// The paths at which any object has a value.
    pub(super) fn shown(&self) -> BTreeSet<TargetPath> {
        let paths = (0..).zip(&self.paths);
        let shown = paths.filter(|(number, _)| self.shown.contains(number));
        shown.map(|(_, path)| path.clone()).collect()
    }

    pub(super) fn find(&self, keys: &[MatchKey], is_given_up: GivenUp<'_>) -> Result<Found, Error> {
        for key in keys {
            let mut hits = self.hits_of(key)?;
            hits.retain(|object| !is_given_up(key, &object.id));
            if let Some(found) = judge(key, hits) {
                return Ok(found);
            }
        }
        Ok(Found::None)
    }

    fn unpack(&self, place: u64) -> Result<TargetObject, Error> {
        let object = self.packed.at(place).and_then(|bytes| {
            let object = self.object(&bytes);
            object.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
        });
        object.map_err(|source| Error::List { source })
    }

    /// `None` for what was not packed here.
    fn object(&self, bytes: &[u8]) -> Option<TargetObject> {
        let mut unpacker = Unpacker::new(bytes);
        let id = TargetId::new(unpacker.text().ok()?);
        let kept = unpacker.number().ok()?;
        let attributes = (0..kept).map(|_| {
            let number = usize::try_from(unpacker.number().ok()?).ok()?;
            Some((self.paths.get(number)?.clone(), unpacker.value().ok()?))
        });
        let attributes = attributes.collect::<Option<_>>()?;
        let members = match unpacker.number().ok()? {
            0 => None,
            more => {
                let members = (1..more).map(|_| unpacker.text().ok().map(TargetId::new));
                Some(members.collect::<Option<_>>()?)
            }
        };
        Some(TargetObject {
            id,
            attributes,
            members,
        })
    }
}

/// Ids of target objects of one kind.
#[derive(Default)]
pub(super) struct TargetIds(BTreeSet<u128>);

impl TargetIds {
    pub(super) fn contains(&self, target: &TargetId) -> bool {
        self.0.contains(&target.digest())
    }

    pub(super) fn extend(&mut self, targets: impl IntoIterator<Item = TargetId>) {
        let targets = targets.into_iter();
        self.0.extend(targets.map(|target| target.digest()));
    }
}

/// Packed objects, one after another, each behind its length.
struct Packed {
    file: Mutex<SpooledTempFile>,
    length: u64,
    /// Why one could not be kept.
    failed: Option<io::Error>,
}

impl Packed {
    fn new(folder: &Path) -> Self {
        Self {
            file: Mutex::new(tempfile::spooled_tempfile_in(IN_MEMORY, folder)),
            length: 0,
            failed: None,
        }
    }

    fn push(&mut self, object: &[u8]) {
        let length = (object.len() as u64).to_le_bytes();
        let file = self.file.get_mut().unwrap_or_else(PoisonError::into_inner);
        let written = file
            .write_all(&length)
            .and_then(|()| file.write_all(object));
        match written {
            Ok(()) => self.length += (length.len() + object.len()) as u64,
            Err(error) => self.failed = self.failed.take().or(Some(error)),
        }
    }

    fn at(&self, place: u64) -> io::Result<Vec<u8>> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(place))?;
        let mut length = [0; 8];
        file.read_exact(&mut length)?;
        let mut object = Vec::new();
        let length = u64::from_le_bytes(length);
        (&mut *file).take(length).read_to_end(&mut object)?;
        Ok(object)
    }
}

fn fingerprint<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::lookup::no_holder_gives_up;
    use super::*;
    use crate::engine::mapping::{Apply, Mapping, OnEmpty, Source};
    use crate::engine::model::TargetType;

    fn path(text: &str) -> TargetPath {
        TargetPath::parse(text).unwrap()
    }

    fn mapping(target: &str) -> Mapping {
        Mapping {
            target: path(target),
            source: Source::Attribute("any".to_owned()),
            default: None,
            matching: (target == "userName").then_some(1),
            apply: Apply::Always,
            on_empty: OnEmpty::Clear,
            target_type: TargetType::String,
            multi_valued: false,
            case_exact: false,
            required: false,
            on_drift: None,
        }
    }

    const PATHS: [&str; 8] = [
        "userName",
        "displayName",
        "title",
        "name.givenName",
        "name.familyName",
        "emails[type eq \"work\"].value",
        "externalId",
        "addresses[type eq \"work\"].locality",
    ];

    fn object(number: u32) -> TargetObject {
        let values = PATHS.map(|name| {
            let value = match name {
                "userName" => format!("person.{number}@contoso.com"),
                _ => format!("{name} {number}"),
            };
            (path(name), Value::text(value))
        });
        TargetObject {
            id: TargetId::new(format!("2819c223-7f76-453a-919d-{number:012}")),
            attributes: values.into_iter().collect(),
            members: None,
        }
    }

    #[test]
    fn what_is_found_is_whole_and_little_is_kept_of_it() {
        let mappings = Mappings::new(ObjectKind::User, PATHS.map(mapping).to_vec());
        let matched = BTreeSet::from([path("userName")]);
        let folder = tempfile::tempdir().unwrap();
        let mut index = Index::kept_in(folder.path(), &mappings, PATHS.map(path).to_vec());
        let objects = 60_000;
        for number in 0..objects {
            index.add(&object(number), &matched);
        }
        index.add(&object(7), &matched);
        index.close().unwrap();
        let find = |name: &str| {
            let key = MatchKey {
                path: path("userName"),
                value: Value::text(name),
            };
            index.find(&[key], &no_holder_gives_up).unwrap()
        };
        let Found::One { object: found, .. } = find("PERSON.1234@contoso.com") else {
            panic!("it is there once");
        };
        assert_eq!(found, object(1_234));
        assert!(matches!(
            find("person.7@contoso.com"),
            Found::Several { .. }
        ));
        assert_eq!(find("person.60000@contoso.com"), Found::None);
        assert!(index.contains(&object(objects - 1).id) && !index.contains(&object(objects).id));
        assert_eq!(index.objects().count(), 60_001);
        let file = index.packed.file.get_mut().unwrap();
        assert!(file.is_rolled());
        let bytes =
            16 * (index.hits.capacity() + index.ids.capacity()) + 8 * index.places.capacity();
        assert!(bytes <= 60_001 * 40, "{} for each", bytes / 60_001);
        assert!(index.packed.length < 60_001 * 400);
    }
}
