//! Reading the target: look-ups, single resources, whole lists. Holds nothing that could write.

use std::collections::BTreeSet;
use std::sync::Arc;

use reqwest::header::ETAG;
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::connection::{Connection, Read, random_value};
use super::error::Error;
use super::pager::{
    COUNT, EXCLUDED_ATTRIBUTES, ListSummary, Page, Pages, START_INDEX, without_members,
};
use super::request::Request;
use super::whole::Current;
use super::wire::{self, Listed};
use super::{filter, resource, whole};
use crate::config::{DialectSettings, Target};
use crate::engine::model::{
    Complete, MatchKey, ObjectKind, TargetId, TargetObject, TargetPath, Value,
};
use crate::engine::outcome::Class;
use crate::engine::redact::Hidden;
use crate::http::{Gate, Idempotency};

/// A target that can be read. Cheap to clone; clones share connections, pacing and the count.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(super) connection: Arc<Connection>,
    hidden: Arc<Hidden>,
}

/// What the target shows of a user's memberships.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GroupsOf {
    /// The user does not exist.
    NobodyThere,
    /// Many targets never show them.
    NotShown,
    Shown(BTreeSet<TargetId>),
}

/// How a target says that a filter finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nobody {
    EmptyList,
    /// 404 with a SCIM error, though a list without a filter is answered.
    NotFound,
}

/// A list of which the first page was read; enough to decide whether to read on.
#[derive(Debug)]
pub(crate) struct Listing {
    kind: ObjectKind,
    with_members: bool,
    paths: Vec<TargetPath>,
    first: Page,
}

impl Listing {
    /// How many more requests reading on will take, as far as the target's words can be trusted.
    pub(crate) fn pages_left(&self) -> u64 {
        let length = self.first.list.resources.len() as u64;
        match self.first.list.total {
            Some(total) if length > 0 => total.saturating_sub(length).div_ceil(length),
            _ => 0,
        }
    }
}

impl Reader {
    pub(crate) fn new(
        target: &Target,
        access: Access,
        stop: CancellationToken,
        gate: Gate,
    ) -> Result<Self, Error> {
        Ok(Self {
            connection: Arc::new(Connection::new(target, access, stop, gate)?),
            hidden: Arc::default(),
        })
    }

    /// In place of a target that is not asked: it finds nothing.
    pub(crate) fn absent(target: &Target, stop: CancellationToken) -> Result<Self, Error> {
        Ok(Self {
            connection: Arc::new(Connection::absent(target, stop)?),
            hidden: Arc::default(),
        })
    }

    /// The same, with something to be taken out of the target's words.
    pub(crate) fn hiding(&self, hidden: Hidden) -> Self {
        Self {
            connection: Arc::clone(&self.connection),
            hidden: Arc::new(hidden),
        }
    }

    /// From now on as is known of the target now.
    pub(crate) fn adapt(&self, settings: &DialectSettings) {
        self.connection.adapt(settings);
    }

    pub(super) fn hidden(&self) -> &Hidden {
        &self.hidden
    }

    /// Whether the target can look up by this path, as far as the configuration knows.
    pub(crate) fn can_filter(&self, kind: ObjectKind, path: &TargetPath) -> bool {
        self.connection.is_filterable(kind, path)
    }

    /// The requests that look-ups and lists took since the last time this was asked.
    pub(crate) fn take_reads(&self) -> Vec<Read> {
        self.connection.take_reads()
    }

    /// Whether another credential is in use than at first, because that was refused.
    pub(crate) fn is_renewed(&self) -> bool {
        self.connection.access().is_renewed()
    }

    /// Notes what the links were verified with: only with that, writes leave from now on.
    pub(crate) fn note_verified(&self, identity: String) {
        self.connection.access().note_verified(identity);
    }

    /// Whether what is in use is what the links were verified with.
    pub(crate) fn is_verified(&self) -> bool {
        self.connection.access().is_verified()
    }

    /// Whether a request that was refused with 401 may go once more, with another credential or token.
    pub(crate) fn may_go_again(&self) -> bool {
        self.connection.access().may_go_again()
    }

    /// What the target knows the sender by now, for digests.
    pub(crate) fn identity(&self) -> String {
        self.connection.access().identity()
    }

    /// Requests sent to the target so far, retries and writes included.
    pub(crate) fn requests(&self) -> u64 {
        self.connection.requests()
    }

    /// Entra's Test Connection: a look-up of a random user name, to which a working target answers
    /// with an empty list. [`Error::advice`] says what to do about a failure.
    pub(crate) async fn test_connection(&self) -> Result<Nobody, Error> {
        let user_name = TargetPath::parse("userName").expect("a path of RFC 7643");
        let kind = ObjectKind::User;
        let path = match self.connection.first_filterable(kind) {
            Some(path) if !self.connection.is_filterable(kind, &user_name) => path,
            _ => user_name,
        };
        let parameters = [("filter", filter::eq(&path, &random_value()))];
        // A person is waiting: no repetition but for what the target asks for.
        let answer = self
            .connection
            .list(kind, Idempotency::IfNotProcessed, &parameters, &self.hidden)
            .await;
        let (list, exchange) = match answer {
            Err(error) if error.may_mean_none_found() => {
                self.connection.confirm_service(kind, &self.hidden).await?;
                return Ok(Nobody::NotFound);
            }
            answer => answer?,
        };
        if list.resources.is_empty() {
            Ok(Nobody::EmptyList)
        } else {
            Err(Error::FilterIgnored { exchange })
        }
    }

    /// The resources that hold `key`, each once. What the target returns is checked, because some
    /// ignore filters: `is_wanted` says of a value at the key's path whether it means the key's.
    /// [`Error::is_filter_unsupported`] says that only a list can answer.
    pub(crate) async fn find(
        &self,
        kind: ObjectKind,
        key: &MatchKey,
        is_wanted: impl Fn(&Value) -> bool,
        paths: &[TargetPath],
    ) -> Result<Vec<TargetObject>, Error> {
        if !self.connection.is_filterable(kind, &key.path) {
            return Err(Error::NotFilterable {
                path: key.path.clone(),
            });
        }
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut received = 0;
        let mut unrelated = false;
        loop {
            let mut parameters = without_members(kind);
            parameters.push(("filter", filter::eq(&key.path, &key.value)));
            if received > 0 {
                parameters.push((START_INDEX, (received + 1).to_string()));
            }
            let answer = self.connection.page(kind, &parameters, &self.hidden).await;
            let (list, exchange) = match answer {
                Err(error) if received == 0 && error.may_mean_none_found() => {
                    self.connection
                        .confirm_none_found(kind, &key.path, error, &self.hidden)
                        .await?;
                    return Ok(found);
                }
                answer => answer?,
            };
            let length = list.resources.len() as u64;
            let known = seen.len();
            for resource in list.resources {
                if !resource::value(kind, &resource.attributes, &key.path)
                    .is_some_and(|value| is_wanted(&value))
                {
                    unrelated = true;
                    continue;
                }
                let Some(object) = resource::target_object(kind, resource, paths, false) else {
                    return Err(Error::NoIdInAnswer { exchange });
                };
                if seen.insert(object.id.clone()) {
                    found.push(object);
                }
            }
            received += length;
            let is_last = list.total.is_none_or(|total| received >= total);
            if is_last || unrelated || seen.len() == known {
                if unrelated && found.is_empty() {
                    return Err(Error::FilterIgnored { exchange });
                }
                return Ok(found);
            }
        }
    }

    /// The parameters that the target turned out to refuse, so that reads go without them.
    pub(crate) fn refused_parameters(&self) -> Vec<&'static str> {
        self.connection.refused_parameters()
    }

    /// Whether the target answers at all, as far as reading one resource of a list shows.
    pub(crate) async fn answers(&self, kind: ObjectKind) -> Result<(), Error> {
        self.connection.confirm_service(kind, &self.hidden).await
    }

    /// Reads the first page of a list, so that the caller can decide whether to read on.
    pub(crate) async fn first_page(
        &self,
        kind: ObjectKind,
        paths: &[TargetPath],
    ) -> Result<Listing, Error> {
        self.first_page_of(self.pages(kind), paths).await
    }

    /// The same with the members of groups.
    pub(crate) async fn first_page_with_members(
        &self,
        kind: ObjectKind,
        paths: &[TargetPath],
    ) -> Result<Listing, Error> {
        let pages = Pages {
            with_members: true,
            ..self.pages(kind)
        };
        self.first_page_of(pages, paths).await
    }

    async fn first_page_of(
        &self,
        pages: Pages<'_>,
        paths: &[TargetPath],
    ) -> Result<Listing, Error> {
        Ok(Listing {
            kind: pages.kind,
            with_members: pages.with_members,
            paths: paths.to_vec(),
            first: pages.first().await?,
        })
    }

    /// Hands over every resource of a list, the first page's included. On an error, those handed over
    /// before are not all there are.
    pub(crate) async fn read_on(
        &self,
        listing: Listing,
        each: impl FnMut(TargetObject),
    ) -> Result<Complete<ListSummary>, Error> {
        let Listing {
            kind,
            with_members,
            paths,
            first,
        } = listing;
        let pages = Pages {
            with_members,
            ..self.pages(kind)
        };
        pages.read_all(&paths, first, each).await
    }

    fn pages(&self, kind: ObjectKind) -> Pages<'_> {
        Pages {
            connection: &self.connection,
            hidden: &self.hidden,
            kind,
            with_members: false,
        }
    }

    /// Reads one resource; `None` when the target says that it is not there.
    pub(crate) async fn read(
        &self,
        kind: ObjectKind,
        id: &TargetId,
        paths: &[TargetPath],
        with_members: bool,
    ) -> Result<Option<TargetObject>, Error> {
        let (connection, hidden) = (&self.connection, &*self.hidden);
        let mut parameters = if with_members {
            Vec::new()
        } else {
            without_members(kind)
        };
        parameters.retain(|(name, _)| !connection.omits(name));
        let read = async |parameters: &[(&str, String)]| {
            let request = Request::read(kind, id, parameters)?;
            let answer = connection.read(&request, hidden).await?;
            connection.checked(answer, request.about, hidden)
        };
        let mut answer = read(&parameters).await;
        if let Err(error) = &answer
            && !parameters.is_empty()
            && error.may_be_about_parameters()
            && !error.may_be_trouble()
        {
            let again = read(&[]).await;
            if again.is_ok() {
                connection.omit(&[EXCLUDED_ATTRIBUTES], error);
                answer = again;
            }
        }
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.class() == Class::Gone => {
                connection.confirm_service(kind, hidden).await?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let object = Listed::read(&answer.body)
            .and_then(|resource| resource::target_object(kind, resource, paths, with_members));
        match object {
            Some(object) => Ok(Some(object)),
            None => Err(connection.not_scim(answer, hidden)),
        }
    }

    /// The groups that the target shows a user in.
    pub(crate) async fn groups_of(&self, user: &TargetId) -> Result<GroupsOf, Error> {
        let kind = ObjectKind::User;
        let request = Request::read(kind, user, &[])?;
        let (connection, hidden) = (&self.connection, &*self.hidden);
        let answer = connection.read(&request, hidden).await;
        let answer = answer.and_then(|answer| connection.checked(answer, request.about, hidden));
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.class() == Class::Gone => {
                connection.confirm_service(kind, hidden).await?;
                return Ok(GroupsOf::NobodyThere);
            }
            Err(error) => return Err(error),
        };
        let resource = wire::resource(&answer.body);
        let groups = resource.as_ref().and_then(whole::groups);
        Ok(groups.map_or(GroupsOf::NotShown, GroupsOf::Shown))
    }

    /// Reads one resource to replace it as a whole, a group with its members. One that is not there is
    /// an error.
    pub(crate) async fn current(&self, kind: ObjectKind, id: &TargetId) -> Result<Current, Error> {
        let request = Request::read(kind, id, &[])?;
        let (connection, hidden) = (&self.connection, &*self.hidden);
        let answer = connection.read(&request, hidden).await?;
        let answer = connection.checked(answer, request.about, hidden)?;
        let etag = answer.header(ETAG.as_str()).map(str::to_owned);
        let resource = wire::resource(&answer.body).filter(|one| resource::id(one).is_some());
        let Some(resource) = resource else {
            return Err(connection.not_scim(answer, hidden));
        };
        let shows_members = match (kind, whole::members(&resource)) {
            (ObjectKind::Group, None) => self.shows_members().await?,
            (ObjectKind::User | ObjectKind::Group, _) => true,
        };
        Ok(Current::new(resource, shows_members).in_version(etag.as_deref()))
    }

    /// Whether the target shows the members of any group, as far as one page of its list shows.
    async fn shows_members(&self) -> Result<bool, Error> {
        let count = self.connection.page_size().to_string();
        let parameters = [(START_INDEX, "1".to_owned()), (COUNT, count)];
        let kind = ObjectKind::Group;
        let (list, _) = self
            .connection
            .page(kind, &parameters, &self.hidden)
            .await?;
        let mut members = list
            .resources
            .iter()
            .filter_map(|group| group.members.as_ref());
        Ok(members.any(|members| !members.is_empty()))
    }
}
