//! Roles as the command line names them.

use anyhow::Result;
use clap::{Args, ValueEnum};
use vigia_proto::identity::{Role, RoleGrant};

use super::desk::named;
use crate::{lang::say, output::Usage};

/// A role that can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// Reporta por una institución / reports for an institution.
    Reporter,
    /// Máxima autoridad de una institución: acepta e impugna / answers for an institution: accepts and contests.
    Head,
    /// Lleva planes y asignaciones / keeps plans and assignments.
    Coordinator,
    /// Valida reportes / judges reports.
    Reviewer,
    /// Aprueba revisiones de planes / approves revisions of plans.
    Approver,
    /// Contraparte: lee y valora / civil society or academia: reads and assesses.
    Counterpart,
    /// Lee todo, también las bitácoras / reads all, the journals included.
    Auditor,
    /// Administra cuentas y clientes / keeps principals.
    Administrator,
}

impl RoleName {
    fn role(self) -> Role {
        match self {
            Self::Reporter => Role::Reporter,
            Self::Head => Role::Head,
            Self::Coordinator => Role::Coordinator,
            Self::Reviewer => Role::Reviewer,
            Self::Approver => Role::Approver,
            Self::Counterpart => Role::Counterpart,
            Self::Auditor => Role::Auditor,
            Self::Administrator => Role::Administrator,
        }
    }

    /// The role as it is granted: for one institution, or everywhere.
    pub fn grant(self, institution: Option<&str>) -> Result<RoleGrant> {
        if institution.is_none() && matches!(self, Self::Reporter | Self::Head | Self::Counterpart) {
            return Err(Usage::of(say(
                "falta --institution: reporter, head y counterpart son para una institución, como institutions/msp",
                "--institution is missing: reporter, head and counterpart are for one institution, such as institutions/msp",
            )));
        }
        Ok(RoleGrant {
            role: self.role().into(),
            scope: institution.map(|id| named("institutions", id)).unwrap_or_default(),
        })
    }
}

/// Roles for somebody new.
#[derive(Args, Clone, Debug)]
pub struct Roles {
    /// Rol; puede repetirse / role; can be said again.
    #[arg(long = "role", value_enum)]
    pub roles: Vec<RoleName>,
    /// Institución de los roles, como institutions/msp o msp; para reporter, head y counterpart hace falta / the roles'
    /// institution; reporter, head and counterpart need one.
    #[arg(long)]
    pub institution: Option<String>,
}

impl Roles {
    /// The roles as they are granted.
    pub fn grants(&self) -> Result<Vec<RoleGrant>> {
        if self.roles.is_empty() && self.institution.is_some() {
            return Err(Usage::of(say(
                "falta --role: --institution es de los roles",
                "--role is missing: --institution is the roles'",
            )));
        }
        self.roles.iter().map(|role| role.grant(self.institution.as_deref())).collect()
    }
}

/// A grant in words: `reporter institutions/msp`.
pub fn shown(grant: &RoleGrant) -> String {
    let role = grant.role().as_str_name().trim_start_matches("ROLE_").to_lowercase();
    format!("{role} {}", grant.scope).trim_end().to_owned()
}

/// Grants in words.
pub fn all_shown(grants: &[RoleGrant]) -> String {
    if grants.is_empty() {
        return say("sin roles: délos con «vigia grant»", "no roles: give them with \"vigia grant\"").to_owned();
    }
    grants.iter().map(shown).collect::<Vec<_>>().join(", ")
}
