//! `directory/administrativeUnits` and their members.

use serde_json::json;
use uuid::Uuid;

use super::super::reply::Reply;
use super::super::tenant::{Principal, Unit};
use super::answer::{Link, Problem, object, page, text};
use super::read::{Permission, Reader, defaults, kind};

impl Reader<'_> {
    pub(super) fn units(&self, rest: &[&str]) -> Result<Reply, Problem> {
        self.require(Permission::Units)?;
        match rest {
            [] => {
                let units = self.directory().units.iter();
                let units: Vec<String> = units
                    .map(|unit| self.narrow(unit.render()).to_string())
                    .collect();
                let context = self.context("directory/administrativeUnits");
                Ok(page(&context, &Link::None, &units))
            }
            [id] => {
                let mut unit = self.narrow(self.find_unit(id)?.render());
                let context = self.context("directory/administrativeUnits/$entity");
                unit["@odata.context"] = json!(context);
                Ok(object(&unit))
            }
            [id, "members"] => self.unit_members(id),
            [id, "members", member] => {
                let unit = self.find_unit(id)?;
                let found = Uuid::parse_str(member).ok();
                let found = found.and_then(|id| self.directory().principal(id));
                let found = found.filter(|one| self.shown(unit).contains(one));
                let found = found.ok_or_else(|| Problem::not_found(member))?;
                Ok(text(self.unit_member(found)))
            }
            [_, other, ..] => Err(Problem::no_segment(other)),
        }
    }

    fn unit_members(&self, id: &str) -> Result<Reply, Problem> {
        let members = self.shown(self.find_unit(id)?);
        let start = usize::try_from(self.cursor()?).unwrap_or(usize::MAX);
        let size = self.page_size();
        let listed: Vec<String> = members
            .iter()
            .skip(start)
            .take(size)
            .map(|member| self.unit_member(*member))
            .collect();
        let end = start.saturating_add(size);
        let rest = (end < members.len()).then(|| u64::try_from(end).unwrap_or(u64::MAX));
        let path = format!("directory/administrativeUnits/{id}/members");
        let context = self.context("directoryObjects");
        Ok(page(&context, &self.next(&path, rest), &listed))
    }

    /// What of a unit's members this reader sees.
    fn shown(&self, unit: &Unit) -> Vec<Principal> {
        let may_see = !unit.is_hidden
            || self
                .tenant
                .settings
                .permissions
                .contains("Member.Read.Hidden");
        let members = unit.members.iter().copied();
        members
            .filter(|member| may_see && self.directory().object(*member).is_active())
            .collect()
    }

    fn unit_member(&self, member: Principal) -> String {
        let (stream, kind) = kind(member);
        let names = self.options.select.clone();
        let names = names.unwrap_or_else(|| defaults(stream));
        self.render(member, &names, Some(("@odata.type", kind)))
    }

    fn find_unit(&self, id: &str) -> Result<&Unit, Problem> {
        let mut units = self.directory().units.iter();
        let unit = units.find(|unit| unit.id.to_string().eq_ignore_ascii_case(id));
        unit.ok_or_else(|| Problem::not_found(id))
    }
}
