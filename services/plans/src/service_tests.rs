//! The services over a real database: what is imported is read, listed, changed and exported again.

use std::path::Path;

use tonic::Request;
use vigia_platform::{Area, Caller, Clock, Db, Durability, Kit, new_id};
use vigia_proto::plans::{plan_service_server::PlanService, revision_service_server::RevisionService, *};

use crate::{kept::Kept, plans::Plans, revisions::Revisions, store::save_revision};

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
    let directory = tempfile::tempdir().unwrap_or_else(|cause| panic!("{cause:?}"));
    let kit = kit(directory.path()).await;
    let plans = Plans::new(kit.clone());
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

    // Another replica over the same database, which has read the plan before it changes.
    let replica = Plans::new(kit.clone());
    let read = |plans: Plans| {
        let request = asked(
            &kit,
            GetActionRequest {
                name: "plans/vcm/actions/p1-1".into(),
            },
        );
        async move { (answer(plans.get_action(request).await).action.unwrap_or_default(), plans) }
    };
    let (mut action, plans) = read(plans).await;
    let (before, replica) = read(replica).await;
    assert_eq!(before, action);
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
    assert_eq!(read(replica).await.0.end, "2030-01-01");
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

#[tokio::test]
async fn a_plan_that_is_kept_is_another_once_a_revision_begins_to_act() {
    let directory = tempfile::tempdir().unwrap_or_else(|cause| panic!("{cause:?}"));
    let kit = kit(directory.path()).await;
    let import = ImportPlanRequest {
        file: PLAN.into(),
        validate_only: false,
        request_id: new_id(),
    };
    answer(Plans::new(kit.clone()).import_plan(asked(&kit, import)).await);
    let at = |day: &str| {
        format!("{day}T12:00:00Z")
            .parse::<jiff::Timestamp>()
            .unwrap_or_else(|cause| panic!("{cause:?}"))
    };
    let title = Plan {
        name: "plans/vcm".into(),
        title_es: "Otro título".into(),
        ..Plan::default()
    };
    let mut revision = Revision {
        name: "plans/vcm/revisions/1".into(),
        acts_from: Some(vigia_platform::timestamp(at("2030-03-01"))),
        changes: vec![Change {
            resource: Some(change::Resource::Plan(title)),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["title_es".into()],
            }),
        }],
        ..Revision::default()
    };
    revision.set_state(RevisionState::Approved);
    let caller = Caller::vigia(&kit.clock, "test");
    let (kept, db) = (Kept::default(), &kit.db);
    let shown = async |day: &str| {
        let plan = kept
            .now(db, &caller, "plans/vcm", at(day))
            .await
            .unwrap_or_else(|cause| panic!("{cause:?}"));
        let plan = plan.plan.clone().unwrap_or_default();
        (plan.title_es == "Otro título", plan.revision)
    };
    assert_eq!(shown("2030-04-01").await, (false, 0));
    let mut change = db
        .change(&caller, &new_id(), &revision)
        .await
        .unwrap_or_else(|cause| panic!("{cause:?}"));
    save_revision(&change, "plans/vcm", &revision, true)
        .await
        .unwrap_or_else(|cause| panic!("{cause:?}"));
    let approved = RevisionApproved {
        revision: Some(revision.clone()),
        definition: None,
    };
    change
        .record("vigia.plans.v1.RevisionApproved", &revision.name, "", &approved)
        .await
        .unwrap_or_else(|cause| panic!("{cause:?}"));
    answer(change.commit(()).await);
    for (day, expect) in [
        ("2030-02-28", (false, 0)),
        ("2030-03-01", (true, 1)),
        ("2030-04-01", (true, 1)),
        ("2030-02-27", (false, 0)),
    ] {
        assert_eq!(shown(day).await, expect, "{day}");
    }
}
