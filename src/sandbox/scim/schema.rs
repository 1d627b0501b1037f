//! The attributes of users and groups (RFC 7643 sections 4 and 8.7), written once as a table
//! from which validation, filters, PATCH and the `/Schemas` endpoint are all served.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

pub(super) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(super) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub(super) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// One attribute per line: name, type, characteristics that are not the default. Sub-attributes are indented.
const COMMON_TABLE: &str = "
schemas reference multi exact always
id string exact readOnly always unique
externalId string exact
meta complex readOnly
  resourceType string exact readOnly
  created dateTime readOnly
  lastModified dateTime readOnly
  location reference exact readOnly
  version string exact readOnly
";

const USER_TABLE: &str = "
userName string required unique
name complex
  formatted string
  familyName string
  givenName string
  middleName string
  honorificPrefix string
  honorificSuffix string
displayName string
nickName string
profileUrl reference refs=external
title string
userType string
preferredLanguage string
locale string
timezone string
active boolean
password string writeOnly never
emails complex multi
  value string
  display string
  type string values=work,home,other
  primary boolean
phoneNumbers complex multi
  value string
  display string
  type string values=work,home,mobile,fax,pager,other
  primary boolean
ims complex multi
  value string
  display string
  type string values=aim,gtalk,icq,xmpp,msn,skype,qq,yahoo
  primary boolean
photos complex multi
  value reference refs=external
  display string
  type string values=photo,thumbnail
  primary boolean
addresses complex multi
  formatted string
  streetAddress string
  locality string
  region string
  postalCode string
  country string
  type string values=work,home,other
  primary boolean
groups complex multi readOnly
  value string readOnly
  $ref reference readOnly refs=User,Group
  display string readOnly
  type string readOnly values=direct,indirect
entitlements complex multi
  value string
  display string
  type string
  primary boolean
roles complex multi
  value string
  display string
  type string
  primary boolean
x509Certificates complex multi
  value binary exact
  display string
  type string
  primary boolean
";

const ENTERPRISE_TABLE: &str = "
employeeNumber string
costCenter string
organization string
division string
department string
manager complex
  value string
  $ref reference refs=User
  displayName string readOnly
";

const GROUP_TABLE: &str = "
displayName string required
members complex multi
  value string immutable
  $ref reference immutable refs=User,Group
  type string immutable values=User,Group
";

/// An attribute with what is known of it.
#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    characteristics: Vec<&'static str>,
    pub(super) subs: Vec<Attribute>,
}

impl Attribute {
    pub(super) fn is(&self, characteristic: &str) -> bool {
        self.characteristics.contains(&characteristic)
    }

    pub(super) fn is_multi(&self) -> bool {
        self.is("multi")
    }

    pub(super) fn is_complex(&self) -> bool {
        self.kind == "complex"
    }

    /// References and binary values are always compared as they are.
    pub(super) fn is_exact(&self) -> bool {
        self.is("exact") || self.kind == "reference" || self.kind == "binary"
    }

    pub(super) fn sub(&self, name: &str) -> Option<&Attribute> {
        find(&self.subs, name)
    }

    fn list(&self, prefix: &str) -> Option<Vec<&'static str>> {
        let values = self
            .characteristics
            .iter()
            .find_map(|item| item.strip_prefix(prefix));
        values.map(|values| values.split(',').collect())
    }

    fn describe(&self) -> Value {
        let one_of = |names: &[&'static str], default: &'static str| {
            let found = names.iter().find(|name| self.is(name));
            *found.unwrap_or(&default)
        };
        let mut map = Map::new();
        let mut set = |name: &str, value: Value| {
            map.insert(name.to_owned(), value);
        };
        set("name", json!(self.name));
        set("type", json!(self.kind));
        set("multiValued", json!(self.is_multi()));
        set(
            "description",
            json!(format!("{} of the resource.", self.name)),
        );
        set("required", json!(self.is("required")));
        set(
            "mutability",
            json!(one_of(&["readOnly", "immutable", "writeOnly"], "readWrite")),
        );
        set(
            "returned",
            json!(one_of(&["always", "never", "request"], "default")),
        );
        if !self.is_complex() {
            set("caseExact", json!(self.is_exact()));
            set(
                "uniqueness",
                json!(if self.is("unique") { "server" } else { "none" }),
            );
        }
        if let Some(values) = self.list("values=") {
            set("canonicalValues", json!(values));
        }
        if self.kind == "reference" {
            set(
                "referenceTypes",
                json!(self.list("refs=").unwrap_or_else(|| vec!["uri"])),
            );
        }
        if self.is_complex() {
            let subs: Vec<Value> = self.subs.iter().map(Attribute::describe).collect();
            set("subAttributes", json!(subs));
        }
        Value::Object(map)
    }
}

/// Finds an attribute by its name, in which case does not matter.
pub(super) fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes
        .iter()
        .find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

/// A schema with its attributes.
#[derive(Debug)]
pub(super) struct Schema {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) attributes: Vec<Attribute>,
}

impl Schema {
    fn new(id: &'static str, name: &'static str, table: &'static str) -> Self {
        Self {
            id,
            name,
            attributes: parse(table),
        }
    }

    pub(super) fn describe(&self, base: &str) -> Value {
        let attributes: Vec<Value> = self.attributes.iter().map(Attribute::describe).collect();
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
            "id": self.id, "name": self.name, "description": self.name, "attributes": attributes,
            "meta": {"resourceType": "Schema", "location": format!("{base}/Schemas/{}", self.id)},
        })
    }
}

pub(super) static COMMON: LazyLock<Vec<Attribute>> = LazyLock::new(|| parse(COMMON_TABLE));

pub(super) static SCHEMAS: LazyLock<[Schema; 3]> = LazyLock::new(|| {
    [
        Schema::new(USER, "User", USER_TABLE),
        Schema::new(ENTERPRISE, "Enterprise User", ENTERPRISE_TABLE),
        Schema::new(GROUP, "Group", GROUP_TABLE),
    ]
});

/// The two kinds of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    User,
    Group,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    pub(super) fn endpoint(self) -> &'static str {
        match self {
            Self::User => "Users",
            Self::Group => "Groups",
        }
    }

    pub(super) fn core(self) -> &'static Schema {
        match self {
            Self::User => &SCHEMAS[0],
            Self::Group => &SCHEMAS[2],
        }
    }

    pub(super) fn extension(self) -> Option<&'static Schema> {
        match self {
            Self::User => Some(&SCHEMAS[1]),
            Self::Group => None,
        }
    }
}

fn parse(table: &'static str) -> Vec<Attribute> {
    let mut attributes: Vec<Attribute> = Vec::new();
    for line in table.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        let attribute = Attribute {
            name: words.next().expect("a line names an attribute"),
            kind: words.next().expect("a line names a type"),
            characteristics: words.collect(),
            subs: Vec::new(),
        };
        if line.starts_with(' ') {
            let parent = attributes.last_mut();
            let parent = parent.expect("a sub-attribute follows its attribute");
            parent.subs.push(attribute);
        } else {
            attributes.push(attribute);
        }
    }
    attributes
}
