//! `vigia comment`: what observers say about actions.

use anyhow::Result;
use vigia_platform::{instant, new_id};
use vigia_proto::compliance::{Comment, CreateCommentRequest, ListCommentsRequest, comment_service_client::CommentServiceClient};

use super::{PAGE, text, zone_and_instant};
use crate::{
    access::Access,
    commands::{plan_name, plan_of},
    output::{self, Usage},
    refused::told,
};

pub async fn add_comment(access: &Access, action: &str, text: &str, institution: &str, json: bool) -> Result<()> {
    let Some(parent) = plan_of(action) else {
        return Err(Usage::of(format!("{action}: plans/{{plan}}/actions/{{a}}")));
    };
    let institution = match institution {
        "" => String::new(),
        id => format!("institutions/{}", id.trim_start_matches("institutions/")),
    };
    let request = CreateCommentRequest {
        parent,
        comment_id: String::new(),
        comment: Some(Comment {
            action: action.to_owned(),
            institution,
            text: text.to_owned(),
            ..Comment::default()
        }),
        request_id: new_id(),
    };
    let answer = CommentServiceClient::new(access.principal().await?)
        .create_comment(request)
        .await
        .map_err(told)?
        .into_inner();
    if json {
        return output::json(&output::value("vigia.compliance.v1.CreateCommentResponse", &answer)?);
    }
    output::line(&answer.comment.unwrap_or_default().name);
    Ok(())
}

pub async fn list_comments(access: &Access, plan: &str, filter: &str, json: bool) -> Result<()> {
    let principal = access.principal().await?;
    let parent = plan_name(plan);
    let (zone, _) = zone_and_instant(&principal, &parent, None).await?;
    let mut request = ListCommentsRequest {
        parent,
        page_size: PAGE,
        filter: filter.to_owned(),
        ..ListCommentsRequest::default()
    };
    let mut all = Vec::new();
    loop {
        let answer = CommentServiceClient::new(principal.clone())
            .list_comments(request.clone())
            .await
            .map_err(told)?
            .into_inner();
        all.extend(answer.comments);
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    if json {
        let list: Result<Vec<_>> = all.iter().map(|one| output::value("vigia.compliance.v1.Comment", one)).collect();
        return output::json(&list?);
    }
    for one in &all {
        let when = one.create_time.as_ref().and_then(instant);
        let when = when.map(|when| zone.to_datetime(when).strftime("%Y-%m-%d %H:%M").to_string());
        let who = if one.institution.is_empty() {
            &one.author
        } else {
            &one.institution
        };
        output::line(&format!("{} · {} · {who}", when.unwrap_or_default(), one.action));
        output::line(&format!("  {}", text(&one.text, one.seal.as_ref())));
    }
    Ok(())
}
