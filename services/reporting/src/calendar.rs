//! The plan's calendar: every due instant, of its periods and of what is owed.

use std::collections::HashMap;

use jiff::Timestamp;
use vigia_platform::{Caller, Error, Page, name::split, timestamp};
use vigia_proto::{
    plans::Action,
    reporting::{CalendarEntry, CalendarPeriod, PreviewCalendarRequest, PreviewCalendarResponse},
};
use vigia_rules::{self as rules, Obligation, preview};

use crate::{desk::Desk, lines::Plan, names::wrong, obligation_service::key, wire};

pub(crate) fn answer(
    desk: &Desk,
    caller: &Caller,
    request: &PreviewCalendarRequest,
    page: &Page,
) -> Result<PreviewCalendarResponse, Error> {
    let parts = split("plans/{}", &request.parent).ok_or_else(|| wrong("parent", "plans/{plan}"))?;
    if !request.institution.is_empty() && split("institutions/{}", &request.institution).is_none() {
        return Err(wrong("institution", "institutions/{i}"));
    }
    let t = caller.received_at();
    let id = parts[0];
    let shown = desk.with_plan(id, |plan| of_plan(caller, id, plan, request, page, t)).flatten();
    shown.ok_or_else(|| Error::not_found(&*request.parent))
}

/// None as long as the plan is a draft.
fn of_plan(
    caller: &Caller,
    id: &str,
    plan: &Plan<'_>,
    request: &PreviewCalendarRequest,
    page: &Page,
    t: Timestamp,
) -> Option<PreviewCalendarResponse> {
    let periods = preview::periods(plan.facts, t);
    if periods.is_empty() {
        return None;
    }
    let seen = plan
        .ids()
        .filter(|assignment| plan.answerable(assignment).any(|institution| caller.sees(institution)));
    let owed = plan.owed(seen.collect::<Vec<_>>(), t);
    let asked = owed.filter(|owed| request.institution.is_empty() || request.institution == format!("institutions/{}", owed.institution));
    let mut keyed: Vec<_> = asked.map(|owed| (key(id, &owed), owed)).collect();
    keyed.retain(|(key, _)| page.after.as_ref().is_none_or(|after| key > after));
    keyed.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let size = usize::try_from(page.size).unwrap_or(usize::MAX);
    let last = (keyed.len() > size)
        .then(|| keyed.get(size - 1).map(|(key, _)| key.clone()))
        .flatten();
    let actions: HashMap<&str, &Action> = plan
        .known
        .definition
        .actions
        .iter()
        .map(|action| (action.name.as_str(), action))
        .collect();
    let day = |due_at| {
        preview::due_day(plan.facts, due_at, t)
            .map(|day| day.to_string())
            .unwrap_or_default()
    };
    let entries = keyed.iter().take(size).map(|(_, owed)| entry(id, owed, &actions, day(owed.due_at)));
    let shown = periods.iter().map(|due| CalendarPeriod {
        period: due.period.to_string(),
        first_day: due.first_day.to_string(),
        last_day: due.last_day.to_string(),
        due_time: Some(timestamp(due.due_at)),
        due_day: due.due_day.to_string(),
    });
    let definition = plan.definition_at(t).plan.as_ref();
    Some(PreviewCalendarResponse {
        time_zone: definition.map(|plan| plan.time_zone.clone()).unwrap_or_default(),
        periods: shown.collect(),
        entries: entries.collect(),
        next_page_token: page.next(last.as_deref()),
    })
}

fn entry(plan: &str, owed: &Obligation, actions: &HashMap<&str, &Action>, due_day: String) -> CalendarEntry {
    let name = format!("plans/{plan}/actions/{}", owed.action);
    let action = actions.get(name.as_str());
    let wire = wire::obligation(plan, owed);
    CalendarEntry {
        obligation: wire.name,
        action_code: action.map(|action| action.code.clone()).unwrap_or_default(),
        action_text_es: action.map(|action| action.text_es.clone()).unwrap_or_default(),
        action: name,
        institution: wire.institution,
        open_time: wire.open_time,
        due_time: wire.due_time,
        due_day,
        calendar_due_time: Some(timestamp(owed.calendar_due_at)),
        answer_due_time: wire.answer_due_time,
        review_due_time: owed.review_due_at.map(timestamp),
        state: wire.state,
        extension_positions: owed.extended_by.iter().map(extension).collect(),
    }
}

fn extension(position: &rules::Position) -> i64 {
    i64::try_from(position.number).unwrap_or(i64::MAX)
}
