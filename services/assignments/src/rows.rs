//! Rows of institutions and assignments as their messages: found, inserted, saved, and listed by pages.

use std::future::Future;

use prost::Message;
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel};
use vigia_platform::{Caller, Change, Error, Faults, Page, etag};
use vigia_proto::assignments::{Assignment, Institution};

use crate::entities::{assignment, institution};

/// The institution of this name, if there is one.
pub(crate) async fn institution(db: &impl ConnectionTrait, name: &str) -> Result<Option<Institution>, Error> {
    let row = institution::Entity::find_by_id(name).one(db).await?;
    Ok(row.map(|row| Institution::decode(row.definition.as_slice())).transpose()?)
}

/// Whether there is an institution of this name.
pub(crate) async fn institution_exists(db: &impl ConnectionTrait, name: &str) -> Result<bool, Error> {
    Ok(institution::Entity::find_by_id(name).one(db).await?.is_some())
}

/// Notes an institution that does not exist.
pub(crate) async fn check_institution(change: &Change, faults: &mut Faults, path: &str, institution: &str) -> Result<(), Error> {
    let exists = institution_exists(change.tx(), institution).await?;
    faults.require(exists, path, "no existe esa institución", "there is no such institution");
    Ok(())
}

/// Writes an institution, new or changed, with its etag.
pub(crate) async fn save_institution(change: &Change, given: Institution, new: bool) -> Result<Institution, Error> {
    let given = Institution {
        etag: String::new(),
        ..given
    };
    let saved = Institution {
        etag: etag(&given),
        ..given
    };
    let row = institution::Model {
        name: saved.name.clone(),
        parent: saved.parent.clone(),
        definition: saved.encode_to_vec(),
        etag: saved.etag.clone(),
    };
    if new {
        institution::Entity::insert(row.into_active_model())
            .exec_without_returning(change.tx())
            .await?;
    } else {
        row.into_active_model().reset_all().update(change.tx()).await?;
    }
    Ok(saved)
}

/// The assignment of this name. One that the caller may not see reads as not there.
pub(crate) async fn assignment(db: &impl ConnectionTrait, caller: &Caller, name: &str) -> Result<Assignment, Error> {
    let row = assignment::Entity::find_by_id(name).one(db).await?;
    let row = row
        .filter(|row| caller.sees(&row.institution))
        .ok_or_else(|| Error::not_found(name))?;
    Ok(Assignment::decode(row.definition.as_slice())?)
}

/// Whether an assignment of this name is there, seen or not.
pub(crate) async fn assignment_exists(db: &impl ConnectionTrait, name: &str) -> Result<bool, Error> {
    Ok(assignment::Entity::find_by_id(name).one(db).await?.is_some())
}

/// Writes an assignment, new or changed, with its etag.
pub(crate) async fn save_assignment(change: &Change, given: Assignment, new: bool) -> Result<Assignment, Error> {
    let given = Assignment {
        etag: String::new(),
        ..given
    };
    let saved = Assignment {
        etag: etag(&given),
        ..given
    };
    let row = assignment::Model {
        name: saved.name.clone(),
        plan: plan_of(&saved.name).to_owned(),
        action: saved.action.clone(),
        institution: saved.institution.clone(),
        territory: saved.territory.clone(),
        state: saved.state,
        definition: saved.encode_to_vec(),
        etag: saved.etag.clone(),
    };
    if new {
        assignment::Entity::insert(row.into_active_model())
            .exec_without_returning(change.tx())
            .await?;
    } else {
        row.into_active_model().reset_all().update(change.tx()).await?;
    }
    Ok(saved)
}

/// The plan that an assignment's name begins with.
pub(crate) fn plan_of(name: &str) -> &str {
    name.split_once("/assignments/").map_or(name, |(plan, _)| plan)
}

/// Collects a page of what passes `keep`, and the token of the next. `fetch` gives the next rows after a key, at most
/// as many as asked, in the order of their keys: what it leaves out never makes a page short.
pub(crate) async fn page<T, F>(
    page: &Page,
    key: impl Fn(&T) -> &str,
    keep: impl Fn(&T) -> bool,
    mut fetch: impl FnMut(Option<String>, u64) -> F,
) -> Result<(Vec<T>, String), Error>
where
    F: Future<Output = Result<Vec<T>, Error>>,
{
    // One more than asked for, to know whether there is a next page.
    let wanted = page.size + 1;
    let size = usize::try_from(page.size).unwrap_or(usize::MAX);
    let mut after = page.after.clone();
    let mut kept: Vec<T> = Vec::new();
    while kept.len() <= size {
        let rows = fetch(after.clone(), wanted).await?;
        let end = u64::try_from(rows.len()).unwrap_or(u64::MAX) < wanted;
        after = rows.last().map(|row| key(row).to_owned());
        kept.extend(rows.into_iter().filter(&keep));
        if end {
            break;
        }
    }
    let more = kept.len() > size;
    kept.truncate(size);
    let next = page.next(kept.last().filter(|_| more).map(&key));
    Ok((kept, next))
}
