//! How a target differs from the textbook: limits, refusals and habits seen in the wild.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The limits and habits of one target; can be changed while it runs.
#[derive(Debug, Clone)]
pub struct Personality {
    /// The only attributes that may stand in filters, as `userName` or `emails.value`; `None` allows all.
    pub filterable: Option<BTreeSet<String>>,
    /// The same for groups, where it is something else for them.
    pub filterable_of_groups: Option<BTreeSet<String>>,
    /// The status with which `/Groups` is refused; `None` serves it.
    pub groups_refused: Option<u16>,
    /// The most resources that one page holds, whatever `count` asks for.
    pub page_cap: usize,
    /// A group is shown with at most so many members.
    pub members_shown: Option<usize>,
    /// More member values in one PATCH are refused with 413.
    pub max_members_per_patch: Option<usize>,
    /// More requests within one second are refused with 429.
    pub requests_per_second: Option<u32>,
    /// More requests that are under way at once are refused with 429.
    pub in_flight: Option<usize>,
    /// The seconds that both name in `Retry-After`; `None` names none.
    pub retry_after: Option<u64>,
    /// How long every answer takes at least.
    pub latency: Duration,
    /// Several requests are taken in one; `None` has no `/Bulk`.
    pub bulk: Option<Bulk>,
    /// The status with which `/Bulk` is refused, whatever is reported.
    pub bulk_refused: Option<u16>,
    /// Attributes that no write of a user may hold, each with the status and the words of the refusal.
    pub refused_attributes: BTreeMap<String, (u16, String)>,
    /// Attributes of users that are refused next to others.
    pub taken_alone: BTreeSet<String>,
    /// Attributes of users that the schema shows as read-only, and that no write may hold.
    pub read_only: BTreeSet<String>,
    /// Attributes of users that the schema does not show.
    pub unlisted: BTreeSet<String>,
    pub quirks: BTreeSet<Quirk>,
}

/// What is taken in one bulk request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bulk {
    /// Operations, and bytes, as they are reported.
    pub operations: usize,
    pub payload: usize,
    /// More operations are refused with 413, whatever is reported.
    pub takes: usize,
}

impl Default for Bulk {
    fn default() -> Self {
        Self {
            operations: 1_000,
            payload: 1_048_576,
            takes: usize::MAX,
        }
    }
}

impl Default for Personality {
    fn default() -> Self {
        Self {
            filterable: None,
            filterable_of_groups: None,
            groups_refused: None,
            page_cap: 100,
            members_shown: None,
            max_members_per_patch: None,
            requests_per_second: None,
            in_flight: None,
            retry_after: Some(1),
            latency: Duration::ZERO,
            bulk: None,
            bulk_refused: None,
            refused_attributes: BTreeMap::new(),
            taken_alone: BTreeSet::new(),
            read_only: BTreeSet::new(),
            unlisted: BTreeSet::new(),
            quirks: BTreeSet::new(),
        }
    }
}

impl Personality {
    pub fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }

    /// Targets as they are in the wild, according to their vendors' pages and other clients' reports: the
    /// name, the habits, and the settings in `[jobs.target]` that they need beyond what is found out.
    pub fn named() -> Vec<(&'static str, Self, &'static str)> {
        use Quirk::{
            BareConflicts, CapitalVerbs, CoerceBooleans, ConflictsAreBad, CreateAnswersNothing,
            CursorPaging, DeleteDeactivates, ManagerAsText, MembersHidden, NoDiscovery, NoPatch,
            NoPut, PlainJsonOnly, TotalIsPage, UniqueGroupNames,
        };
        let with = |quirks: &[Quirk]| Self {
            quirks: quirks.iter().copied().collect(),
            ..Self::default()
        };
        let filterable = |mut personality: Self, users: &[&str], groups: &[&str]| {
            let set = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
            personality.filterable = set(users);
            personality.filterable_of_groups = set(groups);
            personality
        };
        let paged = |mut personality: Self, cap: usize| {
            personality.page_cap = cap;
            personality
        };
        let chunked = |mut personality: Self, most: usize| {
            personality.max_members_per_patch = Some(most);
            personality
        };
        let by_entra = "member_remove = \"value-list\"\n";
        vec![
            (
                "AWS IAM Identity Center",
                chunked(
                    paged(with(&[CursorPaging, MembersHidden, BareConflicts]), 50),
                    100,
                ),
                "",
            ),
            ("Slack", with(&[ConflictsAreBad, TotalIsPage]), ""),
            (
                "Atlassian",
                filterable(
                    with(&[DeleteDeactivates]),
                    &["userName", "externalId"],
                    &["displayName"],
                ),
                "filterable = { users = [\"userName\", \"externalId\"], groups = [\"displayName\"] }\n",
            ),
            ("GitHub", with(&[NoDiscovery, UniqueGroupNames]), ""),
            (
                "Google Cloud Identity",
                with(&[NoPut, NoDiscovery, PlainJsonOnly]),
                "",
            ),
            (
                "Zscaler",
                filterable(with(&[]), &["userName"], &["displayName"]),
                "filterable = { users = [\"userName\"], groups = [\"displayName\"] }\n",
            ),
            (
                "Miro",
                chunked(with(&[BareConflicts]), 8),
                "member_chunk = 8\n",
            ),
            (
                "VMware vCenter",
                with(&[NoPatch, CreateAnswersNothing, NoDiscovery]),
                "",
            ),
            ("generic", with(&[]), ""),
            (
                "Symantec WSS",
                with(&[CoerceBooleans, ManagerAsText]),
                by_entra,
            ),
            ("Wizer", with(&[CoerceBooleans, NoDiscovery]), by_entra),
            (
                "SoSafe",
                filterable(with(&[CoerceBooleans]), &["userName"], &["displayName"]),
                "member_remove = \"value-list\"\nfilterable = { users = [\"userName\"], groups = [\"displayName\"] }\n",
            ),
            (
                "built against Entra's client",
                with(&[CapitalVerbs, CoerceBooleans, ManagerAsText]),
                "op_case = \"capital\"\nbooleans = \"text\"\nvalue_paths = \"always\"\nmanager = \"text\"\nmember_remove = \"value-list\"\n",
            ),
        ]
    }

    /// The same with one more quirk.
    #[must_use]
    pub fn with(mut self, quirk: Quirk) -> Self {
        self.quirks.insert(quirk);
        self
    }
}

/// Habits that are either there or not; all off at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quirk {
    /// Two users cannot share an address.
    UniqueEmails,
    /// Two groups cannot share a display name.
    UniqueGroupNames,
    /// Unknown attributes are refused rather than ignored.
    StrictAttributes,
    /// Attributes of schemas that it does not know are kept as they are sent, but texts of digits
    /// become numbers. No user can be found by them.
    NumbersInOtherSchemas,
    /// Members that do not exist are taken.
    UnknownMembersAccepted,
    /// A member that does not exist is answered with 500.
    UnknownMembersCrash,
    /// A group as a member of a group is refused with 400.
    GroupsAsMembersRefused,
    /// Taking out a member that is not there is refused with 400.
    MissingMembersRefused,
    /// Members stay in groups after they were deleted.
    DanglingMembersKept,
    /// `"True"` and `"False"` are taken for booleans.
    CoerceBooleans,
    /// A manager may be sent as a bare id, or as a list of one.
    ManagerAsText,
    /// PATCH is answered 200 with the whole resource rather than 204.
    PatchAnswersWhole,
    /// Conflicts are answered without `scimType`.
    BareConflicts,
    /// DELETE of a user deactivates it.
    DeleteDeactivates,
    /// Inactive users are neither found nor listed.
    InactiveInvisible,
    /// Groups are read without members.
    MembersHidden,
    /// PUT is refused with 501.
    NoPut,
    /// PATCH is refused with 501.
    NoPatch,
    /// PATCH is refused with 405.
    PatchNotAllowed,
    /// DELETE is refused with 405.
    NoDelete,
    /// Filters are ignored: every list is whole.
    FilterIgnored,
    /// A change without If-Match is refused with 428.
    VersionRequired,
    /// Bodies of the type application/scim+json are refused with 406.
    PlainJsonAccepted,
    /// Every filter is refused with 403.
    FilterForbidden,
    /// A list with the parameter excludedAttributes is refused with 400.
    ExcludingRefused,
    /// A removal of one member by a filter is refused with 400 and invalidPath.
    MemberFilterRefused,
    /// The operation remove is refused with 400 on anything but members and elements.
    RemoveRefused,
    /// Bodies of the type application/scim+json are refused with 415.
    PlainJsonOnly,
    /// A PATCH with a value path is refused with 400 and invalidPath.
    ValuePathsRefused,
    /// A PATCH with a value path is accepted without effect.
    ValuePathsIgnored,
    /// A PATCH of a sub-attribute is refused with 400 and invalidPath.
    SubAttributesRefused,
    /// A PATCH of an attribute of an extension by its path is accepted without effect.
    ExtensionPathsIgnored,
    /// The operation remove is accepted without effect on anything but members and elements.
    RemoveIgnored,
    /// Every PATCH is accepted without effect.
    PatchIgnored,
    /// Changes of `active` are accepted without effect, by PATCH and by PUT.
    ActiveIgnored,
    /// The display name of a user is made from the given name and the surname, whatever is sent.
    DisplayNameMade,
    /// A PATCH with more than one operation is refused with 400.
    OneOperation,
    /// The verbs of a PATCH must be written as Entra writes them.
    CapitalVerbs,
    /// A manager is taken only as a bare id.
    ManagerTextOnly,
    /// A list with the parameter count is answered with 500.
    CountRefused,
    /// The first resource of a list has the index 0.
    ZeroBased,
    /// Lists are paged by a cursor, whatever startIndex says.
    CursorPaging,
    /// The total of a list is the number of resources on the page.
    TotalIsPage,
    /// A page after the last is the last one again.
    LastPageRepeated,
    /// Conflicts are answered with 500 and words.
    ConflictsCrash,
    /// Conflicts are answered with 400 and words.
    ConflictsAreBad,
    /// A create is answered 200 instead of 201.
    CreateAnswersOk,
    /// A create is answered without a body; the id is in Location.
    CreateAnswersNothing,
    /// A create is answered without a body and without Location.
    CreateNamesNoId,
    /// A removal of one member by a filter takes out everyone.
    FilterRemovesEveryone,
    /// Removals of members are accepted without effect.
    MemberRemovalIgnored,
    /// An addition of members replaces those that were there.
    MemberAddReplaces,
    /// Additions of members are accepted without effect.
    MemberAddIgnored,
    /// It does not report what it can do: 404.
    NoDiscovery,
    /// Resource types and schemas are reported as bare arrays.
    BareDiscovery,
    /// Ids are numbers, counted for users and groups apart: a user and a group may have the same.
    NumbersAsIds,
    /// Every operation of a bulk request is answered as done, and none is.
    BulkIgnored,
    /// A bulk request ends at its first error, and what comes after it is not in the answer.
    BulkStopsAtError,
    /// A bulk request is carried out and answered without a body.
    BulkAnswersNothing,
    /// The answer to a bulk request names no operation, and has them in order.
    BulkAnswersBare,
    /// A filter that finds nothing is answered 404 with an error message.
    NobodyIsNotFound,
    /// A filter that finds nothing is answered 204 without a body.
    NobodyIsNoContent,
    /// A user with attributes of the enterprise extension is refused with 400, and the words name its schema.
    ExtensionRefused,
    /// Requests without User-Agent are refused with 403.
    UserAgentRequired,
    /// Every answer is XML.
    AnswersXml,
    /// Every resource is twice on a page.
    ResourcesTwice,
    /// A list without resources has no member Resources.
    ResourcesLeftOut,
    /// Users are read without their groups.
    MembershipsHidden,
    /// Null, empty texts and empty lists in the body of a create or a PUT are refused with 400.
    EmptyRefused,
    /// The schemas of a create or a PUT must be those that its body uses, and no others.
    SchemasExact,
    /// Ids that are numbers are shown as such.
    IdsAreNumbers,
    /// Users are shown with their own id as externalId, whatever is sent.
    ExternalIdMade,
    /// A user who becomes inactive is taken out of all groups.
    MembershipsDropped,
    /// Users with names outside contoso.com are refused with 400.
    ForeignDomainsRefused,
    /// A group without members is not created: 400.
    EmptyGroupsRefused,
    /// Titles and display names of users are cut after 20 characters.
    LongTextsCut,
    /// A list with the parameter startIndex is refused with 400.
    StartIndexRefused,
    /// A list with the parameter count is refused with 400.
    CountUnknown,
}
