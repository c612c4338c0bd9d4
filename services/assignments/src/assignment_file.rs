//! ImportAssignments: all assignments of a file are proposed, or none.

use std::collections::{BTreeSet, HashMap};

use tonic::{Response, Status};
use vigia_platform::{Caller, Change, Error, Faults};
use vigia_proto::{
    assignments::{Assignment, AssignmentProposed, ImportAssignmentsRequest, ImportAssignmentsResponse},
    plans::ListActionsRequest,
};

use crate::{
    assignments::{Assignments, exists, new_name, record},
    csv_files::{self, Read},
    fields, rows, state, territories,
};

/// Actions of a page that is asked of plans: the most that it gives.
const ACTIONS_PAGE: i32 = 1000;

/// The actions of a plan by their ids and by their codes.
type Actions = HashMap<String, String>;

impl Assignments {
    pub(crate) async fn import(
        &self,
        caller: &Caller,
        request: ImportAssignmentsRequest,
    ) -> Result<Response<ImportAssignmentsResponse>, Status> {
        let mut faults = Faults::new();
        fields::plan(&mut faults, "parent", &request.parent);
        let actions = self.actions(&mut faults, &request.parent).await?;
        let mut read = csv_files::assignments(&request.file, &mut faults);
        for Read { line, value } in &mut read {
            match actions.get(&value.action) {
                Some(name) => value.action.clone_from(name),
                None => csv_files::fault(
                    &mut faults,
                    *line,
                    "action",
                    "el plan no tiene esa acción",
                    "the plan has no such action",
                ),
            }
        }
        let mut change = self.kit.db.change(caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let answer = ImportAssignmentsResponse {
            assignments: i32::try_from(read.len()).unwrap_or(i32::MAX),
        };
        propose_all(&mut change, &request.parent, read, faults).await?;
        // Only checked: the change is dropped, and never was.
        if request.validate_only {
            Ok(Response::new(answer))
        } else {
            change.commit(answer).await
        }
    }

    /// The plan's actions as plans says now; a fault where there is no such plan.
    async fn actions(&self, faults: &mut Faults, plan: &str) -> Result<Actions, Error> {
        let mut actions = Actions::new();
        let mut plans = self.plans.clone();
        let mut page_token = String::new();
        loop {
            let request = ListActionsRequest {
                parent: plan.to_owned(),
                page_size: ACTIONS_PAGE,
                page_token,
                ..ListActionsRequest::default()
            };
            let answer = plans.list_actions(request).await.map(tonic::Response::into_inner);
            let Ok(page) = answer else {
                faults.require(exists(answer)?, "parent", "no existe ese plan", "there is no such plan");
                return Ok(actions);
            };
            for action in page.actions {
                let id = action.name.rsplit('/').next().unwrap_or_default().to_owned();
                actions.insert(action.code, action.name.clone());
                actions.insert(id, action.name);
            }
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(actions);
            }
        }
    }
}

async fn propose_all(change: &mut Change, plan: &str, read: Vec<Read<Assignment>>, mut faults: Faults) -> Result<(), Error> {
    let mut known = HashMap::new();
    for Read { line, value } in &read {
        let institution = value.institution.as_str();
        if !known.contains_key(institution) {
            known.insert(institution.to_owned(), rows::institution_exists(change.tx(), institution).await?);
        }
        if !known[institution] {
            csv_files::fault(
                &mut faults,
                *line,
                "institution",
                "no existe esa institución",
                "there is no such institution",
            );
        }
        if !value.name.is_empty() && rows::assignment_exists(change.tx(), &format!("{plan}/assignments/{}", value.name)).await? {
            csv_files::fault(&mut faults, *line, "id", "ya existe", "exists already");
        }
    }
    let provinces: BTreeSet<&str> = read.iter().filter_map(|read| read.value.territory.get(..2)).collect();
    let unknown = territories::unknown(change, provinces).await?;
    for Read { line, value } in &read {
        if value.territory.get(..2).is_some_and(|province| unknown.contains(province)) {
            csv_files::fault(
                &mut faults,
                *line,
                "territory",
                "no existe esa provincia",
                "there is no such province",
            );
        }
    }
    faults.done()?;
    for Read { value, .. } in read {
        let name = new_name(change, plan, &value.name).await?;
        let assignment = rows::save_assignment(change, state::propose(&name, value), true).await?;
        let event = AssignmentProposed {
            assignment: Some(assignment.clone()),
        };
        record(change, "AssignmentProposed", &assignment, &event).await?;
    }
    Ok(())
}
