//! TextService: takes away what people wrote, where it must not stay.

use tonic::{Request, Response, Status};
use vigia_platform::{Caller, Error, Faults};
use vigia_proto::compliance::{EraseTextsRequest, EraseTextsResponse, TextsErased, text_service_server::TextService};

use crate::{desk::Desk, texts};

#[tonic::async_trait]
impl TextService for Desk {
    async fn erase_texts(&self, request: Request<EraseTextsRequest>) -> Result<Response<EraseTextsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let mut faults = Faults::new();
        faults.text("reason", &request.reason, 1..=1000);
        faults.done()?;
        let mut change = self.kit.db.change_after_all(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let (is_there, erased) = self
            .record
            .voices(|voices| (voices.holds(&request.name), voices.erased(&request.name)));
        if !is_there {
            return Err(Error::not_found(request.name).into());
        }
        if erased.is_some() {
            return Err(Error::state_conflict(request.name, "ERASED").into());
        }
        texts::erase(&change, &request.name).await?;
        let event = TextsErased {
            name: request.name.clone(),
            reason: request.reason,
        };
        change.record("vigia.compliance.v1.TextsErased", &request.name, "", &event).await?;
        change.commit(EraseTextsResponse {}).await
    }
}
