//! Successions: duties pass on by decree. All that passes on does so in one change, so that nobody is unanswerable in
//! between.

use std::collections::HashSet;

use jiff::civil::Date;
use prost::Message;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tonic::{Response, Status};
use vigia_platform::{Caller, Change, Error, Faults, Page, new_id, timestamp};
use vigia_proto::assignments::{
    Assignment, AssignmentState, Institution, InstitutionSucceeded, ListSuccessionsRequest, ListSuccessionsResponse,
    SucceedInstitutionRequest, SucceedInstitutionResponse, Succession,
};

use crate::{
    assignments,
    entities::{assignment, succession},
    fields,
    institutions::{self, Institutions},
    rows,
    state::{self, HandOver},
};

/// One succession passes on at most this many assignments. The largest plan has about fifty actions, and a body that
/// answers for each of them in each of 221 cantons would hold 11,000.
const ASSIGNMENTS_MAX: u64 = 12_000;

/// What passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passes {
    /// All open assignments: the predecessor goes.
    All,
    /// Those that are named, and the predecessor goes: it is split up, its main successor first.
    NamedOfOneThatGoes,
    /// Those that are named; the predecessor stays.
    Named,
    /// None: the same institution hangs on another.
    Nothing,
}

/// The kinds of succession and what passes on by each.
const KINDS: [(&str, Passes); 7] = [
    ("rename", Passes::All),
    ("absorption", Passes::All),
    ("merger", Passes::All),
    ("rename_by_absorption", Passes::All),
    ("split", Passes::NamedOfOneThatGoes),
    ("partial_transfer", Passes::Named),
    ("reattachment", Passes::Nothing),
];

/// What is wrong with a succession by itself; what passes on and the day, where they can be read.
fn check(request: &SucceedInstitutionRequest, succession: &Succession, faults: &mut Faults) -> (Option<Passes>, Option<Date>) {
    let passes = KINDS.iter().find(|(kind, _)| *kind == succession.kind).map(|(_, passes)| *passes);
    let kinds = KINDS.map(|(kind, _)| kind).join(", ");
    faults.require(
        passes.is_some(),
        "succession.kind",
        &format!("debe ser uno de: {kinds}"),
        &format!("must be one of: {kinds}"),
    );
    let effective_on = faults.date("succession.effective_on", &succession.effective_on);
    fields::instrument(faults, "succession.instrument", &succession.instrument);
    fields::provenance(faults, "succession.provenance", succession.provenance.as_ref());
    let same = succession.predecessor == succession.successor;
    let reattached = passes == Some(Passes::Nothing);
    if reattached {
        faults.require(
            same,
            "succession.successor",
            "debe ser la misma institución",
            "must be the same institution",
        );
    } else {
        faults.require(
            !same,
            "succession.successor",
            "no puede ser la misma institución",
            "can't be the same institution",
        );
        let empty = succession.new_parent.is_empty();
        faults.require(
            empty,
            "succession.new_parent",
            "es solo de una «reattachment»",
            "is for a \"reattachment\" only",
        );
    }
    if matches!(passes, Some(Passes::All | Passes::Nothing)) {
        let empty = request.assignments.is_empty();
        faults.require(
            empty,
            "assignments",
            "debe estar vacío: este tipo no traspasa por partes",
            "must be empty: this kind does not pass on parts",
        );
    }
    (passes, effective_on)
}

/// All open assignments of an institution on a day, in the order of their names.
async fn open_ones(change: &Change, predecessor: &str, effective_on: Date, faults: &mut Faults) -> Result<Vec<Assignment>, Error> {
    let closed = [AssignmentState::Withdrawn, AssignmentState::HandedOver].map(i32::from);
    let query = assignment::Entity::find()
        .filter(assignment::Column::Institution.eq(predecessor))
        .filter(assignment::Column::State.is_not_in(closed))
        .order_by_asc(assignment::Column::Name);
    let mut open = Vec::new();
    for row in query.all(change.tx()).await? {
        let assignment = Assignment::decode(row.definition.as_slice())?;
        if state::passes_on(&assignment, effective_on).is_ok() {
            open.push(assignment);
        }
    }
    check_count(open.len(), faults);
    Ok(open)
}

/// The assignments that are named, each an open one of the predecessor's, in the order of their names.
async fn named_ones(
    change: &Change,
    caller: &Caller,
    names: &[String],
    predecessor: &str,
    effective_on: Date,
    faults: &mut Faults,
) -> Result<Vec<Assignment>, Error> {
    check_count(names.len(), faults);
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    for (i, name) in names.iter().enumerate() {
        let path = format!("assignments[{i}]");
        if !seen.insert(name) {
            faults.add(path, "está dos veces", "is there twice");
            continue;
        }
        let assignment = match rows::assignment(change.tx(), caller, name).await {
            Ok(assignment) if assignment.institution == predecessor => assignment,
            Err(error) if error.reason() != vigia_proto::error::Reason::NotFound => return Err(error),
            _ => {
                faults.add(
                    path,
                    "no es una asignación de la institución que entrega",
                    "is not an assignment of the predecessor",
                );
                continue;
            }
        };
        if state::passes_on(&assignment, effective_on).is_ok() {
            found.push(assignment);
        } else {
            faults.add(path, "no está abierta en ese día", "is not open on that day");
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn check_count(count: usize, faults: &mut Faults) {
    let fits = u64::try_from(count).is_ok_and(|count| count <= ASSIGNMENTS_MAX);
    faults.require(
        fits,
        "assignments",
        "son más de 12000 asignaciones",
        "are more than 12,000 assignments",
    );
}

/// The name of the assignment by which the successor takes over this one.
async fn name_after(change: &Change, old: &str, successor: &str) -> Result<String, Error> {
    let successor = successor.strip_prefix("institutions/").unwrap_or(successor);
    if let Some((collection, id)) = old.rsplit_once('/')
        && let Some(id) = state::id_after(id, successor)
    {
        let name = format!("{collection}/{id}");
        if !rows::assignment_exists(change.tx(), &name).await? {
            return Ok(name);
        }
    }
    Ok(format!("{}/assignments/{}", rows::plan_of(old), new_id()))
}

/// Writes the succession and records it; and what it makes of the predecessor.
async fn save(change: &mut Change, succession: &Succession, predecessor: Institution, passes: Passes) -> Result<(), Error> {
    let key = format!("{}/{}", succession.effective_on, new_id());
    let row = succession::ActiveModel {
        key: Set(key),
        definition: Set(succession.encode_to_vec()),
    };
    succession::Entity::insert(row).exec_without_returning(change.tx()).await?;
    let event = InstitutionSucceeded {
        succession: Some(succession.clone()),
    };
    change
        .record(
            "vigia.assignments.v1.InstitutionSucceeded",
            &succession.predecessor,
            &succession.successor,
            &event,
        )
        .await?;
    let after = after(predecessor.clone(), succession, passes);
    if after != predecessor {
        institutions::save(change, after, false).await?;
    }
    Ok(())
}

/// What becomes of the predecessor.
fn after(predecessor: Institution, succession: &Succession, passes: Passes) -> Institution {
    match passes {
        Passes::All => Institution {
            successor: succession.successor.clone(),
            ..predecessor
        },
        // The first one named is the main successor.
        Passes::NamedOfOneThatGoes if predecessor.successor.is_empty() => Institution {
            successor: succession.successor.clone(),
            ..predecessor
        },
        Passes::NamedOfOneThatGoes | Passes::Named => predecessor,
        // Decrees are known whose new parent no source names.
        Passes::Nothing if succession.new_parent.is_empty() => predecessor,
        Passes::Nothing => Institution {
            parent: succession.new_parent.clone(),
            ..predecessor
        },
    }
}

impl Institutions {
    /// `SucceedInstitution`.
    pub(crate) async fn succeed(
        &self,
        caller: &Caller,
        request: SucceedInstitutionRequest,
    ) -> Result<Response<SucceedInstitutionResponse>, Status> {
        let mut succession = request.succession.clone().unwrap_or_default();
        let mut faults = Faults::new();
        let (passes, effective_on) = check(&request, &succession, &mut faults);
        let mut change = self.kit.db.change(caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let from = succession.predecessor.clone();
        let successor_exists = rows::institution_exists(change.tx(), &succession.successor).await?;
        let (es, en) = ("no existe esa institución", "there is no such institution");
        faults.require(successor_exists || succession.successor == from, "succession.successor", es, en);
        institutions::check_parent(&change, &mut faults, "succession.new_parent", &from, &succession.new_parent).await?;
        let (Some(passes), Some(effective_on)) = (passes, effective_on) else {
            faults.done()?;
            return Err(Error::internal(&"what can't be read is a fault").into());
        };
        let open = match passes {
            Passes::All => open_ones(&change, &from, effective_on, &mut faults).await?,
            Passes::Nothing => Vec::new(),
            Passes::Named | Passes::NamedOfOneThatGoes => {
                named_ones(&change, caller, &request.assignments, &from, effective_on, &mut faults).await?
            }
        };
        faults.done()?;
        let predecessor = rows::institution(change.tx(), &from)
            .await?
            .ok_or_else(|| Error::not_found(&from))?;
        succession.record_time = Some(timestamp(change.now()));
        save(&mut change, &succession, predecessor, passes).await?;
        let assignments = pass_on(&mut change, open, &succession, effective_on).await?;
        change
            .commit(SucceedInstitutionResponse {
                succession: Some(succession),
                assignments,
            })
            .await
    }

    /// `ListSuccessions`.
    pub(crate) async fn successions(
        &self,
        caller: &Caller,
        request: &ListSuccessionsRequest,
    ) -> Result<Response<ListSuccessionsResponse>, Status> {
        let page = Page::parse(caller, request.page_size, &request.page_token, &[])?;
        let db = self.kit.db.read(caller);
        let fetch = |after: Option<String>, limit: u64| {
            let mut query = succession::Entity::find();
            if let Some(after) = after {
                query = query.filter(succession::Column::Key.gt(after));
            }
            async move { Ok(query.order_by_asc(succession::Column::Key).limit(limit).all(db).await?) }
        };
        let (rows, next_page_token) = rows::page(&page, |row: &succession::Model| row.key.as_str(), |_| true, fetch).await?;
        let successions = rows
            .iter()
            .map(|row| Succession::decode(row.definition.as_slice()))
            .collect::<Result<_, _>>();
        Ok(Response::new(ListSuccessionsResponse {
            successions: successions.map_err(Error::from)?,
            next_page_token,
        }))
    }
}

/// Hands all of them over, each from the effective day, or from its own first day where that is later; says the new
/// names.
async fn pass_on(change: &mut Change, passed: Vec<Assignment>, succession: &Succession, effective_on: Date) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for old in passed {
        let name = name_after(change, &old.name, &succession.successor).await?;
        let to = HandOver {
            name: &name,
            institution: &succession.successor,
            effective_on: state::passes_on_at(&old, effective_on),
            instrument: &succession.instrument,
            now: change.now(),
        };
        assignments::hand_over(change, old, to).await?;
        names.push(name);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(kind: &str, successor: &str, assignments: &[&str], new_parent: &str) -> Vec<String> {
        let succession = Succession {
            predecessor: "institutions/mmdh".into(),
            successor: format!("institutions/{successor}"),
            effective_on: "2025-08-15".into(),
            kind: kind.into(),
            new_parent: new_parent.into(),
            ..Succession::default()
        };
        let request = SucceedInstitutionRequest {
            assignments: assignments.iter().map(|name| (*name).into()).collect(),
            ..Default::default()
        };
        let mut faults = Faults::new();
        check(&request, &succession, &mut faults);
        faults.list().iter().map(|fault| fault.path.clone()).collect()
    }

    #[test]
    fn each_kind_asks_for_what_it_needs() {
        let none: [&str; 0] = [];
        assert_eq!(checked("absorption", "mdg", &[], ""), none);
        assert_eq!(checked("split", "mdg", &["plans/vcm/assignments/a"], ""), none);
        assert_eq!(checked("reattachment", "mmdh", &[], "institutions/mdg"), none);
        assert_eq!(checked("absorption", "mmdh", &[], ""), ["succession.successor"]);
        assert_eq!(
            checked("reattachment", "mdg", &["plans/vcm/assignments/a"], ""),
            ["succession.successor", "assignments"]
        );
        assert_eq!(
            checked("rename", "mdg", &["plans/vcm/assignments/a"], "institutions/mdi"),
            ["succession.new_parent", "assignments"]
        );
        assert_eq!(checked("conquest", "mdg", &[], ""), ["succession.kind"]);
    }

    #[test]
    fn who_goes_has_a_successor_and_who_stays_has_none() {
        let succession = Succession {
            successor: "institutions/sdh".into(),
            new_parent: "institutions/p".into(),
            ..Succession::default()
        };
        let check = |held: &str, passes, successor: &str, parent: &str| {
            let before = Institution {
                successor: held.into(),
                parent: "institutions/o".into(),
                ..Institution::default()
            };
            let after = after(before, &succession, passes);
            assert_eq!((after.successor.as_str(), after.parent.as_str()), (successor, parent), "{passes:?}");
        };
        check("", Passes::All, "institutions/sdh", "institutions/o");
        check("", Passes::NamedOfOneThatGoes, "institutions/sdh", "institutions/o");
        check("institutions/x", Passes::NamedOfOneThatGoes, "institutions/x", "institutions/o");
        check("", Passes::Named, "", "institutions/o");
        check("", Passes::Nothing, "", "institutions/p");
    }
}
