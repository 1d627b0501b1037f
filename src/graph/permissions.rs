//! The application permissions that a configuration needs, and the commands that grant them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::engine::model::CustomSecurityAttribute;

/// What the mappings and scoping filters of a job ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Properties of users and of groups.
    pub(crate) users: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) default_domain: bool,
    pub(crate) administrative_units: bool,
    pub(crate) custom_security_attributes: BTreeSet<CustomSecurityAttribute>,
}

/// An application permission of Microsoft Graph.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Permission {
    pub(super) name: &'static str,
    /// Others that include it.
    included_in: &'static [&'static str],
    /// What is read by it.
    pub(super) reads: &'static str,
}

const APPLICATIONS: Permission = Permission {
    name: "Application.Read.All",
    included_in: &[
        "Application.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ],
    reads: "the application and its assignments",
};
const USERS: Permission = Permission {
    name: "User.Read.All",
    included_in: &[
        "User.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ],
    reads: "users",
};
const GROUPS: Permission = Permission {
    name: "GroupMember.Read.All",
    included_in: &[
        "GroupMember.ReadWrite.All",
        "Group.Read.All",
        "Group.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ],
    reads: "groups and their members",
};
const DOMAINS: Permission = Permission {
    name: "Domain.Read.All",
    included_in: &[
        "Domain.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ],
    reads: "the default domain",
};
const CUSTOM_SECURITY: Permission = Permission {
    name: "CustomSecAttributeAssignment.Read.All",
    included_in: &["CustomSecAttributeAssignment.ReadWrite.All"],
    reads: "custom security attributes",
};
const LIFE_CYCLE: Permission = Permission {
    name: "User-LifeCycleInfo.Read.All",
    included_in: &["User-LifeCycleInfo.ReadWrite.All"],
    reads: "employeeLeaveDateTime",
};

const UNITS: Permission = Permission {
    name: ADMINISTRATIVE_UNITS,
    included_in: &[
        "AdministrativeUnit.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ],
    reads: "administrative units and their members",
};
pub(super) const ADMINISTRATIVE_UNITS: &str = "AdministrativeUnit.Read.All";

/// Without these everything works; they are of use all the same.
const OPTIONAL: &[&str] = &[
    // Confirms removals by the assignments of each object, and by fewer requests.
    "Directory.Read.All",
    "Member.Read.Hidden",
    SYNCHRONIZATION,
    "Synchronization.ReadWrite.All",
];
/// Shows whether Microsoft's own job is enabled, and what to import of it.
pub(super) const SYNCHRONIZATION: &str = "Synchronization.Read.All";

/// The least set for what is wanted.
pub(super) fn needed(wanted: &Wanted) -> Vec<&'static Permission> {
    let mut needed = vec![&APPLICATIONS, &USERS, &GROUPS];
    if wanted
        .users
        .iter()
        .any(|name| name == "employeeLeaveDateTime")
    {
        needed.push(&LIFE_CYCLE);
    }
    if wanted.administrative_units {
        needed.push(&UNITS);
    }
    if wanted.default_domain {
        needed.push(&DOMAINS);
    }
    if !wanted.custom_security_attributes.is_empty() {
        needed.push(&CUSTOM_SECURITY);
    }
    needed
}

/// Those that a call was refused for, or that the token does not name where it can be read.
pub(super) fn missing(
    needed: &[&'static Permission],
    granted: Option<&[String]>,
    refused: &BTreeSet<&'static str>,
) -> Vec<&'static Permission> {
    let is_missing = |one: &&&Permission| {
        let lacks = |granted: &[String]| {
            !granted.iter().any(|name| {
                let name = name.as_str();
                name == one.name || one.included_in.contains(&name)
            })
        };
        refused.contains(one.name) || granted.is_some_and(lacks)
    };
    needed.iter().filter(is_missing).copied().collect()
}

/// Those that nothing needs.
pub(super) fn excess<'g>(needed: &[&'static Permission], granted: &'g [String]) -> Vec<&'g str> {
    let is_of_use = |name: &str| {
        let mut needed = needed.iter();
        needed.any(|one| one.name == name) || OPTIONAL.contains(&name)
    };
    let granted = granted.iter().map(String::as_str);
    granted.filter(|name| !is_of_use(name)).collect()
}

/// The application id of Microsoft Graph itself, in every tenant and cloud.
const GRAPH: &str = "00000003-0000-0000-c000-000000000000";

/// How an administrator grants them: by the Azure CLI, or by PowerShell. No line is longer than 80
/// characters, so that what is copied is whole.
pub(super) fn commands(missing: &[&'static Permission], client_id: Option<&str>) -> String {
    let names: Vec<&str> = missing.iter().map(|one| one.name).collect();
    let mut text = String::new();
    let _ = match client_id {
        Some(client_id) => write!(
            text,
            "with the Azure CLI:\n\
             app={client_id}\n\
             graph={GRAPH}\n\
             for name in {names}; do\n\
             role=$(az ad sp show --id $graph -o tsv \\\n\
             --query \"appRoles[?value=='$name'].id\")\n\
             az ad app permission add --id $app --api $graph \\\n\
             --api-permissions $role=Role\n\
             done\n\
             az ad app permission admin-consent --id $app\n",
            names = names.join(" \\\n")
        ),
        None => write!(
            text,
            "with the Azure CLI, where OBJECT-ID is that of the managed identity:\n\
             me=OBJECT-ID\n\
             graph=$(az ad sp show -o tsv --query id \\\n\
             --id {GRAPH})\n\
             for name in {names}; do\n\
             role=$(az ad sp show --id $graph -o tsv \\\n\
             --query \"appRoles[?value=='$name'].id\")\n\
             az rest --method POST --uri \\\n\
             https://graph.microsoft.com/v1.0/servicePrincipals/$me/appRoleAssignments \\\n\
             --body \"{{'principalId':'$me','resourceId':'$graph','appRoleId':'$role'}}\"\n\
             done\n",
            names = names.join(" \\\n")
        ),
    };
    let me = match client_id {
        Some(client_id) => format!(
            "$app = '{client_id}'\n\
             $me = Get-MgServicePrincipal -Filter \"appId eq '$app'\"\n"
        ),
        None => "$me = Get-MgServicePrincipal -ServicePrincipalId 'OBJECT-ID'\n".to_owned(),
    };
    let _ = write!(
        text,
        "or with PowerShell:\n\
         Connect-MgGraph -Scopes AppRoleAssignment.ReadWrite.All\n\
         $id = '{GRAPH}'\n\
         $graph = Get-MgServicePrincipal -Filter \"appId eq '$id'\"\n\
         {me}\
         foreach ($name in '{names}') {{\n\
         $role = $graph.AppRoles | Where-Object Value -eq $name\n\
         New-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $me.Id `\n\
         -PrincipalId $me.Id -ResourceId $graph.Id -AppRoleId $role.Id\n\
         }}",
        names = names.join("',\n'")
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(permissions: &[&'static Permission]) -> Vec<&'static str> {
        permissions.iter().map(|one| one.name).collect()
    }

    #[test]
    fn a_wider_permission_stands_for_a_narrow_one() {
        let needed = needed(&Wanted {
            default_domain: true,
            ..Wanted::default()
        });
        let granted = ["Directory.Read.All".to_owned(), "Mail.Read".to_owned()];
        let refused = BTreeSet::new();
        assert!(missing(&needed, Some(&granted), &refused).is_empty());
        assert_eq!(excess(&needed, &granted), ["Mail.Read"]);
        let granted = ["User.Read.All".to_owned()];
        assert_eq!(
            names(&missing(&needed, Some(&granted), &refused)),
            [
                "Application.Read.All",
                "GroupMember.Read.All",
                "Domain.Read.All"
            ]
        );
        // A token that cannot be read shows nothing; a call that is refused does.
        let refused = BTreeSet::from(["User.Read.All"]);
        assert_eq!(names(&missing(&needed, None, &refused)), ["User.Read.All"]);
    }

    #[test]
    fn commands_fit_a_terminal() {
        for client_id in [Some("11112222-bbbb-3333-cccc-4444dddd5555"), None] {
            let text = commands(&[&USERS, &CUSTOM_SECURITY, &DOMAINS], client_id);
            for line in text.lines() {
                assert!(line.chars().count() <= 76, "{line}");
            }
        }
    }
}
