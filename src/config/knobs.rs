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
    /// How a resource is changed.
    update: Update, "vCenter: put; a target that answers 405 or 501 to PATCH, or says that it has none: learned" {
        /// by its changes (PATCH)
        "patch" = Patch,
        /// as a whole: it is read, changed and replaced (PUT)
        "put" = Put,
    }
    /// The same for groups, where it is something else.
    update_groups: UpdateGroups, "AWS: users by put, groups by patch" {
        /// as `update` says
        "same" = Same,
        /// by their changes (PATCH)
        "patch" = Patch,
        /// as a whole (PUT), only where the target shows all members
        "put" = Put,
    }
    /// The content type of request bodies.
    content_type: ContentType, "learned from 415" {
        /// the SCIM type (RFC 7644 section 3.1)
        "application/scim+json" = Scim,
        /// plain JSON
        "application/json" = Json,
    }
    /// How the operations of a PATCH are put.
    patch_path: PatchPath, "Okta's form: value; Entra with aadOptscim062020: dotted" {
        /// each with a path (RFC 7644 section 3.5.2)
        "path" = Path,
        /// what is set goes into one operation without a path, as the resource has it
        "value" = Value,
        /// likewise, by names such as `name.givenName`; elements of lists have a path
        "dotted" = Dotted,
    }
    /// How many operations one PATCH holds.
    patch_operations: PatchOperations, "targets that take one change at a time" {
        /// all changes of a resource
        "together" = Together,
        /// one
        "one" = One,
    }
    /// How the verbs of a PATCH are written.
    op_case: OpCase, "built against Entra's client: capital" {
        /// `add`, `replace`, `remove` (RFC 7644 section 3.5.2)
        "lower" = Lower,
        /// `Add`, `Replace`, `Remove`
        "capital" = Capital,
    }
    /// How one element of a list is changed, such as the work address.
    value_paths: ValuePaths, "built against Entra's client: always; whole is learned from invalidPath and from changes without effect" {
        /// by `emails[type eq "work"].value`; one that is not there is added as a whole
        "filter" = Filter,
        /// by that path also where the element is not there, as Entra sends it
        "always" = Always,
        /// by the whole list, which is read first
        "whole" = Whole,
    }
    /// How one part of a complex attribute is changed.
    sub_attributes: SubAttributes, "whole is learned from invalidPath and from changes without effect" {
        /// by `name.givenName`
        "path" = Path,
        /// by the whole `name`, which is read first
        "whole" = Whole,
    }
    /// How an attribute of an extension is named in a PATCH.
    extensions: Extensions, "targets that read no path with a URN: object" {
        /// by its path, the schema's URN and the name
        "path" = Path,
        /// inside an object at the path of the schema
        "object" = Object,
    }
    /// How a value is taken away.
    clear: Clear, "learned from changes without effect" {
        /// by the operation `remove`
        "remove" = Remove,
        /// by `replace` with null
        "null" = Null,
        /// by `replace` with an empty text or list
        "empty" = Empty,
    }
    /// How a truth value is written in a PATCH, such as that of `active`.
    booleans: Booleans, "built against Entra's client: text" {
        /// true or false
        "boolean" = Boolean,
        /// "True" or "False"
        "text" = Text,
    }
    /// How the manager is written.
    manager: Manager, "built against Entra's client: text" {
        /// as an object with the id as its value
        "object" = Object,
        /// as the bare id
        "text" = Text,
        /// as a list with one such object
        "list" = List,
    }
    /// Whether lists are requested with a page size.
    count: Count, "targets that fail on any count: found out by itself in each cycle" {
        /// with `count`
        "send" = Send,
        /// without
        "omit" = Omit,
    }
    /// What is done about a mapping of an attribute that the target reports as read-only, or not at all.
    schema: Schema, "targets that refuse what their schemas do not have: trust" {
        /// it is sent anyway, and `test`, `check` and the plan show it
        "remark" = Remark,
        /// it is not sent
        "trust" = Trust,
        /// it is sent, and nothing is shown
        "ignore" = Ignore,
    }
    /// How members are taken out of a group.
    member_remove: MemberRemove, "built against Entra's client: value-list" {
        /// one operation with `members[value eq "id"]` for each (RFC 7644 section 3.5.2.2)
        "filter" = Filter,
        /// one operation with a list of values, as Entra sends it
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
