//! What Graph says of one user or group: the groups that it is in, and the app roles that it holds.

use super::super::reply::Reply;
use super::super::tenant::{Principal, Stream};
use super::answer::{Problem, page};
use super::read::{Permission, Reader};

impl Reader<'_> {
    /// `memberOf`: the groups of which the object is a direct member.
    pub(super) fn member_of(&self, stream: Stream, id: &str) -> Result<Reply, Problem> {
        let principal = self.find(stream, id)?;
        let directory = &self.tenant.directory;
        let places = 0..u32::try_from(directory.groups.len()).unwrap_or(u32::MAX);
        let groups: Vec<Principal> = places
            .filter(|place| {
                let group = &directory.groups[*place as usize];
                group.object.is_active() && group.members.contains_key(&principal)
            })
            .map(Principal::Group)
            .collect();
        let names = self.options.select.clone().unwrap_or_default();
        let entries = self.window(&groups)?;
        let rest = entries.1;
        let entries: Vec<String> = entries
            .0
            .iter()
            .map(|group| {
                let kind = Some(("@odata.type", "#microsoft.graph.group"));
                self.render(*group, &names, kind)
            })
            .collect();
        let path = format!("{}/{id}/memberOf/microsoft.graph.group", collection(stream));
        let context = self.context("groups");
        Ok(page(&context, &self.next(&path, rest), &entries))
    }

    /// `transitiveMemberOf`: the groups around the object, however far.
    pub(super) fn transitive_member_of(&self, stream: Stream, id: &str) -> Result<Reply, Problem> {
        let principal = self.find(stream, id)?;
        let directory = &self.tenant.directory;
        let places = 0..u32::try_from(directory.groups.len()).unwrap_or(u32::MAX);
        let groups: Vec<Principal> = places
            .filter(|place| {
                let is_active = directory.groups[*place as usize].object.is_active();
                let mut inside = directory.transitive_members(*place as usize);
                is_active && inside.remove(&principal)
            })
            .map(Principal::Group)
            .collect();
        let names = self.options.select.clone().unwrap_or_default();
        let (window, rest) = self.window(&groups)?;
        let kind = Some(("@odata.type", "#microsoft.graph.group"));
        let entries = window.iter().map(|group| self.render(*group, &names, kind));
        let entries: Vec<String> = entries.collect();
        let path = format!("{}/{id}/transitiveMemberOf", collection(stream));
        let context = self.context("directoryObjects");
        Ok(page(&context, &self.next(&path, rest), &entries))
    }

    /// `appRoleAssignments`: those of a user include what comes by the groups that it is directly in.
    pub(super) fn role_assignments(&self, stream: Stream, id: &str) -> Result<Reply, Problem> {
        self.require(Permission::Directory)?;
        let principal = self.find(stream, id)?;
        let directory = &self.tenant.directory;
        let object = directory.object(principal).id;
        let holds = |holder| {
            let group = directory.group(holder);
            let through = group.is_some_and(|group| group.members.contains_key(&principal));
            holder == object || (stream == Stream::Users && through)
        };
        let all = directory.application.entries(holds);
        let entries = self.window(&all)?;
        let path = format!("{}/{id}/appRoleAssignments", collection(stream));
        let context = self.context("appRoleAssignments");
        Ok(page(&context, &self.next(&path, entries.1), entries.0))
    }

    /// The entries of one page, and the cursor behind them when more follow.
    fn window<'e, T>(&self, all: &'e [T]) -> Result<(&'e [T], Option<u64>), Problem> {
        let start = usize::try_from(self.cursor()?).unwrap_or(usize::MAX);
        let start = start.min(all.len());
        let end = start.saturating_add(self.page_size()).min(all.len());
        let rest = (end < all.len()).then_some(end as u64);
        Ok((&all[start..end], rest))
    }

    fn find(&self, stream: Stream, id: &str) -> Result<Principal, Problem> {
        match stream {
            Stream::Users => {
                self.require(Permission::Users)?;
                self.find_user(id)
            }
            Stream::Groups => {
                self.require(Permission::Groups)?;
                self.find_group(id)
            }
        }
    }
}

fn collection(stream: Stream) -> &'static str {
    match stream {
        Stream::Users => "users",
        Stream::Groups => "groups",
    }
}
