//! The service behind its permission layer, with people who call it, and a plans service that knows one plan.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use prost::Message;
use tonic::{Request, Response, Status, body::Body, server::NamedService, service::Routes};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt;
use tower::{Service, service_fn};
use vigia_platform::{Area, Clock, Db, Durability, Guarded, Kit, Peer, Route, TokenSource, new_id, token::Key};
use vigia_proto::{
    assignments::{assignment_service_client::AssignmentServiceClient, institution_service_client::InstitutionServiceClient, *},
    identity::{Client, ClientCreated, IssueTokenRequest, IssueTokenResponse, Role, RoleGrant, RoleGranted},
    journal::Entry,
    plans::{Action, GetActionRequest, GetActionResponse, GetPlanRequest, GetPlanResponse, ListActionsRequest, ListActionsResponse},
};

const ASSIGNMENTS: &str = "clients/assignments";

/// Plans and identity, as far as assignments asks them.
#[derive(Clone)]
struct Others(Key);

impl NamedService for Others {
    const NAME: &'static str = "vigia.plans.v1.PlanService";
}

/// The same under identity's name.
#[derive(Clone)]
struct Tokens(Others);

impl NamedService for Tokens {
    const NAME: &'static str = "vigia.identity.v1.TokenService";
}

type Answer = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

fn there<T>(there: bool, answer: T) -> Result<Response<T>, Status> {
    if there {
        Ok(Response::new(answer))
    } else {
        Err(Status::not_found("not there"))
    }
}

impl Service<http::Request<Body>> for Others {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Answer {
        let key = self.0.clone();
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            Ok(match path.rsplit('/').next() {
                Some("GetPlan") => {
                    let answer = service_fn(async |request: Request<GetPlanRequest>| {
                        there(request.get_ref().name == "plans/vcm", GetPlanResponse::default())
                    });
                    tonic::server::Grpc::new(ProstCodec::default()).unary(answer, request).await
                }
                Some("GetAction") => {
                    let answer = service_fn(async |request: Request<GetActionRequest>| {
                        there(request.get_ref().name == "plans/vcm/actions/p1-1", GetActionResponse::default())
                    });
                    tonic::server::Grpc::new(ProstCodec::default()).unary(answer, request).await
                }
                Some("ListActions") => {
                    let answer = service_fn(async |request: Request<ListActionsRequest>| {
                        let action = Action {
                            name: "plans/vcm/actions/p1-1".into(),
                            code: "P1.1".into(),
                            ..Action::default()
                        };
                        let answer = ListActionsResponse {
                            actions: vec![action],
                            ..ListActionsResponse::default()
                        };
                        there(request.get_ref().parent == "plans/vcm", answer)
                    });
                    tonic::server::Grpc::new(ProstCodec::default()).unary(answer, request).await
                }
                _ => {
                    let access_token = key.access_token(ASSIGNMENTS).unwrap().0;
                    let answer = IssueTokenResponse {
                        access_token,
                        ..IssueTokenResponse::default()
                    };
                    let answer = service_fn(move |_: Request<IssueTokenRequest>| std::future::ready(there(true, answer.clone())));
                    tonic::server::Grpc::new(ProstCodec::default()).unary(answer, request).await
                }
            })
        })
    }
}

impl Service<http::Request<Body>> for Tokens {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Answer {
        self.0.call(request)
    }
}

pub(crate) struct World {
    _directory: tempfile::TempDir,
    key: Key,
    service: Guarded,
}

impl World {
    /// The service with the institutions of the repository; coordinator, and heads of `sdh`, `mmdh` and `msp`.
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = Key::generate("vigia-1").unwrap();
        let kit = async |area| {
            Self::kit(
                Db::open(area, directory.path(), Durability::Scratch, Clock::real()).await.unwrap(),
                &key,
            )
        };
        let others = Others(key.clone());
        let others = kit(Area::Plans)
            .await
            .guard(Routes::new(others.clone()).add_service(Tokens(others)));
        let route = Route::Local(others);
        let plans = Peer::new(route.clone(), TokenSource::new(ASSIGNMENTS, key.clone(), route));
        let service = vigia_assignments::build(kit(Area::Assignments).await, plans).await.unwrap();
        let world = Self {
            _directory: directory,
            key,
            service,
        };
        let file = include_bytes!("../../../../deploy/data/institutions.csv").to_vec();
        let request = ImportInstitutionsRequest {
            file,
            validate_only: false,
            request_id: new_id(),
        };
        let answer = world
            .institutions()
            .import_institutions(world.ask("coordinator", request))
            .await
            .unwrap();
        assert_eq!(answer.get_ref().institutions, 91);
        world
    }

    fn kit(db: Db, key: &Key) -> Kit {
        let kit = Kit::new(db, Clock::real());
        assert!(kit.verifier.set_keys(&format!("{{\"keys\":[{}]}}", key.jwk())));
        let roles = [
            ("assignments", Role::Service),
            ("coordinator", Role::Coordinator),
            ("sdh", Role::Head),
            ("mmdh", Role::Head),
            ("msp", Role::Head),
        ];
        for (id, role) in roles {
            let name = format!("clients/{id}");
            let scope = if role == Role::Head {
                format!("institutions/{id}")
            } else {
                String::new()
            };
            let created = ClientCreated {
                client: Some(Client {
                    name: name.clone(),
                    ..Client::default()
                }),
            };
            let granted = RoleGranted {
                principal: name,
                grant: Some(RoleGrant { role: role.into(), scope }),
            };
            for (event_type, event) in [("ClientCreated", created.encode_to_vec()), ("RoleGranted", granted.encode_to_vec())] {
                let entry = Entry {
                    event_type: format!("vigia.identity.v1.{event_type}"),
                    event,
                    ..Entry::default()
                };
                kit.grants.apply(&entry, &kit.verifier).unwrap();
            }
        }
        kit
    }

    pub(crate) fn ask<T>(&self, who: &str, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let token = self.key.access_token(&format!("clients/{who}")).unwrap().0;
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {token}").parse().unwrap());
        request
    }

    pub(crate) fn assignments(&self) -> AssignmentServiceClient<Route> {
        AssignmentServiceClient::new(Route::Local(self.service.clone()))
    }

    pub(crate) fn institutions(&self) -> InstitutionServiceClient<Route> {
        InstitutionServiceClient::new(Route::Local(self.service.clone()))
    }

    pub(crate) async fn propose(&self, id: &str, institution: &str) -> Assignment {
        let request = proposal(id, institution);
        self.assignments()
            .propose_assignment(self.ask("coordinator", request))
            .await
            .unwrap()
            .into_inner()
            .assignment
            .unwrap()
    }

    pub(crate) async fn get(&self, who: &str, id: &str) -> Result<Assignment, Status> {
        let request = GetAssignmentRequest { name: name(id) };
        Ok(self
            .assignments()
            .get_assignment(self.ask(who, request))
            .await?
            .into_inner()
            .assignment
            .unwrap())
    }

    pub(crate) async fn accept(&self, who: &str, id: &str, etag: &str) -> Result<Assignment, Status> {
        let request = AcceptAssignmentRequest {
            name: name(id),
            etag: etag.into(),
            request_id: new_id(),
        };
        Ok(self
            .assignments()
            .accept_assignment(self.ask(who, request))
            .await?
            .into_inner()
            .assignment
            .unwrap())
    }

    pub(crate) async fn list(&self, who: &str, size: i32, token: &str, filter: &str) -> Result<(Vec<String>, String), Status> {
        let request = ListAssignmentsRequest {
            parent: "plans/-".into(),
            page_size: size,
            page_token: token.into(),
            filter: filter.into(),
        };
        let answer = self.assignments().list_assignments(self.ask(who, request)).await?.into_inner();
        let ids = answer
            .assignments
            .iter()
            .map(|one| one.name.rsplit('/').next().unwrap().to_owned())
            .collect();
        Ok((ids, answer.next_page_token))
    }

    pub(crate) async fn succeed(&self, kind: &str, from: &str, to: &str, assignments: &[&str]) -> Result<Vec<String>, Status> {
        let succession = Succession {
            predecessor: format!("institutions/{from}"),
            successor: format!("institutions/{to}"),
            effective_on: "2022-11-29".into(),
            kind: kind.into(),
            instrument: "Decreto 609".into(),
            ..Succession::default()
        };
        let assignments = assignments.iter().map(|id| name(id)).collect();
        let request = SucceedInstitutionRequest {
            succession: Some(succession),
            assignments,
            request_id: new_id(),
        };
        Ok(self
            .institutions()
            .succeed_institution(self.ask("coordinator", request))
            .await?
            .into_inner()
            .assignments)
    }
}

pub(crate) fn name(id: &str) -> String {
    format!("plans/vcm/assignments/{id}")
}

pub(crate) fn proposal(id: &str, institution: &str) -> ProposeAssignmentRequest {
    let assignment = Assignment {
        action: "plans/vcm/actions/p1-1".into(),
        institution: format!("institutions/{institution}"),
        role: AssignmentRole::Lead.into(),
        from: "2022-01-01".into(),
        ..Assignment::default()
    };
    ProposeAssignmentRequest {
        parent: "plans/vcm".into(),
        assignment_id: id.into(),
        assignment: Some(assignment),
        request_id: new_id(),
    }
}

pub(crate) fn paths(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    details
        .bad_request()
        .map(|bad| bad.field_violations.iter().map(|one| one.field.clone()).collect())
        .unwrap_or_default()
}

pub(crate) fn reason(status: &Status) -> String {
    status
        .get_error_details()
        .error_info()
        .map(|info| info.reason.clone())
        .unwrap_or_default()
}
