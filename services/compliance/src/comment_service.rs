//! CommentService: what observers say about actions.

use tonic::{Request, Response, Status};
use vigia_platform::{Caller, Faults, timestamp};
use vigia_proto::compliance::{
    Comment, CommentCreated, CreateCommentRequest, CreateCommentResponse, ListCommentsRequest, ListCommentsResponse,
    comment_service_server::CommentService,
};

use crate::{
    compliance_service::plan_of,
    desk::{self, Asked, Desk},
    texts,
    voices::Voices,
};

/// Characters of a comment at most.
const TEXT_CHARS_MAX: usize = 4000;
/// Comments by one caller on one action at most.
const OF_ONE_MAX: usize = 100;

#[tonic::async_trait]
impl CommentService for Desk {
    async fn create_comment(&self, request: Request<CreateCommentRequest>) -> Result<Response<CreateCommentResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let plan = plan_of(&request.parent, "parent")?;
        let mut comment = request.comment.clone().unwrap_or_default();
        let mut faults = Faults::new();
        let id = desk::id(&mut faults, "comment_id", &request.comment_id);
        faults.text("comment.text", &comment.text, 1..=TEXT_CHARS_MAX);
        self.check_speaker(&mut faults, &caller, "comment.institution", &comment.institution);
        faults.done()?;
        self.check_action(plan, &comment.action).await?;
        let mut change = self.kit.db.change_after_all(&caller, &request.request_id, &request).await?;
        if let Some(mut answer) = change.replayed::<CreateCommentResponse>()? {
            texts::fill(change.tx(), &self.record, answer.get_mut().comment.as_mut_slice()).await?;
            return Ok(answer);
        }
        comment.name = format!("{}/comments/{id}", request.parent);
        self.check_name(&comment.name)?;
        let said = self
            .record
            .voices(|voices| of_one(voices, plan, &comment.action, caller.principal()));
        desk::limit(&comment.action, said, OF_ONE_MAX)?;
        comment.create_time = Some(timestamp(change.now()));
        caller.principal().clone_into(&mut comment.author);
        let recorded = texts::keep(&change, &mut comment).await?;
        let event = CommentCreated {
            comment: Some(recorded.clone()),
        };
        change
            .record("vigia.compliance.v1.CommentCreated", &comment.name, &comment.institution, &event)
            .await?;
        let mut answer = change.commit(CreateCommentResponse { comment: Some(recorded) }).await?;
        answer.get_mut().comment = Some(comment);
        Ok(answer)
    }

    async fn list_comments(&self, request: Request<ListCommentsRequest>) -> Result<Response<ListCommentsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let asked = Asked {
            parent: &request.parent,
            as_of: request.as_of.as_ref(),
            page_size: request.page_size,
            page_token: &request.page_token,
            filter: &request.filter,
        };
        let field = |comment: &Comment, field: &str| match field {
            "action" => Some(comment.action.clone()),
            "institution" => Some(comment.institution.clone()),
            _ => None,
        };
        let (comments, next_page_token) = self
            .list(&caller, &asked, &["action", "institution"], Voices::comments, field)
            .await?;
        Ok(Response::new(ListCommentsResponse { comments, next_page_token }))
    }
}

/// How many comments one caller has made on an action.
fn of_one(voices: &Voices, plan: &str, action: &str, author: &str) -> usize {
    let all = voices.comments().by(plan, jiff::Timestamp::MAX);
    all.filter(|comment| comment.action == action && comment.author == author).count()
}
