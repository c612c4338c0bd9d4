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

fn agreement(counterpart: &str) -> CreateAgreementRequest {
    let agreement = Agreement {
        action: "plans/vcm/actions/p1-1".into(),
        institution: "institutions/msp".into(),
        counterpart: format!("institutions/{counterpart}"),
        institution_duties: "Capacitar al personal".into(),
        counterpart_duties: "Acompañar a las usuarias".into(),
        institution_contact: Some(ContactPoint {
            office: "Dirección de Derechos Humanos".into(),
            email: "ddhh@salud.example".into(),
            phone: String::new(),
        }),
        from: "2022-01-01".into(),
        ..Agreement::default()
    };
    CreateAgreementRequest {
        parent: "plans/vcm".into(),
        agreement_id: "c1".into(),
        agreement: Some(agreement),
        request_id: new_id(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_is_read_by_both_sides_and_nobody_else() {
    let world = World::start().await;
    let mut service = world.assignments();
    let organisation = CreateInstitutionRequest {
        institution_id: "red".into(),
        institution: Some(Institution {
            name_es: "Red de organizaciones".into(),
            branch: "civil_society".into(),
            ..Institution::default()
        }),
        request_id: new_id(),
    };
    world
        .institutions()
        .create_institution(world.ask("coordinator", organisation))
        .await
        .unwrap();

    // All faults at once; a ministry is no counterpart.
    let mut wrong = agreement("mdt");
    let asked = wrong.agreement.as_mut().unwrap();
    asked.action = "plans/vcm/actions/p9-9".into();
    asked.counterpart_duties = String::new();
    asked.institution_contact.as_mut().unwrap().email = "nadie".into();
    asked.last_day = "2021-12-31".into();
    let refused = service.create_agreement(world.ask("coordinator", wrong)).await.unwrap_err();
    assert_eq!(
        paths(&refused).join(" "),
        "agreement.counterpart_duties agreement.institution_contact.email agreement.last_day agreement.action agreement.counterpart"
    );
    let denied = service.create_agreement(world.ask("msp", agreement("red"))).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);

    let request = agreement("red");
    let made = service.create_agreement(world.ask("coordinator", request.clone())).await.unwrap();
    assert_eq!(made.get_ref().agreement.as_ref().unwrap().name, "plans/vcm/agreements/c1");
    let again = service.create_agreement(world.ask("coordinator", request)).await.unwrap();
    assert_eq!(again.metadata().get("vigia-position"), made.metadata().get("vigia-position"));
    let taken = service
        .create_agreement(world.ask("coordinator", agreement("red")))
        .await
        .unwrap_err();
    assert_eq!(reason(&taken), "ALREADY_EXISTS");

    let read = async |who: &str| {
        let get = GetAgreementRequest {
            name: "plans/vcm/agreements/c1".into(),
        };
        let list = ListAgreementsRequest {
            parent: "plans/-".into(),
            filter: "counterpart = institutions/red".into(),
            ..ListAgreementsRequest::default()
        };
        let got = world.assignments().get_agreement(world.ask(who, get)).await;
        let listed = world.assignments().list_agreements(world.ask(who, list)).await.unwrap();
        (got.map_err(|status| status.code()).is_ok(), listed.into_inner().agreements.len())
    };
    assert_eq!(read("coordinator").await, (true, 1));
    assert_eq!(read("msp").await, (true, 1));
    assert_eq!(read("sdh").await, (false, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_assignments_is_taken_whole_or_not_at_all() {
    let world = World::start().await;
    let import = async |file: &str, validate_only: bool| {
        let request = ImportAssignmentsRequest {
            parent: "plans/vcm".into(),
            file: file.as_bytes().to_vec(),
            validate_only,
            request_id: new_id(),
        };
        let answer = world.assignments().import_assignments(world.ask("coordinator", request)).await;
        answer
            .map(|answer| answer.into_inner().assignments)
            .map_err(|status| paths(&status).join(" "))
    };
    let header = "id,action,institution,role,territory,from,last_day,indicative\n";
    let wrong = format!(
        "{header}a1,P1.1,sdh,lead,17,2022-01-01,,no\na1,p1-1,msp,boss,1,2022-01-01,2021-01-01,maybe\n,P9.9,nobody,supporting,,,,\n"
    );
    let all = "file.lines[3].id file.lines[3].role file.lines[3].territory file.lines[3].last_day file.lines[3].indicative \
               file.lines[4].from file.lines[4].action file.lines[4].institution";
    assert_eq!(import(&wrong, false).await, Err(all.into()));
    assert_eq!(world.list("coordinator", 0, "", "").await.unwrap().0, [""; 0]);
    let right = format!("{header}a1,P1.1,sdh,lead,,2022-01-01,,no\na2,p1-1,msp,co_responsible,17,2022-01-01,,yes\n");
    assert_eq!(import(&right, true).await, Ok(2));
    assert_eq!(world.list("coordinator", 0, "", "").await.unwrap().0, [""; 0]);
    assert_eq!(import(&right, false).await, Ok(2));
    assert_eq!(world.list("coordinator", 0, "", "").await.unwrap().0, ["a1", "a2"]);
    let second = world.get("msp", "a2").await.unwrap();
    assert_eq!((second.action.as_str(), second.indicative), ("plans/vcm/actions/p1-1", true));
    assert_eq!(import(&right, false).await, Err("file.lines[2].id file.lines[3].id".into()));
    assert_eq!(world.accept("msp", "a2", "").await.unwrap().state(), AssignmentState::Accepted);
}
