//! Every method of the contract states a permission, and who may do what is a table that a reviewer can read.

use std::{collections::BTreeSet, fmt::Write};

use vigia_platform::{caller::PERMISSIONS, guard::permissions};

/// Who may do what, as it was last agreed on. A change of rights shows as a difference here.
const AGREED: &str = include_str!("permissions.txt");

#[test]
fn every_method_states_a_permission_that_somebody_holds() {
    let held: BTreeSet<&str> = PERMISSIONS
        .iter()
        .flat_map(|(_, permissions)| permissions.iter().copied())
        .collect();
    for (method, permission) in permissions() {
        let permission = permission.unwrap_or_else(|| panic!("{method} states no permission"));
        assert!(
            permission == "public" || held.contains(permission),
            "{method} needs {permission}, which no role holds"
        );
    }
}

#[test]
fn every_permission_in_the_table_is_asked_for_by_some_method() {
    let asked: BTreeSet<_> = permissions().into_iter().filter_map(|(_, permission)| permission).collect();
    for (role, granted) in PERMISSIONS {
        for permission in granted {
            assert!(
                asked.contains(permission),
                "{} holds {permission}, which no method asks for",
                role.as_str_name()
            );
        }
    }
}

#[test]
fn rights_are_those_agreed_on() {
    let mut table = String::new();
    for (method, permission) in permissions() {
        let permission = permission.unwrap_or("-");
        let roles: Vec<_> = PERMISSIONS
            .iter()
            .filter(|(_, permissions)| permissions.contains(&permission))
            .map(|(role, _)| role.as_str_name().trim_start_matches("ROLE_").to_lowercase())
            .collect();
        let roles = if permission == "public" {
            "everybody".to_owned()
        } else {
            roles.join(" ")
        };
        let _ = writeln!(table, "{method} [{permission}] {roles}");
    }
    assert_eq!(
        table, AGREED,
        "rights have changed; if that is meant, put this into permissions.txt:\n{table}"
    );
}
