//! Extensions and waivers as they stand on record: lists of a plan, for whoever may see what they are about.

use std::collections::HashMap;

use prost::Message;
use vigia_platform::{Caller, Error, Filter, Page, Scope, name::split};
use vigia_proto::{
    journal::Entry,
    reporting::{
        ExtensionGranted, GrantedExtension, ListExtensionsRequest, ListExtensionsResponse, ListWaiversRequest, ListWaiversResponse,
        ObligationWaived, Waiver,
    },
};

use crate::{
    desk::Desk,
    lines::Plan,
    names::{ObligationName, wrong},
};

/// By plan, in the order of recording.
#[derive(Debug, Default)]
pub(crate) struct Granted {
    extensions: HashMap<String, Vec<GrantedExtension>>,
    waivers: HashMap<String, Vec<Waiver>>,
}

impl Granted {
    /// Takes in an entry of our own journal.
    pub(crate) fn take(&mut self, entry: &Entry) -> Result<(), Error> {
        let plan = || entry.resource.split('/').nth(1).unwrap_or_default().to_owned();
        match entry.event_type.as_str() {
            "vigia.reporting.v1.ExtensionGranted" => {
                let granted = GrantedExtension {
                    extension: ExtensionGranted::decode(entry.event.as_slice())?.extension,
                    grant_time: entry.time,
                    granter: entry.caller.clone(),
                    position: entry.position,
                };
                self.extensions.entry(plan()).or_default().push(granted);
            }
            "vigia.reporting.v1.ObligationWaived" => {
                let waived = ObligationWaived::decode(entry.event.as_slice())?;
                let waiver = Waiver {
                    name: format!("{}/waiver", waived.obligation),
                    obligation: waived.obligation,
                    reason: waived.reason,
                    waive_time: entry.time,
                    waiver: entry.caller.clone(),
                    position: entry.position,
                };
                self.waivers.entry(plan()).or_default().push(waiver);
            }
            _ => {}
        }
        Ok(())
    }
}

pub(crate) fn extensions(desk: &Desk, caller: &Caller, request: &ListExtensionsRequest) -> Result<ListExtensionsResponse, Error> {
    let page = Page::parse(caller, request.page_size, &request.page_token, &[&request.parent, &request.filter])?;
    let filter = Filter::parse(&request.filter, &["period"])?;
    let record = desk.record();
    let is_shown = |plan: &Plan<'_>, granted: &GrantedExtension| {
        let extension = granted.extension.as_ref();
        let covers = extension.and_then(|extension| extension.covers.as_ref());
        let mut seen = plan.ids().filter(|id| is_seen(caller, plan, id));
        filter.matches(|_| extension.map(|extension| extension.period.clone()))
            && covers.is_some_and(|covers| matches!(caller.scope(), Scope::Everywhere) || seen.any(|id| plan.covers(covers, id)))
    };
    let position = |granted: &GrantedExtension| granted.position;
    let (extensions, next_page_token) = some(desk, &request.parent, &record.granted.extensions, &page, is_shown, position)?;
    Ok(ListExtensionsResponse {
        extensions,
        next_page_token,
    })
}

pub(crate) fn waivers(desk: &Desk, caller: &Caller, request: &ListWaiversRequest) -> Result<ListWaiversResponse, Error> {
    let page = Page::parse(caller, request.page_size, &request.page_token, &[&request.parent, &request.filter])?;
    let filter = Filter::parse(&request.filter, &["period"])?;
    let record = desk.record();
    let is_shown = |plan: &Plan<'_>, waiver: &Waiver| {
        let name = ObligationName::read(&waiver.obligation);
        name.is_some_and(|name| filter.matches(|_| Some(name.period.to_string())) && is_seen(caller, plan, name.assignment.as_str()))
    };
    let position = |waiver: &Waiver| waiver.position;
    let (waivers, next_page_token) = some(desk, &request.parent, &record.granted.waivers, &page, is_shown, position)?;
    Ok(ListWaiversResponse { waivers, next_page_token })
}

fn is_seen(caller: &Caller, plan: &Plan<'_>, assignment: &str) -> bool {
    plan.answerable(assignment).any(|institution| caller.sees(institution))
}

/// A page of what stands on record for a plan, behind the position where the last page ended.
fn some<T: Clone>(
    desk: &Desk,
    parent: &str,
    all: &HashMap<String, Vec<T>>,
    page: &Page,
    is_shown: impl Fn(&Plan<'_>, &T) -> bool,
    position: impl Fn(&T) -> i64,
) -> Result<(Vec<T>, String), Error> {
    let parts = split("plans/{}", parent).ok_or_else(|| wrong("parent", "plans/{plan}"))?;
    let all = all.get(parts[0]).map(Vec::as_slice).unwrap_or_default();
    let after = page.after.as_ref().and_then(|after| after.parse().ok()).unwrap_or(0);
    let size = usize::try_from(page.size).unwrap_or(usize::MAX);
    let behind = &all[all.partition_point(|one| position(one) <= after)..];
    // Where nobody was assigned anything yet, nothing was granted either.
    let shown = desk.with_plan(parts[0], |plan| {
        let shown = behind.iter().filter(|one| is_shown(plan, one)).take(size.saturating_add(1));
        shown.cloned().collect::<Vec<_>>()
    });
    let mut shown = shown.unwrap_or_default();
    let more = shown.len() > size;
    shown.truncate(size);
    let last = shown.last().filter(|_| more).map(|last| position(last).to_string());
    Ok((shown, page.next(last.as_deref())))
}
