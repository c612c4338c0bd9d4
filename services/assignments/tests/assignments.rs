//! Assignments as others reach it: through the permission layer, with tokens, beside a plans service that knows one plan.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use tonic::{Code, Response};
use tonic_types::StatusExt;
use vigia_platform::new_id;
use vigia_proto::assignments::*;
use world::{World, name, paths, proposal, reason};

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_is_told_all_its_faults() {
    let world = World::start().await;
    let propose = async |change: &dyn Fn(&mut ProposeAssignmentRequest, &mut Assignment)| {
        let mut request = proposal("a1", "sdh");
        let mut assignment = request.assignment.take().unwrap();
        change(&mut request, &mut assignment);
        request.assignment = Some(assignment);
        let answer = world.assignments().propose_assignment(world.ask("coordinator", request)).await;
        answer
            .map(|answer| answer.into_inner().assignment.unwrap().name)
            .map_err(|status| paths(&status).join(" "))
    };
    let wrong = propose(&|request, assignment| {
        request.assignment_id = "A 1".into();
        assignment.action = "plans/vcm/actions/p9-9".into();
        assignment.institution = "institutions/nobody".into();
        assignment.role = 0;
        assignment.territory = "1".into();
        assignment.last_day = "2021-12-31".into();
    });
    let all = "assignment_id assignment.role assignment.territory assignment.last_day assignment.action assignment.institution";
    assert_eq!(wrong.await, Err(all.into()));
    assert_eq!(
        propose(&|request, assignment| {
            request.parent = "plans/x".into();
            assignment.action = "plans/x/actions/a".into();
        })
        .await,
        Err("parent assignment.action".into())
    );
    assert_eq!(
        propose(&|_, assignment| assignment.action = "plans/lgbti/actions/a".into()).await,
        Err("assignment.action".into())
    );
    assert_eq!(
        propose(&|request, _| request.request_id = "x".into()).await,
        Err("request_id".into())
    );
    assert_eq!(propose(&|_, _| ()).await, Ok(name("a1")));
    let taken = world
        .assignments()
        .propose_assignment(world.ask("coordinator", proposal("a1", "msp")))
        .await
        .unwrap_err();
    assert_eq!(reason(&taken), "ALREADY_EXISTS");
    let again = proposal("a2", "sdh");
    let first = world
        .assignments()
        .propose_assignment(world.ask("coordinator", again.clone()))
        .await
        .unwrap();
    let second = world
        .assignments()
        .propose_assignment(world.ask("coordinator", again))
        .await
        .unwrap();
    assert_eq!(
        (first.metadata().get("vigia-position"), first.get_ref()),
        (second.metadata().get("vigia-position"), second.get_ref())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_its_own_institution_answers() {
    let world = World::start().await;
    let proposed = world.propose("a1", "sdh").await;
    assert_eq!(world.accept("msp", "a1", "").await.unwrap_err().code(), Code::NotFound);
    assert_eq!(world.get("msp", "a1").await.unwrap_err().code(), Code::NotFound);
    assert_eq!(
        world.accept("coordinator", "a1", "").await.unwrap_err().code(),
        Code::PermissionDenied
    );
    assert_eq!(reason(&world.accept("sdh", "a1", "0123").await.unwrap_err()), "ETAG_MISMATCH");
    let contest = ContestAssignmentRequest {
        name: name("a1"),
        request_id: new_id(),
        ..ContestAssignmentRequest::default()
    };
    let status = world
        .assignments()
        .contest_assignment(world.ask("sdh", contest.clone()))
        .await
        .unwrap_err();
    assert_eq!(paths(&status), ["reason"]);
    let accepted = world.accept("sdh", "a1", &proposed.etag).await.unwrap();
    assert_eq!(accepted.state(), AssignmentState::Accepted);
    assert!(accepted.accept_time.is_some() && accepted.etag != proposed.etag);
    assert_eq!(world.get("sdh", "a1").await.unwrap(), accepted);
    let contest = ContestAssignmentRequest {
        reason: "No es nuestra.".into(),
        ..contest
    };
    let status = world.assignments().contest_assignment(world.ask("sdh", contest)).await.unwrap_err();
    assert_eq!(reason(&status), "STATE_CONFLICT");
    assert_eq!(status.get_error_details().error_info().unwrap().metadata["state"], "ACCEPTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_full_of_what_the_caller_sees() {
    let world = World::start().await;
    for (i, institution) in ["sdh", "msp", "sdh", "msp", "msp", "sdh"].iter().enumerate() {
        world.propose(&format!("a{i}"), institution).await;
    }
    let (first, token) = world.list("sdh", 2, "", "").await.unwrap();
    assert_eq!(first, ["a0", "a2"]);
    assert_eq!(world.list("sdh", 2, &token, "").await.unwrap(), (vec!["a5".into()], String::new()));
    assert_eq!(
        world.list("msp", 2, &token, "").await.unwrap_err().code(),
        Code::InvalidArgument,
        "another's token"
    );
    assert_eq!(world.list("sdh", 0, "", "institution = institutions/msp").await.unwrap().0, [""; 0]);
    assert_eq!(
        world
            .list("coordinator", 0, "", "institution != institutions/msp AND state = PROPOSED")
            .await
            .unwrap()
            .0,
        ["a0", "a2", "a5"]
    );
    let (first, token) = world.list("coordinator", 1, "", "institution != institutions/sdh").await.unwrap();
    assert_eq!(first, ["a1"]);
    assert_eq!(
        world
            .list("coordinator", 2, &token, "institution != institutions/sdh")
            .await
            .unwrap(),
        (vec!["a3".into(), "a4".into()], String::new())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn duties_pass_on_by_decree() {
    let world = World::start().await;
    world.propose("a1", "sdh").await;
    world.accept("sdh", "a1", "").await.unwrap();
    world.propose("a2", "sdh").await;
    world.propose("a2-mmdh", "msp").await;
    world.propose("ended", "sdh").await;
    let end = EndAssignmentRequest {
        name: name("ended"),
        last_day: "2022-06-30".into(),
        request_id: new_id(),
        ..EndAssignmentRequest::default()
    };
    world.assignments().end_assignment(world.ask("coordinator", end)).await.unwrap();

    assert_eq!(
        world
            .succeed("partial_transfer", "sdh", "mmdh", &["a2-mmdh", "none", "ended"])
            .await
            .map_err(|status| paths(&status)),
        Err(["assignments[0]", "assignments[1]", "assignments[2]"].map(str::to_owned).to_vec())
    );
    assert_eq!(
        world.succeed("rename", "sdh", "nobody", &[]).await.map_err(|status| paths(&status)),
        Err(vec!["succession.successor".into()])
    );
    assert_eq!(
        world.succeed("rename", "nobody", "mmdh", &[]).await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(
        world.succeed("partial_transfer", "sdh", "mmdh", &[]).await.unwrap(),
        [""; 0],
        "nothing was named"
    );

    let names = world.succeed("rename", "sdh", "mmdh", &[]).await.unwrap();
    assert_eq!((names.len(), names[0].as_str()), (2, "plans/vcm/assignments/a1-mmdh"));
    assert_ne!(names[1], name("a2-mmdh"), "that id is taken");
    let (old, new) = (world.get("sdh", "a1").await.unwrap(), world.get("mmdh", "a1-mmdh").await.unwrap());
    assert_eq!((old.state(), old.last_day.as_str()), (AssignmentState::HandedOver, "2022-11-28"));
    assert_eq!(
        (new.state(), new.from.as_str(), new.instrument.as_str()),
        (AssignmentState::Accepted, "2022-11-29", "Decreto 609")
    );
    assert_eq!((old.successor, new.predecessor), (new.name, old.name));
    assert_eq!(
        world.get("sdh", "a1-mmdh").await.unwrap_err().code(),
        Code::NotFound,
        "no longer theirs"
    );
    assert_eq!(
        world
            .list("mmdh", 0, "", "state = ASSIGNMENT_STATE_ACCEPTED")
            .await
            .unwrap()
            .0
            .len(),
        2
    );
    let get = GetInstitutionRequest {
        name: "institutions/sdh".into(),
    };
    let sdh = world
        .institutions()
        .get_institution(world.ask("sdh", get))
        .await
        .unwrap()
        .into_inner()
        .institution
        .unwrap();
    assert_eq!(sdh.successor, "institutions/mmdh");
    let list = ListSuccessionsRequest::default();
    let successions = world
        .institutions()
        .list_successions(world.ask("msp", list))
        .await
        .unwrap()
        .into_inner()
        .successions;
    assert_eq!(
        successions.iter().map(|one| one.kind.as_str()).collect::<Vec<_>>(),
        ["partial_transfer", "rename"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_handed_over_and_its_line_goes_on() {
    let world = World::start().await;
    world.propose("a1", "sdh").await;
    let hand_over = async |effective_on: &str, institution: &str| {
        let institution = format!("institutions/{institution}");
        let request = HandOverAssignmentRequest {
            name: name("a1"),
            assignment_id: "b1".into(),
            institution,
            effective_on: effective_on.into(),
            request_id: new_id(),
            ..Default::default()
        };
        world
            .assignments()
            .hand_over_assignment(world.ask("coordinator", request))
            .await
            .map(Response::into_inner)
    };
    let refused = async |effective_on, institution| paths(&hand_over(effective_on, institution).await.unwrap_err()).join(" ");
    assert_eq!(refused("29/11/2022", "nobody").await, "effective_on institution");
    assert_eq!(refused("2021-12-31", "mmdh").await, "effective_on");
    assert_eq!(refused("2022-11-29", "sdh").await, "institution");
    let answer = hand_over("2022-11-29", "mmdh").await.unwrap();
    let (new, old) = (answer.assignment.unwrap(), answer.predecessor.unwrap());
    assert_eq!(
        (new.name.as_str(), new.state(), old.state()),
        (name("b1").as_str(), AssignmentState::Accepted, AssignmentState::HandedOver)
    );
    assert_eq!(reason(&hand_over("2022-12-29", "msp").await.unwrap_err()), "ALREADY_EXISTS");
    assert_eq!(world.accept("sdh", "a1", "").await.unwrap_err().code(), Code::FailedPrecondition);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_kept_whole_or_not_at_all() {
    let world = World::start().await;
    let import = async |file: &str, validate_only| {
        let request = ImportInstitutionsRequest {
            file: file.into(),
            validate_only,
            request_id: new_id(),
        };
        world.institutions().import_institutions(world.ask("coordinator", request)).await
    };
    let exists = async |id: &str| {
        let request = GetInstitutionRequest {
            name: format!("institutions/{id}"),
        };
        world.institutions().get_institution(world.ask("msp", request)).await.is_ok()
    };
    let status = import(
        "id,name_es,function,parent_id\nn1,Uno,local,n2\nn2,Dos,local,n1\nn3,Tres,local,nobody\nn4,,local,\n",
        false,
    )
    .await
    .unwrap_err();
    assert_eq!(
        paths(&status),
        [
            "file.lines[5].name_es",
            "file.lines[2].parent_id",
            "file.lines[3].parent_id",
            "file.lines[4].parent_id"
        ]
    );
    let good = "id,name_es,function,parent_id\nn1,Uno,local,n2\nn2,Dos,local,\n";
    import(good, true).await.unwrap();
    assert!(!exists("n1").await, "only checked");
    let first = import(good, false).await.unwrap();
    assert!(exists("n1").await);
    let second = import(good, false).await.unwrap();
    assert_eq!(
        first.metadata().get("vigia-position"),
        second.metadata().get("vigia-position"),
        "nothing new, nothing recorded"
    );

    let file = include_bytes!("../../../deploy/data/provinces.csv").to_vec();
    let request = ImportTerritoriesRequest {
        file,
        validate_only: false,
        request_id: new_id(),
    };
    assert_eq!(
        world
            .institutions()
            .import_territories(world.ask("coordinator", request))
            .await
            .unwrap()
            .into_inner()
            .territories,
        25
    );
    let get = GetTerritoryRequest {
        name: "territories/20".into(),
    };
    let territory = world
        .institutions()
        .get_territory(world.ask("msp", get))
        .await
        .unwrap()
        .into_inner()
        .territory
        .unwrap();
    assert_eq!(territory.time_zone, "Pacific/Galapagos");
    let mut unknown = proposal("t1", "gad-quito");
    unknown.assignment.as_mut().unwrap().territory = "7101".into();
    let status = world
        .assignments()
        .propose_assignment(world.ask("coordinator", unknown))
        .await
        .unwrap_err();
    assert_eq!(paths(&status), ["assignment.territory"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_institution_hangs_on_another() {
    let world = World::start().await;
    let reattach = async |new_parent: &str| {
        let succession = Succession {
            predecessor: "institutions/sdh".into(),
            successor: "institutions/sdh".into(),
            effective_on: "2022-11-29".into(),
            kind: "reattachment".into(),
            new_parent: format!("institutions/{new_parent}"),
            ..Succession::default()
        };
        let request = SucceedInstitutionRequest {
            succession: Some(succession),
            request_id: new_id(),
            ..Default::default()
        };
        world
            .institutions()
            .succeed_institution(world.ask("coordinator", request))
            .await
            .map_err(|status| paths(&status).join(" "))
    };
    world.propose("a1", "sdh").await;
    assert_eq!(
        reattach("subdiv").await.unwrap_err(),
        "succession.new_parent",
        "that one hangs on it"
    );
    assert_eq!(reattach("nobody").await.unwrap_err(), "succession.new_parent");
    assert_eq!(reattach("mmdh").await.unwrap().get_ref().assignments, [""; 0]);
    assert_eq!(
        world.get("sdh", "a1").await.unwrap().state(),
        AssignmentState::Proposed,
        "nothing else changes"
    );
    let request = ListInstitutionsRequest {
        filter: "parent = institutions/mmdh".into(),
        ..ListInstitutionsRequest::default()
    };
    let hanging = world
        .institutions()
        .list_institutions(world.ask("msp", request))
        .await
        .unwrap()
        .into_inner()
        .institutions;
    assert_eq!(
        hanging
            .iter()
            .map(|one| (one.name.as_str(), one.successor.as_str()))
            .collect::<Vec<_>>(),
        [("institutions/sdh", "")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contest_is_decided_with_a_reason() {
    let world = World::start().await;
    let decide = async |id: &str, resolution: Resolution, reason: &str| {
        let request = ResolveAssignmentRequest {
            name: name(id),
            resolution: resolution.into(),
            reason: reason.into(),
            request_id: new_id(),
            ..Default::default()
        };
        world
            .assignments()
            .resolve_assignment(world.ask("coordinator", request))
            .await
            .map(|answer| answer.into_inner().assignment.unwrap())
    };
    for id in ["a1", "a2"] {
        world.propose(id, "sdh").await;
        assert_eq!(
            reason(&decide(id, Resolution::Confirmed, "Es su competencia.").await.unwrap_err()),
            "STATE_CONFLICT"
        );
        let request = ContestAssignmentRequest {
            name: name(id),
            reason: "No es nuestra.".into(),
            request_id: new_id(),
            ..Default::default()
        };
        world.assignments().contest_assignment(world.ask("sdh", request)).await.unwrap();
    }
    assert_eq!(
        paths(&decide("a1", Resolution::Unspecified, "").await.unwrap_err()),
        ["reason", "resolution"]
    );
    let confirmed = decide("a1", Resolution::Confirmed, "Es su competencia.").await.unwrap();
    assert_eq!(
        (
            confirmed.state(),
            confirmed.accept_time.is_some(),
            confirmed.contest_reason.as_str()
        ),
        (AssignmentState::Accepted, true, "No es nuestra.")
    );
    let withdrawn = decide("a2", Resolution::Withdrawn, "Tiene razón.").await.unwrap();
    assert_eq!((withdrawn.state(), withdrawn.accept_time), (AssignmentState::Withdrawn, None));
}
