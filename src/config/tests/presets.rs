//! Presets, ours and those of the reader.

use super::*;
use crate::engine::mapping::{self as engine_mapping};
use crate::engine::model::ObjectKind;

#[test]
fn a_preset_is_outlined() {
    let wizer = preset::outline("wizer").unwrap();
    assert_eq!(wizer.users.matching.len(), 3);
    assert_eq!(wizer.users.matching[0], "externalId");
    assert!(wizer.users.enabled && !wizer.groups.enabled);
    assert_eq!(preset::names().filter_map(preset::outline).count(), 5);
}

#[test]
fn every_preset_loads_and_knows_its_target() {
    let warnings = |name: &str, more: &str| {
        let text = format!(
            "{SOURCE}{}{more}",
            JOB.replace(
                "[jobs.target]",
                &format!("preset = \"{name}\"\n[jobs.target]")
            )
        );
        let loaded = load_text(&text, &[]).unwrap_or_else(|err| panic!("{name}: {err}"));
        (
            loaded.config.jobs.into_iter().next().unwrap(),
            loaded.warnings,
        )
    };
    for name in preset::names() {
        warnings(name, "");
        assert!(
            preset::text(name).unwrap().starts_with("# "),
            "{name} names its source"
        );
        assert!(preset::title(name).is_some());
    }
    let matching = |job: &Job| {
        let mut matching: Vec<_> = job
            .rules
            .users
            .mappings
            .iter()
            .filter_map(|mapping| Some((mapping.matching?, mapping.target.to_string())))
            .collect();
        matching.sort();
        matching
    };
    let (wizer, told) = warnings("wizer", "");
    assert_eq!(told, []);
    assert!(!wizer.rules.groups.enabled);
    assert_eq!(
        matching(&wizer),
        [
            (1, "externalId".to_owned()),
            (2, "emails[type eq \"work\"].value".to_owned()),
            (3, "userName".to_owned()),
        ]
    );
    let (sosafe, told) = warnings("sosafe", "");
    assert_eq!(matching(&sosafe), [(1, "userName".to_owned())]);
    assert_eq!(told, []);
    assert!(sosafe.rules.one_group_each && !wizer.rules.one_group_each);
    let (careless, _) = warnings("sosafe", "[jobs.groups]\none_group_each = false");
    assert!(!careless.rules.one_group_each);
    let filterable = &sosafe.target.dialect.filterable;
    assert_eq!(
        filterable.of(ObjectKind::User),
        Some(&["userName".to_owned()][..])
    );
    assert_eq!(
        filterable.of(ObjectKind::Group),
        Some(&["displayName".to_owned()][..])
    );
    let (wss, _) = warnings("symantec-wss", "");
    assert!(wss.rules.scope.exclude_default_access && wss.rules.groups.enabled);
    let (cse, _) = warnings("sonicwall-cse", "");
    assert!(cse.rules.users.enabled && !cse.rules.groups.enabled);
}

#[test]
fn the_generic_preset_is_the_documented_table() {
    let job = job_with("");
    let table = |kind| {
        let rules = job.rules.rules(kind);
        let lines = rules.mappings.iter().map(|mapping| {
            let source = match &mapping.source {
                engine_mapping::Source::Attribute(name) => name.clone(),
                engine_mapping::Source::Expression(expression) => expression.to_string(),
                engine_mapping::Source::Constant(_) | engine_mapping::Source::None => panic!(),
            };
            let target = mapping.target.to_string();
            let target = target.replace(
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
                "enterprise",
            );
            format!("{target} <- {source}\n")
        });
        lines.collect::<String>()
    };
    insta::assert_snapshot!(table(ObjectKind::User), @r##"
userName <- userPrincipalName
active <- Switch([IsSoftDeleted], , "False", "True", "True", "False")
displayName <- displayName
title <- jobTitle
emails[type eq "work"].value <- mail
preferredLanguage <- preferredLanguage
name.givenName <- givenName
name.familyName <- surname
name.formatted <- Join(" ", [givenName], [surname])
addresses[type eq "work"].formatted <- officeLocation
addresses[type eq "work"].streetAddress <- streetAddress
addresses[type eq "work"].locality <- city
addresses[type eq "work"].region <- state
addresses[type eq "work"].postalCode <- postalCode
addresses[type eq "work"].country <- country
phoneNumbers[type eq "work"].value <- businessPhones[0]
phoneNumbers[type eq "mobile"].value <- mobilePhone
phoneNumbers[type eq "fax"].value <- faxNumber
externalId <- mailNickname
enterprise:employeeNumber <- employeeId
enterprise:department <- department
enterprise:manager <- manager
"##);
    insta::assert_snapshot!(table(ObjectKind::Group), @r##"
displayName <- displayName
externalId <- id
members <- members
"##);
}

#[test]
fn a_preset_of_ones_own_is_a_file_and_its_problems_name_it() {
    let folder = tempfile::tempdir().unwrap();
    let preset = folder.path().join("mine.toml");
    let text = format!(
        "{SOURCE}{}",
        JOB.replace("[jobs.target]", "preset = \"./mine.toml\"\n[jobs.target]")
    );
    fs::write(
        &preset,
        "[users]\nmappings = [ { target = \"userName\", source = \"mail\", match = 1 } \
                        ]\n[groups]\nenabled = false\n",
    )
    .unwrap();
    let loaded = load_in(folder.path(), &text, &[]).unwrap();
    assert_eq!(loaded.config.jobs[0].rules.users.mappings.len(), 1);

    fs::write(
        &preset,
        "[users]\nmappings = [\n  { target = \"userName\", source = \"mial\", match = 1 \
                        } ]\n[groups]\nenabeld = false\n",
    )
    .unwrap();
    insta::assert_snapshot!(load_in(folder.path(), &text, &[]).unwrap_err(), @r##"
entrain.toml:7: jobs.acme.groups.mappings: no mapping of groups has match, so existing groups would be created again
    add match = 1 to the mapping of displayName or of another unique attribute
mine.toml:3: users.mappings[0].source: user attribute mial: there is no source attribute of this name
    did you mean mail?
mine.toml:5: groups.enabeld: unknown key
    did you mean enabled?
"##);
    fs::remove_file(&preset).unwrap();
    insta::assert_snapshot!(load_in(folder.path(), &text, &[]).unwrap_err(), @r##"
entrain.toml:10: jobs.acme.preset: the preset mine.toml cannot be read: No such file or directory (os error 2)
    correct the path, which is relative to the folder of the configuration
"##);
}
