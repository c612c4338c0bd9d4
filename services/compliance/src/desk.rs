//! What the services share that keep what people say: how it is checked, written down and listed.

use jiff::Timestamp;
use vigia_platform::{Caller, Error, Faults, Filter, Kit, Page, Scope, instant, name, new_id};
use vigia_proto::{error::Reason, types::Provenance};

use crate::{
    compliance_service::plan_of,
    memory::Memory,
    record::Record,
    texts::{self, Spoken},
    voices::{Said, Voices},
};

/// What such a service stands on. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) kit: Kit,
    pub(crate) memory: Memory,
    pub(crate) record: Record,
}

/// A list that is asked for.
pub(crate) struct Asked<'a> {
    pub(crate) parent: &'a str,
    pub(crate) as_of: Option<&'a prost_types::Timestamp>,
    pub(crate) page_size: i32,
    pub(crate) page_token: &'a str,
    pub(crate) filter: &'a str,
}

/// An instant as an argument.
pub(crate) fn instant_of(path: &str, asked: Option<&prost_types::Timestamp>) -> Result<Option<Timestamp>, Error> {
    let Some(wire) = asked else { return Ok(None) };
    let t = instant(wire);
    let mut faults = Faults::new();
    faults.require(t.is_some(), path, "no es un instante", "is not an instant");
    faults.done()?;
    Ok(t)
}

/// Checks the id that something shall have; one is made up where none is given.
pub(crate) fn id(faults: &mut Faults, path: &str, given: &str) -> String {
    if given.is_empty() {
        return new_id();
    }
    faults.id(path, given);
    given.to_owned()
}

/// Checks where something is known from.
pub(crate) fn provenance(faults: &mut Faults, path: &str, from: Option<&Provenance>) {
    let Some(from) = from else { return };
    faults.text(&format!("{path}.source"), &from.source, 0..=2000);
    faults.text(&format!("{path}.note"), &from.note, 0..=2000);
}

/// The refusal of one more where there are as many as there may be.
pub(crate) fn limit(resource: &str, count: usize, most: usize) -> Result<(), Error> {
    if count < most {
        return Ok(());
    }
    Err(Error::refused(
        Reason::LimitReached,
        format!("Sobre «{resource}» ya hay {most} suyos, que es lo más que se guarda."),
        format!("There are {most} of yours on \"{resource}\" already, which is the most that is kept."),
    )
    .with("resource", resource)
    .with("limit", most.to_string()))
}

impl Desk {
    /// Checks that an action is one of a plan in force, as it is now.
    pub(crate) async fn check_action(&self, plan: &str, action: &str) -> Result<(), Error> {
        let t = self.kit.as_of(None).await?;
        let not_found = || Error::not_found(action);
        let parts = name::split("plans/{}/actions/{}", action)
            .filter(|parts| parts[0] == plan)
            .ok_or_else(not_found)?;
        let id = parts[1].into();
        let found = self.memory.ask(plan, t, |view| Ok(view.action(&id).is_some()));
        found.ok().filter(|found| *found).map(drop).ok_or_else(not_found)
    }

    /// Checks in whose name the caller speaks: an institution that exists, and for which it holds the permission. One that
    /// holds it everywhere may speak for itself, without one.
    pub(crate) fn check_speaker(&self, faults: &mut Faults, caller: &Caller, path: &str, institution: &str) {
        let may = match caller.scope() {
            Scope::Everywhere => institution.is_empty() || self.memory.knows(institution),
            Scope::Institutions(_) => caller.sees(institution) && self.memory.knows(institution),
        };
        faults.require(
            may,
            path,
            "debe ser una institución por la que puede hablar",
            "must be an institution for which you may speak",
        );
    }

    /// Refuses a name that is taken.
    pub(crate) fn check_name(&self, name: &str) -> Result<(), Error> {
        if self.record.voices(|voices| voices.holds(name)) {
            return Err(Error::already_exists(name));
        }
        Ok(())
    }

    /// A page of what was said in a plan, in the order of recording, with its texts.
    pub(crate) async fn list<T: Spoken>(
        &self,
        caller: &Caller,
        asked: &Asked<'_>,
        fields: &[&str],
        said: impl Fn(&Voices) -> &Said<T>,
        field: impl Fn(&T, &str) -> Option<String>,
    ) -> Result<(Vec<T>, String), Error> {
        let plan = plan_of(asked.parent, "parent")?;
        let filter = Filter::parse(asked.filter, fields)?;
        let by = instant_of("as_of", asked.as_of)?;
        let bound = by.map(|t| t.to_string()).unwrap_or_default();
        let page = Page::parse(caller, asked.page_size, asked.page_token, &[asked.parent, asked.filter, &bound])?;
        let t = self.kit.as_of(by).await?;
        self.memory.ask(plan, t, |_| Ok(()))?;
        // Nothing is ever put in between: a place in the list stays one.
        let begin = page.after.as_deref().map_or(Ok(0), str::parse).unwrap_or(usize::MAX);
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let mut found: Vec<(usize, T)> = self.record.voices(|voices| {
            let all = said(voices).by(plan, by.unwrap_or(Timestamp::MAX)).enumerate().skip(begin);
            let kept = all.filter(|(_, one)| filter.matches(|name| field(one, name)));
            kept.take(size.saturating_add(1)).map(|(place, one)| (place, one.clone())).collect()
        });
        let next = (found.len() > size)
            .then(|| found.pop())
            .flatten()
            .map(|(place, _)| place.to_string());
        let mut items: Vec<T> = found.into_iter().map(|(_, one)| one).collect();
        texts::fill(self.kit.db.read(caller), &self.record, &mut items).await?;
        Ok((items, page.next(next.as_deref())))
    }
}
