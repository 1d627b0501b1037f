//! How targets differ in the form of their requests, as one table: each knob with its words, its meaning
//! and its default. A knob is set in `[jobs.target]` or in a preset; one that is not set is learned from
//! the target's answers where they show it, and otherwise has its default.

/// One knob, for people.
#[derive(Debug)]
pub(crate) struct Knob {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
    /// Each word with what it means; the first is the default.
    pub(crate) words: &'static [(&'static str, &'static str)],
    /// Which targets need it.
    pub(crate) targets: &'static str,
}

macro_rules! knobs {
    ($(
        $(#[doc = $meaning:literal])+
        $field:ident: $kind:ident, $targets:literal {
            $( $(#[doc = $about:literal])+ $word:literal = $variant:ident, )+
        }
    )+) => {
        $(
            $(#[doc = $meaning])+
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub(crate) enum $kind {
                $( $(#[doc = $about])+ $variant, )+
            }

            impl $kind {
                pub(crate) fn as_str(self) -> &'static str {
                    match self { $( Self::$variant => $word, )+ }
                }

                const ALL: &[Self] = &[$( Self::$variant ),+];
            }
        )+

        /// The knobs that are set.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct Knobs {
            $( pub(crate) $field: Option<$kind>, )+
        }

        /// All knobs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct Form {
            $( pub(crate) $field: $kind, )+
        }

        impl Knobs {
            /// These, and the others where nothing is set.
            #[must_use]
            pub(crate) fn or(self, others: Self) -> Self {
                Self { $( $field: self.$field.or(others.$field), )+ }
            }

            pub(crate) fn form(self) -> Form {
                Form { $( $field: self.$field.unwrap_or($kind::ALL[0]), )+ }
            }

            /// Sets a knob by its name. `false`: there is no such knob or word.
            pub(crate) fn set(&mut self, name: &str, word: &str) -> bool {
                match name {
                    $( stringify!($field) => {
                        let found = $kind::ALL.iter().find(|one| one.as_str() == word);
                        self.$field = found.copied().or(self.$field);
                        found.is_some()
                    } )+
                    _ => false,
                }
            }

            /// What is set, by name and word.
            pub(crate) fn words(self) -> Vec<(&'static str, &'static str)> {
                let all = [$( (stringify!($field), self.$field.map($kind::as_str)) ),+];
                all.into_iter().filter_map(|(name, word)| Some((name, word?))).collect()
            }
        }

        impl Form {
            /// The knobs that are not as they are without a word, by name and word.
            pub(crate) fn words(self) -> Vec<(&'static str, &'static str)> {
                let mut words = Vec::new();
                $( if self.$field != $kind::ALL[0] {
                    words.push((stringify!($field), self.$field.as_str()));
                } )+
                words
            }
        }

        /// The table.
        pub(crate) const KNOBS: &[Knob] = &[$( Knob {
            name: stringify!($field),
            meaning: concat!($($meaning),+),
            words: &[$( ($word, concat!($($about),+)) ),+],
            targets: $targets,
        } ),+];
    };
}

knobs! {
    /// Method to change a resource.
    update: Update, "vCenter: put; learned from status 405 or 501 to PATCH, or from the reported capabilities" {
        /// send only the changes (PATCH)
        "patch" = Patch,
        /// read, change and replace the whole resource (PUT)
        "put" = Put,
    }
    /// The same for groups, if different.
    update_groups: UpdateGroups, "AWS: users by put, groups by patch" {
        /// as in `update`
        "same" = Same,
        /// send only the changes (PATCH)
        "patch" = Patch,
        /// replace the whole group (PUT), only if the target returns all members
        "put" = Put,
    }
    /// Whether creates, and changes that remove nothing, are sent several in one request (`/Bulk`).
    bulk: Bulk, "on where the target reports that it supports bulk; off is learned from a refusal of /Bulk and \
                 from bulk requests without effect" {
        /// each in a request of its own
        "off" = Off,
        /// as many as the target accepts in one request (RFC 7644 section 3.7)
        "on" = On,
    }
    /// The content type of request bodies.
    content_type: ContentType, "learned from 415" {
        /// the SCIM type (RFC 7644 section 3.1)
        "application/scim+json" = Scim,
        /// plain JSON
        "application/json" = Json,
    }
    /// Form of the operations of a PATCH.
    patch_path: PatchPath, "Okta's form: value; Entra with aadOptscim062020: dotted" {
        /// each with a path (RFC 7644 section 3.5.2)
        "path" = Path,
        /// one operation without a path, with the values as in the resource
        "value" = Value,
        /// the same with names such as `name.givenName`; elements of lists have a path
        "dotted" = Dotted,
    }
    /// Number of operations in one PATCH.
    patch_operations: PatchOperations, "targets that accept one change per request" {
        /// all changes of a resource
        "together" = Together,
        /// one
        "one" = One,
    }
    /// Case of the operations in a PATCH.
    op_case: OpCase, "built against Entra's client: capital" {
        /// `add`, `replace`, `remove` (RFC 7644 section 3.5.2)
        "lower" = Lower,
        /// `Add`, `Replace`, `Remove`
        "capital" = Capital,
    }
    /// How to change one element of a list, such as the work address.
    value_paths: ValuePaths, "built against Entra's client: always; whole is learned from invalidPath \
                              and from changes without effect" {
        /// by `emails[type eq "work"].value`; a missing element is added as a whole
        "filter" = Filter,
        /// always by that path, also for a missing element, as in Entra
        "always" = Always,
        /// by the whole list, which is read first
        "whole" = Whole,
    }
    /// How to change one part of a complex attribute.
    sub_attributes: SubAttributes, "whole is learned from invalidPath and from changes without effect" {
        /// by `name.givenName`
        "path" = Path,
        /// by the whole `name`, which is read first
        "whole" = Whole,
    }
    /// How to name an extension attribute in a PATCH.
    extensions: Extensions, "targets that do not support paths with a URN: object" {
        /// by its path, the schema's URN and the name
        "path" = Path,
        /// inside an object at the path of the schema
        "object" = Object,
    }
    /// How to clear a value.
    clear: Clear, "learned from changes without effect" {
        /// by the operation `remove`
        "remove" = Remove,
        /// by `replace` with null
        "null" = Null,
        /// by `replace` with an empty text or list
        "empty" = Empty,
    }
    /// How to write a Boolean in a PATCH, such as `active`.
    booleans: Booleans, "built against Entra's client: text" {
        /// true or false
        "boolean" = Boolean,
        /// "True" or "False"
        "text" = Text,
    }
    /// How to write the manager.
    manager: Manager, "built against Entra's client: text" {
        /// as an object with the id as its value
        "object" = Object,
        /// as the plain id
        "text" = Text,
        /// as a list with one such object
        "list" = List,
    }
    /// Whether to send a page size with list requests.
    count: Count, "targets that fail on any count; detected in each cycle" {
        /// with `count`
        "send" = Send,
        /// without
        "omit" = Omit,
    }
    /// What to do about a mapping of an attribute that the target's schemas report as read-only or do not contain.
    schema: Schema, "targets that refuse attributes that their schemas do not contain: trust" {
        /// send it, and warn in `test`, `check` and the plan
        "remark" = Remark,
        /// do not send it
        "trust" = Trust,
        /// send it without a warning
        "ignore" = Ignore,
    }
    /// How to create a group.
    group_create: GroupCreate, "with-member is learned from a refusal (400, 422) that says that a group needs members" {
        /// empty, and its members are added after it
        "empty" = Empty,
        /// with one of its members; a group without members waits for the first
        "with-member" = WithMember,
    }
    /// How to add members to a group that has others.
    member_add: MemberAdd, "all is learned where an addition took out the members that were there before" {
        /// one operation with the new members (RFC 7644 section 3.5.2.1)
        "new" = New,
        /// one operation with all members, which are read first
        "all" = All,
    }
    /// How to remove members from a group.
    member_remove: MemberRemove, "built against Entra's client: value-list" {
        /// one operation with `members[value eq "id"]` for each (RFC 7644 section 3.5.2.2)
        "filter" = Filter,
        /// one operation with a list of values, as in Entra
        "value-list" = ValueList,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_knob_can_be_set_by_each_of_its_words() {
        for knob in KNOBS {
            for (word, _) in knob.words {
                let mut knobs = Knobs::default();
                assert!(knobs.set(knob.name, word));
                assert_eq!(knobs.words(), [(knob.name, *word)]);
                assert_eq!(Knobs::default().or(knobs), knobs);
            }
            assert!(!Knobs::default().set(knob.name, "no such word"));
        }
        assert!(!Knobs::default().set("no such knob", "patch"));
    }
}
