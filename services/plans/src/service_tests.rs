//! The services over a real database: what is imported is read, listed, changed and exported again.

use std::path::Path;

use tonic::Request;
use vigia_platform::{Area, Caller, Clock, Db, Durability, Kit, new_id};
use vigia_proto::plans::{plan_service_server::PlanService, revision_service_server::RevisionService, *};

use crate::{plans::Plans, revisions::Revisions};

const PLAN: &str = include_str!("../../../deploy/data/plans/vcm.yaml");

async fn kit(directory: &Path) -> Kit {
    let clock = Clock::real();
    let db = Db::open(Area::Plans, directory, Durability::Scratch, clock.clone()).await;
    Kit::new(db.unwrap_or_else(|cause| panic!("{cause}")), clock)
}

fn asked<T>(kit: &Kit, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Caller::vigia(&kit.clock, "test"));
    request
}

fn answer<T>(answer: Result<tonic::Response<T>, tonic::Status>) -> T {
    answer.unwrap_or_else(|status| panic!("{status:?}")).into_inner()
}

#[tokio::test]
async fn a_draft_is_imported_changed_listed_and_exported() {
    let directory = tempfile::tempdir().unwrap_or_else(|cause| panic!("{cause}"));
    let kit = kit(directory.path()).await;
    let plans = Plans { kit: kit.clone() };
    let import = ImportPlanRequest {
        file: PLAN.into(),
        validate_only: false,
        request_id: new_id(),
    };
    let imported = answer(plans.import_plan(asked(&kit, import.clone())).await);
    assert_eq!((imported.components, imported.actions, imported.indicators), (15, 49, 49));
    assert_eq!(answer(plans.import_plan(asked(&kit, import)).await), imported);
    let again = ImportPlanRequest {
        file: PLAN.into(),
        validate_only: false,
        request_id: new_id(),
    };
    answer(plans.import_plan(asked(&kit, again)).await);

    let (mut token, mut codes) = (String::new(), Vec::new());
    loop {
        let list = ListActionsRequest {
            parent: "plans/vcm".into(),
            page_size: 20,
            page_token: token,
            filter: String::new(),
        };
        let page = answer(plans.list_actions(asked(&kit, list)).await);
        codes.extend(page.actions.into_iter().map(|action| action.code));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!((codes.len(), codes[0].as_str()), (49, "P1.1"));

    let mut action = answer(
        plans
            .get_action(asked(
                &kit,
                GetActionRequest {
                    name: "plans/vcm/actions/p1-1".into(),
                },
            ))
            .await,
    )
    .action
    .unwrap_or_default();
    action.end = "2031-01-01".into();
    let update = |action: &Action| UpdateActionRequest {
        action: Some(action.clone()),
        update_mask: Some(prost_types::FieldMask { paths: vec!["end".into()] }),
        request_id: new_id(),
    };
    let refused = plans.update_action(asked(&kit, update(&action))).await.err();
    assert_eq!(refused.map(|status| status.code()), Some(tonic::Code::InvalidArgument));
    action.end = "2030-01-01".into();
    answer(plans.update_action(asked(&kit, update(&action))).await);
    let outdated = plans.update_action(asked(&kit, update(&action))).await.err();
    assert_eq!(outdated.map(|status| status.code()), Some(tonic::Code::Aborted));

    let file = answer(plans.export_plan(asked(&kit, ExportPlanRequest { name: "plans/vcm".into() })).await).file;
    let definition = crate::file::read(&file)
        .unwrap_or_else(|faults| panic!("{:?}", faults.list()))
        .definition;
    assert_eq!(definition.actions[0].end, "2030-01-01");
    assert_eq!(crate::file_write::write(&definition).into_bytes(), file);

    let proposal = ProposeRevisionRequest {
        parent: "plans/vcm".into(),
        request_id: new_id(),
        ..ProposeRevisionRequest::default()
    };
    let revisions = Revisions { kit: kit.clone() };
    let no_person = revisions.propose_revision(asked(&kit, proposal)).await.err();
    assert_eq!(no_person.map(|status| status.code()), Some(tonic::Code::PermissionDenied));
}
