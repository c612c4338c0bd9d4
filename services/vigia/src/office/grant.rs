//! `vigia grant` and `vigia revoke`.

use anyhow::Result;
use vigia_platform::new_id;
use vigia_proto::identity::{GrantRoleRequest, RevokeRoleRequest, RoleGrant, principal_service_client::PrincipalServiceClient};

use super::{
    desk::{self, settle},
    role::{RoleName, all_shown},
};
use crate::{access::Access, cast::Principal, lang::say, output::Usage, refused::told};

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// accounts/ana o clients/msp-1.
    pub principal: String,
    /// El rol / the role.
    #[arg(value_enum)]
    pub role: RoleName,
    /// Institución, como institutions/msp o msp; para reporter, head y counterpart hace falta / institution; reporter, head
    /// and counterpart need one.
    #[arg(long)]
    pub institution: Option<String>,
    #[command(flatten)]
    pub access: Access,
}

impl Args {
    fn parse(&self) -> Result<RoleGrant> {
        if !self.principal.starts_with("accounts/") && !self.principal.starts_with("clients/") {
            let (name, text) = (
                &self.principal,
                say("diga si es persona o sistema", "say whether it is a person or a system"),
            );
            return Err(Usage::of(format!("{name}: {text}: accounts/{name}, clients/{name}")));
        }
        self.role.grant(self.institution.as_deref())
    }
}

/// Grants roles to somebody who was just made; gives all that it has then.
pub async fn grant_all(principal: &Principal, to: &str, grants: &[RoleGrant]) -> Result<Vec<RoleGrant>> {
    let mut held = Vec::new();
    for grant in grants {
        let request = GrantRoleRequest {
            principal: to.to_owned(),
            grant: Some(grant.clone()),
            request_id: new_id(),
        };
        let mut service = PrincipalServiceClient::new(principal.clone());
        held = service.grant_role(request).await.map_err(told)?.into_inner().grants;
    }
    Ok(held)
}

/// `vigia grant`.
pub async fn grant(args: &Args, json: bool) -> Result<()> {
    let grant = args.parse()?;
    let principal = desk::open(&args.access).await?;
    let request = GrantRoleRequest {
        principal: args.principal.clone(),
        grant: Some(grant),
        request_id: new_id(),
    };
    let mut service = PrincipalServiceClient::new(principal.clone());
    let answer = service.grant_role(request).await.map_err(told)?.into_inner();
    settle(&principal).await;
    let text = format!("{}: {}", args.principal, all_shown(&answer.grants));
    desk::tell(json, "vigia.identity.v1.GrantRoleResponse", &answer, &text)
}

/// `vigia revoke`.
pub async fn revoke(args: &Args, json: bool) -> Result<()> {
    let grant = args.parse()?;
    let principal = desk::open(&args.access).await?;
    let request = RevokeRoleRequest {
        principal: args.principal.clone(),
        grant: Some(grant),
        request_id: new_id(),
    };
    let mut service = PrincipalServiceClient::new(principal.clone());
    let answer = service.revoke_role(request).await.map_err(told)?.into_inner();
    settle(&principal).await;
    let text = format!("{}: {}", args.principal, all_shown(&answer.grants));
    desk::tell(json, "vigia.identity.v1.RevokeRoleResponse", &answer, &text)
}
