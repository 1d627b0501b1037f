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
