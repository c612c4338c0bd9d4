//! Territories: provinces and cantons, read from a file and never changed one by one.

use std::collections::HashSet;

use prost::Message;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};
use tonic::{Response, Status};
use vigia_platform::{Caller, Change, Error, Faults, Page};
use vigia_proto::assignments::{
    GetTerritoryResponse, ImportTerritoriesRequest, ImportTerritoriesResponse, ListTerritoriesRequest, ListTerritoriesResponse, Territory,
    TerritorySaved,
};

use crate::{
    csv_files::{self, Read},
    entities::territory,
    institutions::Institutions,
    rows,
};

/// Notes cantons whose province is neither in the file nor here.
async fn check_provinces(change: &Change, read: &[Read<Territory>], faults: &mut Faults) -> Result<(), Error> {
    let in_file: HashSet<&str> = read.iter().map(|read| read.value.name.as_str()).collect();
    for Read { line, value } in read {
        let code = value.name.strip_prefix("territories/").unwrap_or_default();
        let Some(province) = code.get(..2).filter(|_| code.len() > 2) else {
            continue;
        };
        let province = format!("territories/{province}");
        if !in_file.contains(province.as_str()) && territory::Entity::find_by_id(province).one(change.tx()).await?.is_none() {
            csv_files::fault(
                faults,
                *line,
                "code",
                "no existe la provincia del cantón",
                "the canton's province does not exist",
            );
        }
    }
    Ok(())
}

/// Those of the provinces, by code, that are not known. Where no territories were imported, none can be unknown.
pub(crate) async fn unknown<'a>(change: &Change, provinces: impl IntoIterator<Item = &'a str>) -> Result<HashSet<&'a str>, Error> {
    let mut unknown = HashSet::new();
    for province in provinces {
        let name = format!("territories/{province}");
        if territory::Entity::find_by_id(name).one(change.tx()).await?.is_none() {
            unknown.insert(province);
        }
    }
    if !unknown.is_empty() && territory::Entity::find().one(change.tx()).await?.is_none() {
        unknown.clear();
    }
    Ok(unknown)
}

/// Saves a territory, if it is new or other than before, and records it.
async fn save(change: &mut Change, given: &Territory) -> Result<(), Error> {
    let row = territory::Model {
        name: given.name.clone(),
        definition: given.encode_to_vec(),
    };
    match territory::Entity::find_by_id(&given.name).one(change.tx()).await? {
        Some(stored) if stored == row => return Ok(()),
        Some(_) => drop(row.into_active_model().reset_all().update(change.tx()).await?),
        None => drop(
            territory::Entity::insert(row.into_active_model())
                .exec_without_returning(change.tx())
                .await?,
        ),
    }
    let event = TerritorySaved {
        territory: Some(given.clone()),
    };
    change
        .record("vigia.assignments.v1.TerritorySaved", &given.name, "", &event)
        .await?;
    Ok(())
}

impl Institutions {
    /// `GetTerritory`.
    pub(crate) async fn territory(&self, caller: &Caller, name: &str) -> Result<Response<GetTerritoryResponse>, Status> {
        let row = territory::Entity::find_by_id(name)
            .one(self.kit.db.read(caller))
            .await
            .map_err(Error::from)?;
        let row = row.ok_or_else(|| Error::not_found(name))?;
        let territory = Territory::decode(row.definition.as_slice()).map_err(Error::from)?;
        Ok(Response::new(GetTerritoryResponse {
            territory: Some(territory),
        }))
    }

    /// `ListTerritories`.
    pub(crate) async fn territories(
        &self,
        caller: &Caller,
        request: &ListTerritoriesRequest,
    ) -> Result<Response<ListTerritoriesResponse>, Status> {
        let page = Page::parse(caller, request.page_size, &request.page_token, &[])?;
        let db = self.kit.db.read(caller);
        let fetch = |after: Option<String>, limit: u64| {
            let mut query = territory::Entity::find();
            if let Some(after) = after {
                query = query.filter(territory::Column::Name.gt(after));
            }
            async move {
                let rows = query.order_by_asc(territory::Column::Name).limit(limit).all(db).await?;
                rows.iter()
                    .map(|row| Ok(Territory::decode(row.definition.as_slice())?))
                    .collect::<Result<Vec<_>, Error>>()
            }
        };
        let (territories, next_page_token) = rows::page(&page, |territory: &Territory| territory.name.as_str(), |_| true, fetch).await?;
        Ok(Response::new(ListTerritoriesResponse {
            territories,
            next_page_token,
        }))
    }

    /// `ImportTerritories`.
    pub(crate) async fn import_provinces(
        &self,
        caller: &Caller,
        request: ImportTerritoriesRequest,
    ) -> Result<Response<ImportTerritoriesResponse>, Status> {
        let mut faults = Faults::new();
        let read = csv_files::territories(&request.file, &mut faults);
        let mut change = self.kit.db.change(caller, &request.request_id, &request).await?;
        if let Some(answer) = change.replayed()? {
            return Ok(answer);
        }
        check_provinces(&change, &read, &mut faults).await?;
        faults.done()?;
        for Read { value, .. } in &read {
            save(&mut change, value).await?;
        }
        let answer = ImportTerritoriesResponse {
            territories: i32::try_from(read.len()).unwrap_or(i32::MAX),
        };
        // Only checked: the change is dropped, and never was.
        if request.validate_only {
            Ok(Response::new(answer))
        } else {
            change.commit(answer).await
        }
    }
}
