//! InstitutionService: the institutions that answer for actions. Who took over from whom, and the territories, stand in
//! files of their own beside it.

use std::collections::{HashMap, HashSet};

use prost::Message;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tonic::{Request, Response, Status};
use vigia_platform::{Caller, Change, Error, Faults, Filter, Kit, Page, check_etag};
use vigia_proto::assignments::{
    CreateInstitutionRequest, CreateInstitutionResponse, GetInstitutionRequest, GetInstitutionResponse, GetTerritoryRequest,
    GetTerritoryResponse, ImportInstitutionsRequest, ImportInstitutionsResponse, ImportTerritoriesRequest, ImportTerritoriesResponse,
    Institution, InstitutionSaved, ListInstitutionsRequest, ListInstitutionsResponse, ListSuccessionsRequest, ListSuccessionsResponse,
    ListTerritoriesRequest, ListTerritoriesResponse, SucceedInstitutionRequest, SucceedInstitutionResponse, UpdateInstitutionRequest,
    UpdateInstitutionResponse, institution_service_server,
};

use crate::{
    csv_files::{self, Read},
    entities::institution,
    fields, rows,
};

/// What lists can be filtered by.
const FILTER_FIELDS: [&str; 4] = ["branch", "kind", "parent", "acronym"];
/// What an update can change.
const UPDATE_FIELDS: [&str; 8] = [
    "name_es",
    "acronym",
    "branch",
    "kind",
    "parent",
    "seats",
    "provenance",
    "focal_points",
];

#[derive(Debug)]
pub(crate) struct Institutions {
    pub(crate) kit: Kit,
}

/// What is wrong with an institution by itself.
fn check(institution: &Institution, faults: &mut Faults) {
    fields::name_es(faults, "institution.name_es", &institution.name_es);
    fields::acronym(faults, "institution.acronym", &institution.acronym);
    fields::branch(faults, "institution.branch", &institution.branch);
    fields::kind(faults, "institution.kind", &institution.kind);
    fields::seats(faults, "institution.seats", &institution.seats);
    fields::provenance(faults, "institution.provenance", institution.provenance.as_ref());
    fields::focal_points(faults, "institution.focal_points", &institution.focal_points);
}

/// Takes from `given` the fields that the mask names; which of its paths are not known, in `faults`.
fn masked(stored: &Institution, given: &Institution, paths: &[String], faults: &mut Faults) -> Institution {
    let mut changed = stored.clone();
    let mut all = paths.to_vec();
    if paths == ["*"] {
        all = UPDATE_FIELDS.map(str::to_owned).to_vec();
    }
    for path in &all {
        match path.as_str() {
            "name_es" => changed.name_es.clone_from(&given.name_es),
            "acronym" => changed.acronym.clone_from(&given.acronym),
            "branch" => changed.branch.clone_from(&given.branch),
            "kind" => changed.kind.clone_from(&given.kind),
            "parent" => changed.parent.clone_from(&given.parent),
            "seats" => changed.seats.clone_from(&given.seats),
            "provenance" => changed.provenance.clone_from(&given.provenance),
            "focal_points" => changed.focal_points.clone_from(&given.focal_points),
            _ => faults.add(
                "update_mask",
                format!("no se puede cambiar «{path}»"),
                format!("\"{path}\" can't be changed"),
            ),
        }
    }
    faults.require(
        !all.is_empty(),
        "update_mask",
        "debe nombrar los campos, o ser «*»",
        "must name the fields, or be \"*\"",
    );
    changed
}

/// Whether who goes up from `name`, parent by parent, comes back to where it was.
fn hangs_on_itself(parents: &HashMap<String, String>, name: &str) -> bool {
    let mut seen = HashSet::new();
    let mut at = name;
    while !at.is_empty() {
        if !seen.insert(at) {
            return true;
        }
        at = parents.get(at).map_or("", String::as_str);
    }
    false
}

/// Every institution's parent. There are some hundreds of institutions: a State has about 300 bodies and cantons.
async fn parents(change: &Change) -> Result<HashMap<String, String>, Error> {
    let query = institution::Entity::find()
        .select_only()
        .column(institution::Column::Name)
        .column(institution::Column::Parent);
    Ok(query.into_tuple::<(String, String)>().all(change.tx()).await?.into_iter().collect())
}

/// Notes a parent that does not exist, or that makes the institution hang on itself.
pub(crate) async fn check_parent(change: &Change, faults: &mut Faults, path: &str, name: &str, parent: &str) -> Result<(), Error> {
    if parent.is_empty() {
        return Ok(());
    }
    let mut parents = parents(change).await?;
    parents.insert(name.to_owned(), parent.to_owned());
    faults.require(
        parents.contains_key(parent),
        path,
        "no existe esa institución",
        "there is no such institution",
    );
    let loops = hangs_on_itself(&parents, name);
    faults.require(
        !loops,
        path,
        "la institución dependería de sí misma",
        "the institution would hang on itself",
    );
    Ok(())
}

/// Saves an institution and records it.
pub(crate) async fn save(change: &mut Change, institution: Institution, new: bool) -> Result<Institution, Error> {
    let saved = rows::save_institution(change, institution, new).await?;
    let event = InstitutionSaved {
        institution: Some(saved.clone()),
    };
    change
        .record("vigia.assignments.v1.InstitutionSaved", &saved.name, &saved.name, &event)
        .await?;
    Ok(saved)
}

/// Saves what a file says, as far as it is new; parents may stand in the file, before or after.
async fn import(change: &mut Change, read: Vec<Read<Institution>>, mut faults: Faults) -> Result<(), Error> {
    let mut parents = parents(change).await?;
    parents.extend(read.iter().map(|Read { value, .. }| (value.name.clone(), value.parent.clone())));
    for Read { line, value } in &read {
        if !value.parent.is_empty() && !parents.contains_key(&value.parent) {
            csv_files::fault(
                &mut faults,
                *line,
                "parent_id",
                "no existe esa institución",
                "there is no such institution",
            );
        } else if hangs_on_itself(&parents, &value.name) {
            let (es, en) = ("la institución dependería de sí misma", "the institution would hang on itself");
            csv_files::fault(&mut faults, *line, "parent_id", es, en);
        }
    }
    faults.done()?;
    for Read { value, .. } in read {
        let stored = rows::institution(change.tx(), &value.name).await?;
        // What the file does not say stays.
        let stored_or_new = stored.clone().unwrap_or_default();
        let value = Institution {
            etag: stored_or_new.etag,
            successor: stored_or_new.successor,
            focal_points: if value.focal_points.is_empty() {
                stored_or_new.focal_points
            } else {
                value.focal_points
            },
            ..value
        };
        if stored.as_ref() != Some(&value) {
            save(change, value, stored.is_none()).await?;
        }
    }
    Ok(())
}

#[tonic::async_trait]
impl institution_service_server::InstitutionService for Institutions {
    async fn create_institution(&self, request: Request<CreateInstitutionRequest>) -> Result<Response<CreateInstitutionResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let name = format!("institutions/{}", request.institution_id);
        let given = request.institution.clone().unwrap_or_default();
        let institution = Institution {
            name: name.clone(),
            successor: String::new(),
            ..given
        };
        let mut faults = Faults::new();
        faults.id("institution_id", &request.institution_id);
        check(&institution, &mut faults);
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        check_parent(&change, &mut faults, "institution.parent", &name, &institution.parent).await?;
        faults.done()?;
        if rows::institution_exists(change.tx(), &name).await? {
            return Err(Error::already_exists(name).into());
        }
        let institution = save(&mut change, institution, true).await?;
        change
            .commit(CreateInstitutionResponse {
                institution: Some(institution),
            })
            .await
    }

    async fn get_institution(&self, request: Request<GetInstitutionRequest>) -> Result<Response<GetInstitutionResponse>, Status> {
        let caller = Caller::of(&request)?;
        let name = &request.get_ref().name;
        let institution = rows::institution(self.kit.db.read(&caller), name)
            .await?
            .ok_or_else(|| Error::not_found(name))?;
        Ok(Response::new(GetInstitutionResponse {
            institution: Some(institution),
        }))
    }

    async fn list_institutions(&self, request: Request<ListInstitutionsRequest>) -> Result<Response<ListInstitutionsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let filter = Filter::parse(&request.filter, &FILTER_FIELDS)?;
        let page = Page::parse(&caller, request.page_size, &request.page_token, &[&request.filter])?;
        let db = self.kit.db.read(&caller);
        let fetch = |after: Option<String>, limit: u64| {
            let mut query = institution::Entity::find();
            if let Some(after) = after {
                query = query.filter(institution::Column::Name.gt(after));
            }
            async move {
                let rows = query.order_by_asc(institution::Column::Name).limit(limit).all(db).await?;
                rows.iter()
                    .map(|row| Ok(Institution::decode(row.definition.as_slice())?))
                    .collect::<Result<Vec<_>, Error>>()
            }
        };
        let keep = |institution: &Institution| {
            filter.matches(|field| match field {
                "branch" => Some(institution.branch.clone()),
                "kind" => Some(institution.kind.clone()),
                "parent" => Some(institution.parent.clone()),
                "acronym" => Some(institution.acronym.clone()),
                _ => None,
            })
        };
        let (institutions, next_page_token) = rows::page(&page, |institution: &Institution| institution.name.as_str(), keep, fetch).await?;
        Ok(Response::new(ListInstitutionsResponse {
            institutions,
            next_page_token,
        }))
    }

    async fn update_institution(&self, request: Request<UpdateInstitutionRequest>) -> Result<Response<UpdateInstitutionResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let given = request.institution.clone().unwrap_or_default();
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        let stored = rows::institution(change.tx(), &given.name)
            .await?
            .ok_or_else(|| Error::not_found(&given.name))?;
        let mut faults = Faults::new();
        let paths = request.update_mask.as_ref().map(|mask| mask.paths.as_slice()).unwrap_or_default();
        let changed = masked(&stored, &given, paths, &mut faults);
        check(&changed, &mut faults);
        check_parent(&change, &mut faults, "institution.parent", &changed.name, &changed.parent).await?;
        faults.done()?;
        check_etag(&given.etag, &stored.etag, &given.name)?;
        let institution = save(&mut change, changed, false).await?;
        change
            .commit(UpdateInstitutionResponse {
                institution: Some(institution),
            })
            .await
    }

    async fn succeed_institution(
        &self,
        request: Request<SucceedInstitutionRequest>,
    ) -> Result<Response<SucceedInstitutionResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.succeed(&caller, request.into_inner()).await
    }

    async fn list_successions(&self, request: Request<ListSuccessionsRequest>) -> Result<Response<ListSuccessionsResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.successions(&caller, &request.into_inner()).await
    }

    async fn import_institutions(
        &self,
        request: Request<ImportInstitutionsRequest>,
    ) -> Result<Response<ImportInstitutionsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let mut faults = Faults::new();
        let read = csv_files::institutions(&request.file, &mut faults);
        let institutions = i32::try_from(read.len()).unwrap_or(i32::MAX);
        let mut change = self.kit.db.change(&caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        import(&mut change, read, faults).await?;
        let answer = ImportInstitutionsResponse { institutions };
        // Only checked: the change is dropped, and never was.
        if request.validate_only {
            Ok(Response::new(answer))
        } else {
            change.commit(answer).await
        }
    }

    async fn get_territory(&self, request: Request<GetTerritoryRequest>) -> Result<Response<GetTerritoryResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.territory(&caller, &request.get_ref().name).await
    }

    async fn list_territories(&self, request: Request<ListTerritoriesRequest>) -> Result<Response<ListTerritoriesResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.territories(&caller, &request.into_inner()).await
    }

    async fn import_territories(&self, request: Request<ImportTerritoriesRequest>) -> Result<Response<ImportTerritoriesResponse>, Status> {
        let caller = Caller::of(&request)?;
        self.import_provinces(&caller, request.into_inner()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_hangs_on_itself() {
        let parents = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(name, parent)| ((*name).to_owned(), (*parent).to_owned()))
                .collect()
        };
        let check = |pairs, expect| assert_eq!(hangs_on_itself(&parents(pairs), "a"), expect, "{pairs:?}");
        check(&[("a", ""), ("b", "a")], false);
        check(&[("a", "b"), ("b", "c"), ("c", "")], false);
        check(&[("a", "unknown")], false);
        check(&[("a", "a")], true);
        check(&[("a", "b"), ("b", "a")], true);
        check(&[("a", "b"), ("b", "c"), ("c", "b")], true);
    }

    #[test]
    fn a_mask_changes_what_it_names_and_nothing_else() {
        let stored = Institution {
            name: "institutions/msp".into(),
            name_es: "Salud".into(),
            acronym: "MSP".into(),
            successor: "x".into(),
            ..Institution::default()
        };
        let given = Institution {
            name_es: "Salud Pública".into(),
            seats: vec![4],
            successor: "y".into(),
            ..Institution::default()
        };
        let check = |paths: &[&str], expect: Result<Institution, usize>| {
            let mut faults = Faults::new();
            let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            let changed = masked(&stored, &given, &paths, &mut faults);
            assert_eq!(
                if faults.list().is_empty() {
                    Ok(changed)
                } else {
                    Err(faults.list().len())
                },
                expect,
                "{paths:?}"
            );
        };
        check(
            &["name_es"],
            Ok(Institution {
                name_es: "Salud Pública".into(),
                ..stored.clone()
            }),
        );
        check(
            &["*"],
            Ok(Institution {
                name_es: "Salud Pública".into(),
                acronym: String::new(),
                seats: vec![4],
                ..stored.clone()
            }),
        );
        check(&[], Err(1));
        check(&["successor", "etag", "seats"], Err(2));
    }
}
