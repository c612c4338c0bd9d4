//! When this service could not take reports, on its own record: what fell due then can be extended.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use prost::Message;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval_at},
};
use vigia_platform::{
    Caller, Error, Faults, Page, STRETCH, clock::just_before, instant, journal::RESTORED, name::split, new_id, timestamp,
};
use vigia_proto::{
    journal::Entry,
    reporting::{ListOutagesRequest, ListOutagesResponse, Outage, OutageKind, OutageRecorded},
};
use vigia_rules::{self as rules, Facts, ObligationState, history::InForce};

use crate::desk::Desk;

/// How often the service marks that it is there; an outage begins at the last mark, so at most so long too early.
const MARK_EVERY: Duration = Duration::from_secs(10);
/// The shortest time without a mark that is recorded. A restart or a new version takes some seconds, and nobody is late
/// by them; a minute is what people notice, and six marks long.
const OUTAGE_SHORTEST: SignedDuration = SignedDuration::from_secs(60);

const RECORDED: &str = "vigia.reporting.v1.OutageRecorded";

/// What our own journal says of outages, in its order.
#[derive(Debug, Default)]
pub(crate) struct Outages {
    all: Vec<Outage>,
    /// When a process of the service wrote its last entry, of whatever kind: then it was there.
    last_entry_at: Option<Timestamp>,
}

impl Outages {
    /// Takes in an entry of our own journal.
    pub(crate) fn take(&mut self, entry: &Entry) -> Result<(), Error> {
        // A restore is entered while the services are down, and by hand.
        if entry.event_type != RESTORED {
            self.last_entry_at = entry.time.as_ref().and_then(instant);
        }
        if entry.event_type == RECORDED {
            let outage = OutageRecorded::decode(entry.event.as_slice())?.outage.unwrap_or_default();
            self.all.push(Outage {
                position: entry.position,
                ..outage
            });
        }
        Ok(())
    }

    /// The outage that an extension names in the field `extension.outage`; none where it names none.
    pub(crate) fn named(&self, name: &str, faults: &mut Faults) -> Option<&Outage> {
        let outage = self.all.iter().find(|outage| outage.name == name);
        if split("outages/{}", name).is_none() && !name.is_empty() {
            faults.add("extension.outage", "debe ser «outages/{id}»", "must be \"outages/{id}\"");
        } else if outage.is_none() && !name.is_empty() {
            faults.add("extension.outage", "no consta esa interrupción", "that outage is not on record");
        }
        outage
    }

    fn page(&self, page: &Page) -> (Vec<Outage>, String) {
        let after = page.after.as_ref().and_then(|after| after.parse().ok()).unwrap_or(0);
        let behind = &self.all[self.all.partition_point(|outage| outage.position <= after)..];
        let size = usize::try_from(page.size).unwrap_or(usize::MAX).min(behind.len());
        let last = behind[..size].last().filter(|_| behind.len() > size);
        (
            behind[..size].to_vec(),
            page.next(last.map(|last| last.position.to_string()).as_deref()),
        )
    }
}

/// A page of what is on record.
pub(crate) fn list(desk: &Desk, caller: &Caller, request: &ListOutagesRequest) -> Result<ListOutagesResponse, Error> {
    let page = Page::parse(caller, request.page_size, &request.page_token, &[])?;
    let (outages, next_page_token) = desk.record().outages.page(&page);
    Ok(ListOutagesResponse { outages, next_page_token })
}

/// How many due instants did not fall into an outage: one falls into it that comes after its beginning, and whose last day
/// in time is not after its last. By days, because a whole day is given: who wanted to report in its last hours could not.
pub(crate) fn fell_due_out_of(outage: &Outage, due: impl Iterator<Item = Timestamp>, facts: &Facts, now: Timestamp) -> usize {
    let times = [&outage.start_time, &outage.end_time].map(|time| time.as_ref().and_then(instant));
    let ([Some(start), Some(end)], Some(plan)) = (times, InForce::at(facts, now)) else {
        return due.count();
    };
    let last_day = |t| plan.plan().calendar.day_of(just_before(t));
    due.filter(|&due_at| due_at <= start || last_day(due_at) > last_day(end)).count()
}

/// Whether the day of `t` is the last one in time for a report, or an answer, that is owed.
fn is_due_day(facts: &Facts, t: Timestamp) -> bool {
    let Some(plan) = InForce::at(facts, t) else { return false };
    let calendar = &plan.plan().calendar;
    let day = calendar.day_of(t);
    let owed = rules::obligations(facts, t).filter(|owed| owed.state != ObligationState::Waived);
    let mut due = owed.flat_map(|owed| std::iter::once(owed.due_at).chain(owed.answer_due_at));
    due.any(|due_at| calendar.day_of(just_before(due_at)) == day)
}

/// Records what was missed before this start, and watches until it is dropped.
pub(crate) async fn watch(desk: Desk) -> Result<JoinSet<()>, Error> {
    mark(&desk, true).await?;
    let mut task = JoinSet::new();
    task.spawn(go_on(desk));
    Ok(task)
}

async fn go_on(desk: Desk) {
    let mut turned = desk.kit.clock.turned();
    let mut marks = interval_at(Instant::now() + MARK_EVERY, MARK_EVERY);
    // One that was missed is not made up for: it would say that this process was there when it was not.
    marks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = marks.tick() => {}
            turned = turned.changed() => if turned.is_err() { return },
        }
        let done = async { mark(&desk, false).await.and(record_shed(&desk).await) }.await;
        if let Err(cause) = done {
            // The next mark tells since when, and what was shed is still counted.
            tracing::warn!(cause = cause.texts().1, "no mark was made");
        }
    }
}

/// Who enters it: Vigía itself, as the journal names it.
fn caller(desk: &Desk) -> Caller {
    Caller::vigia(&desk.kit.clock, "outages")
}

/// Marks that this process is there, and records for how long nobody was.
async fn mark(desk: &Desk, is_start: bool) -> Result<(), Error> {
    let Desk { kit, .. } = desk;
    let now = kit.clock.now();
    if now <= Timestamp::UNIX_EPOCH {
        // What scenarios begin with is made in 1970: nobody has been away since.
        return Ok(());
    }
    // A clock that is set leaps while the service is there, which says so whenever it is.
    let leaps = kit.clock.is_simulated() && !is_start;
    let gap = if leaps { SignedDuration::MAX } else { OUTAGE_SHORTEST };
    if kit.db.mark_alive(now, gap).await? {
        return Ok(());
    }
    let mut change = desk.change(&caller(desk), &new_id(), &OutageRecorded::default()).await?;
    // Another process may have come back first, and whatever was written meanwhile shows that one was there.
    let end = change.now();
    let start = change.mark_alive().await?.max(desk.record().outages.last_entry_at);
    if let Some(start) = start.filter(|start| end.duration_since(*start) >= OUTAGE_SHORTEST) {
        tracing::warn!(%start, %end, "nobody was there to take reports");
        record(&mut change, OutageKind::Unavailable, [start, end], 0).await?;
    }
    // The mark is made in any case.
    change.commit(OutageRecorded::default()).await.map_err(|_| Error::unavailable())?;
    Ok(())
}

/// Records what was shed on days on which something falls due, and forgets the rest.
async fn record_shed(desk: &Desk) -> Result<(), Error> {
    let ended = desk.kit.shed.ended(desk.kit.clock.now());
    if ended.is_empty() {
        return Ok(());
    }
    desk.ready().await?;
    let is_due = |t| {
        let plans = desk.plans();
        plans
            .iter()
            .any(|plan| desk.with_plan(plan, |plan| is_due_day(plan.facts, t)) == Some(true))
    };
    let due: Vec<_> = ended.iter().filter(|(start, _)| is_due(*start)).collect();
    if !due.is_empty() {
        let mut change = desk.change(&caller(desk), &new_id(), &OutageRecorded::default()).await?;
        for (start, refused) in due {
            let end = start.checked_add(STRETCH).unwrap_or(*start);
            record(&mut change, OutageKind::Shedding, [*start, end], *refused).await?;
        }
        change.commit(OutageRecorded::default()).await.map_err(|_| Error::unavailable())?;
    }
    ended.iter().for_each(|(start, _)| desk.kit.shed.forget(*start));
    Ok(())
}

async fn record(change: &mut vigia_platform::Change, kind: OutageKind, [start, end]: [Timestamp; 2], refused: u64) -> Result<(), Error> {
    let outage = Outage {
        name: format!("outages/{}", new_id()),
        kind: kind.into(),
        start_time: Some(timestamp(start)),
        end_time: Some(timestamp(end)),
        refused_calls: i64::try_from(refused).unwrap_or(i64::MAX),
        position: 0,
    };
    let event = OutageRecorded {
        outage: Some(outage.clone()),
    };
    change.record(RECORDED, &outage.name, "", &event).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_found_by_its_name_only() {
        let mut outages = Outages::default();
        let event = OutageRecorded {
            outage: Some(Outage {
                name: "outages/a".to_owned(),
                ..Outage::default()
            }),
        };
        let entry = Entry {
            event_type: RECORDED.to_owned(),
            position: 7,
            event: event.encode_to_vec(),
            ..Entry::default()
        };
        outages.take(&entry).expect("an entry");
        for (name, found, faults_expected) in [("outages/a", Some(7), 0), ("", None, 0), ("outages/b", None, 1), ("a", None, 1)] {
            let mut faults = Faults::new();
            let outage = outages.named(name, &mut faults);
            assert_eq!(outage.map(|outage| outage.position), found, "{name}");
            assert_eq!(faults.done().is_err(), faults_expected > 0, "{name}");
        }
    }
}
