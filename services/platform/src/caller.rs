//! Who calls, and where it may do what it asks for.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use tonic::{Request, Status};
use vigia_proto::{
    error::Reason,
    identity::{Role, RoleGrant},
};

use crate::{clock::Clock, error::Error, token::Claims};

/// What each role may do: the one table. A permission that no role holds is denied to everybody.
pub const PERMISSIONS: [(Role, &[&str]); 9] = [
    (
        Role::Reporter,
        &[
            "any",
            "plans.read",
            "institutions.read",
            "assignments.read",
            "obligations.read",
            "outages.read",
            "reports.draft",
            "reports.submit",
            "reports.read",
            "evidence.upload",
            "evidence.read",
            "compliance.read",
            "alerts.read",
            "alerts.acknowledge",
            "journal.read",
            "assessments.read",
            "comments.read",
        ],
    ),
    (
        Role::Head,
        &[
            "any",
            "plans.read",
            "institutions.read",
            "assignments.read",
            "assignments.answer",
            "obligations.read",
            "outages.read",
            "reports.draft",
            "reports.submit",
            "reports.read",
            "evidence.upload",
            "evidence.read",
            "compliance.read",
            "alerts.read",
            "alerts.acknowledge",
            "journal.read",
            "assessments.read",
            "comments.read",
        ],
    ),
    (
        Role::Coordinator,
        &[
            "any",
            "plans.read",
            "plans.write",
            "plans.revise",
            "institutions.read",
            "institutions.write",
            "assignments.read",
            "assignments.write",
            "obligations.read",
            "outages.read",
            "obligations.manage",
            "reports.read",
            "reports.erase",
            "evidence.read",
            "compliance.read",
            "alerts.read",
            "alerts.acknowledge",
            "alerts.manage",
            "assessments.read",
            "comments.read",
            "follow_ups.read",
            "follow_ups.write",
        ],
    ),
    (
        Role::Reviewer,
        &[
            "any",
            "plans.read",
            "institutions.read",
            "assignments.read",
            "obligations.read",
            "outages.read",
            "reports.read",
            "reports.review",
            "evidence.upload",
            "evidence.read",
            "compliance.read",
            "alerts.read",
            "alerts.acknowledge",
            "assessments.read",
            "comments.read",
            "follow_ups.read",
        ],
    ),
    (
        Role::Approver,
        &[
            "any",
            "plans.read",
            "plans.approve",
            "institutions.read",
            "assignments.read",
            "obligations.read",
            "outages.read",
            "reports.read",
            "evidence.read",
            "compliance.read",
            "alerts.read",
            "assessments.read",
            "comments.read",
            "follow_ups.read",
        ],
    ),
    (
        Role::Counterpart,
        &[
            "any",
            "plans.read",
            "institutions.read",
            "assignments.read",
            "outages.read",
            "evidence.read",
            "compliance.read",
            "assessments.read",
            "assessments.write",
            "comments.read",
            "comments.write",
        ],
    ),
    (
        Role::Auditor,
        &[
            "any",
            "plans.read",
            "institutions.read",
            "assignments.read",
            "obligations.read",
            "outages.read",
            "reports.read",
            "evidence.read",
            "compliance.read",
            "alerts.read",
            "journal.read",
            "journal.follow",
            "identity.read",
            "assessments.read",
            "assessments.write",
            "comments.read",
            "comments.write",
            "follow_ups.read",
        ],
    ),
    (
        Role::Administrator,
        &["any", "identity.read", "identity.write", "reports.erase", "texts.erase"],
    ),
    (
        Role::Service,
        &[
            "any",
            "plans.read",
            "institutions.read",
            "assignments.read",
            "journal.read",
            "journal.follow",
        ],
    ),
];

/// Roles that are held for one institution only.
pub fn needs_institution(role: Role) -> bool {
    matches!(role, Role::Reporter | Role::Head | Role::Counterpart)
}

/// What a principal sees with these permissions is open to all, though it holds them for one institution only.
const OPEN_TO_HOLDERS: [&str; 7] = [
    "any",
    "plans.read",
    "institutions.read",
    "outages.read",
    "compliance.read",
    "assessments.read",
    "comments.read",
];

/// Where a permission holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere.
    Everywhere,
    /// For these institutions, as resource names.
    Institutions(BTreeSet<String>),
}

/// Where a permission holds for somebody with these roles; none where it does not hold at all.
pub fn scope_of(permission: &str, grants: &[RoleGrant]) -> Option<Scope> {
    let mut institutions = BTreeSet::new();
    for grant in grants {
        let holds = PERMISSIONS
            .iter()
            .any(|(role, permissions)| *role == grant.role() && permissions.contains(&permission));
        if !holds {
            continue;
        }
        if grant.scope.is_empty() && !needs_institution(grant.role()) || OPEN_TO_HOLDERS.contains(&permission) {
            return Some(Scope::Everywhere);
        }
        institutions.insert(grant.scope.clone());
    }
    (!institutions.is_empty()).then_some(Scope::Institutions(institutions))
}

/// Who calls. Only the permission layer makes one, after it has checked the token and the method's permission; what
/// touches rows asks for it, so unchecked access does not compile.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Whose token it is; none where nobody need show one, and of Vigía itself.
    pub(crate) claims: Option<Arc<Claims>>,
    pub(crate) grants: Arc<Vec<RoleGrant>>,
    pub(crate) permission: &'static str,
    pub(crate) method: &'static str,
    pub(crate) scope: Scope,
    pub(crate) received_at: Timestamp,
    /// Whether the request's last byte was here at `received_at`.
    pub(crate) is_received: bool,
    pub(crate) clock: Clock,
}

impl Caller {
    /// Vigía itself, for what is done at its own command line and not by a call: making the first administrator.
    pub fn vigia(clock: &Clock, command: &'static str) -> Self {
        Self {
            claims: None,
            grants: Arc::default(),
            permission: "",
            method: command,
            scope: Scope::Everywhere,
            received_at: clock.now(),
            is_received: false,
            clock: clock.clone(),
        }
    }

    /// The caller of a request, whose last byte is here now, or was before the permission layer had to wait.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        let caller = request.extensions().get::<Self>().cloned();
        let mut caller = caller.ok_or_else(|| Status::from(Self::unknown()))?;
        if !caller.is_received {
            caller.received_at = caller.clock.now();
        }
        Ok(caller)
    }

    /// The refusal for who brings no token, or a wrong one. It does not say what was wrong with it.
    pub(crate) fn unknown() -> Error {
        Error::refused(
            Reason::Unauthenticated,
            "Falta un token válido: pida uno con IssueToken y envíelo como «authorization: Bearer …».",
            "A valid token is missing: get one with IssueToken and send it as \"authorization: Bearer …\".",
        )
    }

    /// `clients/…` or `accounts/…`.
    pub fn principal(&self) -> &str {
        self.claims.as_ref().map_or("", |claims| &claims.sub)
    }

    /// Whether it is a person and not a system.
    pub fn is_person(&self) -> bool {
        self.principal().starts_with("accounts/")
    }

    /// Where the permission that was used holds.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether the permission holds for this institution, given as resource name.
    pub fn sees(&self, institution: &str) -> bool {
        match &self.scope {
            Scope::Everywhere => true,
            Scope::Institutions(institutions) => institutions.contains(institution),
        }
    }

    /// The permission that was used.
    pub fn permission(&self) -> &'static str {
        self.permission
    }

    /// The method that is called, as gRPC path.
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// The roles it holds.
    pub fn grants(&self) -> &[RoleGrant] {
        &self.grants
    }

    /// The id of its token and when that ends.
    pub fn token(&self) -> (&str, Timestamp) {
        self.claims.as_ref().map_or(("", Timestamp::MIN), |claims| {
            let expires_at = Timestamp::from_second(claims.exp).unwrap_or(Timestamp::MAX);
            (&claims.jti, expires_at)
        })
    }

    /// When the request's last byte was here, in domain time.
    pub fn received_at(&self) -> Timestamp {
        self.received_at
    }
}
