//! The attributes of the RFC 7643 schemas (sections 4.1 to 4.3): spelling, type, and whether case
//! counts. What a mapping does not say about its target, it takes from here.

use super::{ObjectKind, TargetPath};

pub(crate) const CORE_USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(crate) const CORE_GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub(crate) const ENTERPRISE_USER: &str =
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Data type of a target attribute (RFC 7643 section 2.3); how a mapped value is written in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetType {
    String,
    Boolean,
    Integer,
    DateTime,
    /// Another resource of the target, by its id.
    Reference,
    Binary,
    /// An object with sub-attributes, such as one element of `roles`.
    Complex,
}

/// What is known of one target attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) target_type: TargetType,
    pub(crate) multi_valued: bool,
    pub(crate) case_exact: bool,
    pub(crate) required: bool,
}

struct Row {
    name: &'static str,
    sub: &'static str,
    definition: Definition,
}

const fn row(name: &'static str, sub: &'static str, target_type: TargetType) -> Row {
    Row {
        name,
        sub,
        definition: Definition {
            target_type,
            multi_valued: false,
            case_exact: false,
            required: false,
        },
    }
}

const fn many(name: &'static str) -> Row {
    let mut row = row(name, "", TargetType::Complex);
    row.definition.multi_valued = true;
    row
}

const fn exact(mut row: Row) -> Row {
    row.definition.case_exact = true;
    row
}

const fn required(mut row: Row) -> Row {
    row.definition.required = true;
    row
}

use TargetType::{Binary, Boolean, Complex, DateTime, Reference, String as Text};

const USER: &[Row] = &[
    exact(row("id", "", Text)),
    exact(row("externalId", "", Text)),
    required(row("userName", "", Text)),
    row("name", "", Complex),
    row("name", "formatted", Text),
    row("name", "familyName", Text),
    row("name", "givenName", Text),
    row("name", "middleName", Text),
    row("name", "honorificPrefix", Text),
    row("name", "honorificSuffix", Text),
    row("displayName", "", Text),
    row("nickName", "", Text),
    row("profileUrl", "", Text),
    row("title", "", Text),
    row("userType", "", Text),
    row("preferredLanguage", "", Text),
    row("locale", "", Text),
    row("timezone", "", Text),
    row("active", "", Boolean),
    row("password", "", Text),
    many("emails"),
    many("phoneNumbers"),
    many("ims"),
    exact(many("photos")),
    many("entitlements"),
    many("roles"),
    exact(many("x509Certificates")),
    exact(row("x509Certificates", "value", Binary)),
    many("addresses"),
    row("addresses", "formatted", Text),
    row("addresses", "streetAddress", Text),
    row("addresses", "locality", Text),
    row("addresses", "region", Text),
    row("addresses", "postalCode", Text),
    row("addresses", "country", Text),
    row("addresses", "type", Text),
    row("addresses", "primary", Boolean),
    row("meta", "lastModified", DateTime),
];

/// Sub-attributes that every multi-valued complex attribute of the core schema has
/// (RFC 7643 section 2.4).
const MULTI_VALUED: &[Row] = &[
    row("", "value", Text),
    row("", "display", Text),
    row("", "type", Text),
    row("", "primary", Boolean),
    exact(row("", "$ref", Text)),
];

const ENTERPRISE: &[Row] = &[
    row("employeeNumber", "", Text),
    row("costCenter", "", Text),
    row("organization", "", Text),
    row("division", "", Text),
    row("department", "", Text),
    row("manager", "", Reference),
    row("manager", "value", Reference),
    row("manager", "displayName", Text),
];

const GROUP: &[Row] = &[
    exact(row("id", "", Text)),
    exact(row("externalId", "", Text)),
    required(row("displayName", "", Text)),
    Row {
        name: "members",
        sub: "",
        definition: Definition {
            target_type: Reference,
            multi_valued: true,
            case_exact: true,
            required: false,
        },
    },
];

/// The definition of a path of the RFC's schemas; `None` for a custom extension or an unknown name.
pub(crate) fn definition(kind: ObjectKind, path: &TargetPath) -> Option<Definition> {
    let rows = match (kind, path.schema()) {
        (ObjectKind::User, None) => USER,
        (ObjectKind::User, Some(ENTERPRISE_USER)) => ENTERPRISE,
        (ObjectKind::Group, None) => GROUP,
        (ObjectKind::User | ObjectKind::Group, Some(_)) => return None,
    };
    let sub = path.sub_attribute().unwrap_or("");
    let exactly = rows
        .iter()
        .find(|row| row.name == path.attribute() && row.sub == sub);
    let found = exactly.or_else(|| {
        rows.iter()
            .find(|row| row.name == path.attribute() && row.definition.multi_valued)?;
        MULTI_VALUED.iter().find(|row| row.sub == sub)
    });
    found.map(|row| row.definition)
}

/// The sub-attributes of a complex attribute of the schemas; none for any other.
pub(crate) fn sub_attributes(kind: ObjectKind, path: &TargetPath) -> Vec<&'static str> {
    let rows = match (kind, path.schema()) {
        (ObjectKind::User, None) => USER,
        (ObjectKind::User, Some(ENTERPRISE_USER)) => ENTERPRISE,
        (ObjectKind::Group, None) => GROUP,
        (ObjectKind::User | ObjectKind::Group, Some(_)) => return Vec::new(),
    };
    if path.sub_attribute().is_some() {
        return Vec::new();
    }
    let of_it: Vec<_> = rows
        .iter()
        .filter(|row| row.name == path.attribute())
        .collect();
    let is_list = of_it.iter().any(|row| row.definition.multi_valued);
    let shared = MULTI_VALUED.iter().filter(|_| is_list);
    let mut names: Vec<_> = of_it.into_iter().chain(shared).map(|row| row.sub).collect();
    names.retain(|name| !name.is_empty());
    names.sort_unstable();
    names.dedup();
    names
}

/// Every attribute name of the schemas of `kind`, for the nearest-name hint of an unknown one.
pub(crate) fn names(kind: ObjectKind) -> impl Iterator<Item = &'static str> {
    let rows = match kind {
        ObjectKind::User => USER,
        ObjectKind::Group => GROUP,
    };
    rows.iter().map(|row| row.name)
}

/// Whether the URN is that of a core schema, which a path need not name.
pub(crate) fn is_core(urn: &str) -> bool {
    urn.eq_ignore_ascii_case(CORE_USER) || urn.eq_ignore_ascii_case(CORE_GROUP)
}

/// The RFC's spelling of its own extension's URN; any other URN as it was typed.
pub(crate) fn spelling_of_urn(urn: &str) -> String {
    if urn.eq_ignore_ascii_case(ENTERPRISE_USER) {
        ENTERPRISE_USER.to_owned()
    } else {
        urn.to_owned()
    }
}

/// The RFC's spelling of a name and its sub-attribute; an unknown name stays as it was typed.
pub(crate) fn spelling_of(
    schema: Option<&str>,
    name: String,
    sub: Option<String>,
) -> (String, Option<String>) {
    let rows: &[&[Row]] = match schema {
        None => &[USER, GROUP],
        Some(ENTERPRISE_USER) => &[ENTERPRISE],
        Some(_) => return (name, sub),
    };
    let mut all = rows.iter().copied().flatten();
    let Some(known) = all.find(|row| row.name.eq_ignore_ascii_case(&name)) else {
        return (name, sub);
    };
    let sub = sub.map(|sub| {
        rows.iter()
            .copied()
            .flatten()
            .filter(|row| row.name == known.name)
            .chain(MULTI_VALUED)
            .find(|row| !row.sub.is_empty() && row.sub.eq_ignore_ascii_case(&sub))
            .map_or(sub, |row| row.sub.to_owned())
    });
    (known.name.to_owned(), sub)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_of(kind: ObjectKind, path: &str) -> Option<TargetType> {
        let path = TargetPath::parse(path).expect("a path");
        definition(kind, &path).map(|definition| definition.target_type)
    }

    #[test]
    fn paths_have_the_types_of_the_rfc() {
        fn user(path: &str) -> Option<TargetType> {
            type_of(ObjectKind::User, path)
        }
        assert_eq!(user("active"), Some(Boolean));
        assert_eq!(user("emails[type eq \"work\"].value"), Some(Text));
        assert_eq!(user("emails[type eq \"work\"].primary"), Some(Boolean));
        assert_eq!(user("addresses[type eq \"work\"].country"), Some(Text));
        assert_eq!(user(&format!("{ENTERPRISE_USER}:manager")), Some(Reference));
        assert_eq!(user("x509Certificates[type eq \"a\"].value"), Some(Binary));
        assert_eq!(user("urn:acme:User:badge"), None);
        assert_eq!(user("emials"), None);
        assert_eq!(type_of(ObjectKind::Group, "members"), Some(Reference));
    }
}
