//! Nested groups: what changes anywhere inside a group reaches every group around it.

use std::collections::BTreeSet;

use entrain::sandbox::{ROLE_USER, Size, Uuid};

use crate::rig::Rig;

/// Outer holds Mid, which holds Deep; each of three people is in one of them, and all are assigned
/// themselves, so that they stay in scope whatever becomes of the groups.
struct Nest {
    rig: Rig,
    outer: Uuid,
    mid: Uuid,
    deep: Uuid,
}

impl Nest {
    async fn start() -> Self {
        let rig = Rig::start(Size::new(3, 0, 0)).await;
        rig.configure("[jobs.scope]\nnested_groups = true");
        let [outer, mid, deep] = ["Outer", "Mid", "Deep"].map(|name| rig.tenant().add_group(name));
        for (group, alias) in [(outer, "olga"), (mid, "mia"), (deep, "dan")] {
            let person = rig.joiner(alias);
            rig.tenant().add_members(group, &[person]);
        }
        rig.tenant().add_members(outer, &[mid]);
        rig.tenant().add_members(mid, &[deep]);
        rig.tenant().assign(outer, ROLE_USER);
        let nest = Self {
            rig,
            outer,
            mid,
            deep,
        };
        nest.sync().await;
        nest.outer_has(&["dan", "mia", "olga"]).await;
        nest
    }

    async fn sync(&self) {
        self.rig.sync().await.expect(0);
    }

    async fn outer_has(&self, aliases: &[&str]) {
        let view = self.rig.target().await;
        let expected: BTreeSet<String> = aliases
            .iter()
            .map(|alias| format!("{alias}@contoso.com"))
            .collect();
        assert_eq!(view.groups["Outer"], expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_added_to_an_inner_group_reaches_the_outer_one() {
    let nest = Nest::start().await;
    let new = nest.rig.joiner("nina");
    nest.sync().await;
    nest.rig.tenant().add_members(nest.mid, &[new]);
    nest.sync().await;
    nest.outer_has(&["dan", "mia", "nina", "olga"]).await;
    let deepest = nest.rig.joiner("dora");
    nest.sync().await;
    nest.rig.tenant().add_members(nest.deep, &[deepest]);
    nest.sync().await;
    nest.outer_has(&["dan", "dora", "mia", "nina", "olga"])
        .await;
    nest.rig.tenant().remove_members(nest.deep, &[deepest]);
    nest.sync().await;
    nest.outer_has(&["dan", "mia", "nina", "olga"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_taken_out_of_an_inner_group_takes_its_members_out_of_the_outer_one() {
    let nest = Nest::start().await;
    nest.rig.tenant().remove_members(nest.mid, &[nest.deep]);
    nest.sync().await;
    nest.outer_has(&["mia", "olga"]).await;
    nest.rig.tenant().remove_members(nest.outer, &[nest.mid]);
    nest.sync().await;
    nest.outer_has(&["olga"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_put_into_an_inner_group_brings_its_members_into_the_outer_one() {
    let nest = Nest::start().await;
    let other = nest.rig.tenant().add_group("Other");
    let new = nest.rig.joiner("nina");
    nest.rig.tenant().add_members(other, &[new]);
    nest.sync().await;
    nest.rig.tenant().add_members(nest.mid, &[other]);
    nest.sync().await;
    nest.outer_has(&["dan", "mia", "nina", "olga"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inner_group_in_the_recycle_bin_gives_no_members_until_it_is_restored() {
    let nest = Nest::start().await;
    nest.rig.tenant().soft_delete_group(nest.deep);
    nest.sync().await;
    nest.outer_has(&["mia", "olga"]).await;
    nest.rig.tenant().restore_group(nest.deep);
    nest.sync().await;
    nest.outer_has(&["dan", "mia", "olga"]).await;
    nest.rig.tenant().hard_delete_group(nest.mid);
    nest.sync().await;
    nest.outer_has(&["olga"]).await;
}

/// A person of an inner group who leaves and comes back: the link's events concern every group around.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_inside_who_goes_and_comes_back_is_followed_in_the_outer_group() {
    let nest = Nest::start().await;
    let dan = nest
        .rig
        .tenant()
        .find_user_by("userPrincipalName", "dan@contoso.com")
        .unwrap()
        .id;
    nest.rig.tenant().soft_delete_user(dan);
    nest.sync().await;
    nest.outer_has(&["mia", "olga"]).await;
    nest.rig.tenant().restore_user(dan);
    nest.sync().await;
    nest.outer_has(&["dan", "mia", "olga"]).await;
    // Alone first, so that the group around is left to the link's event.
    nest.rig.tenant().soft_delete_user(dan);
    nest.rig
        .run(&["sync", "--user", &dan.to_string()])
        .await
        .expect(0);
    nest.sync().await;
    nest.outer_has(&["mia", "olga"]).await;
}

/// The same with a complete reading from the beginning, which reports no removal.
#[tokio::test(flavor = "multi_thread")]
async fn a_reading_from_the_beginning_finds_what_left_an_inner_group() {
    let nest = Nest::start().await;
    nest.rig.tenant().remove_members(nest.mid, &[nest.deep]);
    nest.rig.tenant().expire_delta_links();
    nest.sync().await;
    nest.outer_has(&["mia", "olga"]).await;
}
