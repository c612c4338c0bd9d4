//! What stands as of an instant: the rules' alerts with names, and with those whom they are for.

use std::collections::{BTreeMap, HashMap};

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, Time},
    tz::TimeZone,
};
use vigia_platform::{Error, timestamp};
use vigia_proto::{
    compliance::{self as wire, AlertRule},
    plans as p,
};
use vigia_rules::{
    ActionId, Exact, InstitutionId,
    alert::{self, Alert, AlertPolicy, Beside, Money, Subject},
};

use super::{alert_id, texts};
use crate::{record::Record, view::View};

/// Positions that an alert names at most; the last ones.
const POSITIONS_MAX: usize = 200;

/// An alert with its name, and whom it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raised {
    /// As the rules found it.
    pub(crate) alert: Alert,
    /// Resource name.
    pub(crate) name: String,
    /// About what, as resource name.
    pub(crate) subject: String,
    /// Who is needed, as resource name; empty where the plan names no governing institution.
    pub(crate) owner: String,
    /// Who is told, as resource names, each once.
    pub(crate) recipients: Vec<String>,
    /// The action that it belongs to, as resource name; empty where it is none's.
    pub(crate) action: String,
}

/// All that stands, or will come, and until when that can't change by itself.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) raised: Vec<Raised>,
    pub(crate) next_change: Timestamp,
}

/// What stands in a plan as of a view's instant.
pub(crate) fn board(view: &View<'_>) -> Result<Board, Error> {
    let (beside, may_follow_until) = beside(view);
    let board = alert::board(&view.all_facts(), &policy(view), &beside, view.t);
    let board = board.ok_or_else(|| Error::not_found(format!("plans/{}", view.plan)))?;
    Ok(Board {
        raised: board.alerts.into_iter().map(|alert| raised(view, alert)).collect(),
        next_change: may_follow_until.map_or(board.next_change, |until| until.min(board.next_change)),
    })
}

/// What the clocks will say until an instant, by time. It is of this very instant.
pub(crate) fn upcoming(view: &View<'_>, until: Timestamp) -> Board {
    let ahead = alert::upcoming(&view.all_facts(), &policy(view), view.t, until);
    Board {
        raised: ahead.into_iter().map(|alert| raised(view, alert)).collect(),
        next_change: view.t.checked_add(SignedDuration::from_micros(1)).unwrap_or(view.t),
    }
}

/// The institution whose report's clock once said this, though it does not stand any more, as resource name.
pub(crate) fn once_said_of(view: &View<'_>, name: &str) -> Option<String> {
    let said = alert::once_said(&view.all_facts(), &policy(view), view.t);
    let mut said = said.into_iter().filter(|(subject, threshold, due_at, _)| {
        let id = alert_id(view.plan, AlertRule::Report, &subject_name(view, subject), *threshold, *due_at);
        name.ends_with(&id.to_string())
    });
    said.next().map(|(.., institution)| format!("institutions/{institution}"))
}

fn raised(view: &View<'_>, alert: Alert) -> Raised {
    let subject = subject_name(view, &alert.subject);
    let id = alert_id(view.plan, rule_of(alert.rule), &subject, alert.threshold, alert.due_at);
    let governing = view
        .definition
        .plan
        .as_ref()
        .map(|plan| plan.governing_institution.clone())
        .unwrap_or_default();
    let owner = alert
        .owner
        .as_ref()
        .map_or_else(|| governing.clone(), |owner| format!("institutions/{owner}"));
    let mut recipients = vec![owner.clone()];
    if alert.to_parent {
        recipients.extend(view.contact(&owner).map(|(_, contact)| contact.parent.clone()));
    }
    if alert.to_governing {
        recipients.push(governing);
    }
    let mut once = Vec::new();
    for recipient in recipients {
        if !recipient.is_empty() && !once.contains(&recipient) {
            once.push(recipient);
        }
    }
    Raised {
        name: format!("plans/{}/alerts/{id}", view.plan),
        subject,
        owner,
        recipients: once,
        action: alert
            .action
            .as_ref()
            .map(|id| format!("plans/{}/actions/{id}", view.plan))
            .unwrap_or_default(),
        alert,
    }
}

/// What an alert is about, as resource name.
fn subject_name(view: &View<'_>, subject: &Subject) -> String {
    let plan = view.plan;
    match subject {
        Subject::Plan => format!("plans/{plan}"),
        Subject::Institution(id) => format!("institutions/{id}"),
        Subject::Action(id) => format!("plans/{plan}/actions/{id}"),
        Subject::Indicator(action, code) => view.indicator(action, code).map_or_else(
            || format!("plans/{plan}/actions/{action}/indicators/{code}"),
            |indicator| indicator.name.clone(),
        ),
        Subject::Assignment(id) => format!("plans/{plan}/assignments/{id}"),
        Subject::Obligation(id, period) => format!("plans/{plan}/assignments/{id}/obligations/{period}"),
    }
}

/// As the contract shows it, with what people had done about it by an instant.
pub(crate) fn wire(view: &View<'_>, (record, by): (&Record, Timestamp), raised: &Raised) -> wire::Alert {
    let said = texts::said(view, &raised.alert);
    let without_address = |recipient: &&String| {
        view.contact(recipient)
            .is_none_or(|(_, contact)| contact.addresses().next().is_none())
    };
    let facts = &raised.alert.facts;
    wire::Alert {
        name: raised.name.clone(),
        rule: rule_of(raised.alert.rule).into(),
        subject: raised.subject.clone(),
        threshold: raised.alert.threshold,
        due_time: Some(timestamp(raised.alert.due_at)),
        since_time: Some(timestamp(raised.alert.since)),
        owner: raised.owner.clone(),
        recipients: raised.recipients.clone(),
        recipients_without_address: raised.recipients.iter().filter(without_address).cloned().collect(),
        action: raised.action.clone(),
        text_es: said.es,
        text_en: said.en,
        positions: facts[facts.len().saturating_sub(POSITIONS_MAX)..]
            .iter()
            .map(|position| crate::explain::position(*position))
            .collect(),
        mute: record.mute(&raised.subject, by),
        acknowledgement: record.acknowledgement(&raised.name, by),
        told: record.told(&raised.name, by),
    }
}

/// A rule as the contract names it.
pub(crate) fn rule_of(rule: alert::AlertRule) -> AlertRule {
    match rule {
        alert::AlertRule::Report => AlertRule::Report,
        alert::AlertRule::Review => AlertRule::Review,
        alert::AlertRule::Answer => AlertRule::Answer,
        alert::AlertRule::Unanswered => AlertRule::Unanswered,
        alert::AlertRule::Contested => AlertRule::Contested,
        alert::AlertRule::Unassigned => AlertRule::Unassigned,
        alert::AlertRule::FallingIndex => AlertRule::FallingIndex,
        alert::AlertRule::SpendingBehind => AlertRule::SpendingBehind,
        alert::AlertRule::MoneyLate => AlertRule::MoneyLate,
        alert::AlertRule::SilentIndicator => AlertRule::SilentIndicator,
        alert::AlertRule::ReturnedAgain => AlertRule::ReturnedAgain,
        alert::AlertRule::EmptyReports => AlertRule::EmptyReports,
        alert::AlertRule::NoEvidence => AlertRule::NoEvidence,
        alert::AlertRule::NoAddress => AlertRule::NoAddress,
    }
}

fn of_plan(view: &View<'_>) -> p::AlertPolicy {
    let plan = view.definition.plan.as_ref();
    plan.and_then(|plan| plan.alert_policy.clone()).unwrap_or_default()
}

/// The plan's policy; what it does not say has its default.
fn policy(view: &View<'_>) -> AlertPolicy {
    let wire = of_plan(view);
    let default = AlertPolicy::default();
    let number = |given: i32, default: u16| u16::try_from(given).ok().filter(|given| *given > 0).unwrap_or(default);
    let days = |given: &[i32], default: Vec<u16>| {
        let given: Vec<u16> = given.iter().filter_map(|days| u16::try_from(*days).ok()).collect();
        if given.is_empty() { default } else { given }
    };
    AlertPolicy {
        due_soon_days: days(&wire.due_soon_days, default.due_soon_days),
        overdue_days: days(&wire.overdue_days, default.overdue_days),
        parent_from_days: number(wire.parent_from_days, default.parent_from_days),
        governing_from_days: number(wire.governing_from_days, default.governing_from_days),
        unanswered_days: number(wire.unanswered_days, default.unanswered_days),
        silent_periods: number(wire.silent_periods, default.silent_periods),
        returned_times: number(wire.returned_times, default.returned_times),
        empty_reports: number(wire.empty_reports, default.empty_reports),
        index_fall_percent: number(wire.index_fall_percent, default.index_fall_percent),
        spending_behind_percent: number(wire.spending_behind_percent, default.spending_behind_percent),
        money_late_days: number(wire.money_late_days, default.money_late_days),
    }
}

/// When a plan's people may be written to.
#[derive(Clone, Debug)]
pub(crate) struct Hours {
    zone: TimeZone,
    digest: Time,
    quiet_from: Time,
    quiet_to: Time,
}

impl Hours {
    /// Those of a view's plan.
    pub(crate) fn of(view: &View<'_>) -> Self {
        let wire = of_plan(view);
        let hour = |given: &str, default: i8| Time::strptime("%H:%M", given).unwrap_or(Time::constant(default, 0, 0, 0));
        Self {
            zone: view.zone.clone(),
            digest: hour(&wire.digest_hour, 8),
            quiet_from: hour(&wire.quiet_from, 20),
            quiet_to: hour(&wire.quiet_to, 7),
        }
    }

    /// The hour of the digest of a day, or of the next one where that has passed.
    pub(crate) fn next_digest(&self, now: Timestamp) -> (Date, Timestamp) {
        let today = self.zone.to_datetime(now).date();
        let at = |day: Date| self.instant(day, self.digest);
        if now <= at(today) {
            return (today, at(today));
        }
        let next = today.tomorrow().unwrap_or(today);
        (next, at(next))
    }

    /// The digest of the day after.
    pub(crate) fn digest_after(&self, day: Date) -> (Date, Timestamp) {
        let next = day.tomorrow().unwrap_or(day);
        (next, self.instant(next, self.digest))
    }

    /// Until when nobody is written to; none where they may be.
    pub(crate) fn quiet_until(&self, now: Timestamp) -> Option<Timestamp> {
        let local = self.zone.to_datetime(now);
        let (time, from, to) = (local.time(), self.quiet_from, self.quiet_to);
        let is_quiet = if from <= to {
            from <= time && time < to
        } else {
            time >= from || time < to
        };
        // The end lies on this day, or on the next where it has passed on this one.
        let today = self.instant(local.date(), to);
        is_quiet.then(|| {
            if now < today {
                today
            } else {
                self.instant(local.date().tomorrow().unwrap_or(local.date()), to)
            }
        })
    }

    fn instant(&self, day: Date, time: Time) -> Timestamp {
        let zoned = self.zone.to_ambiguous_timestamp(day.to_datetime(time)).compatible();
        zoned.unwrap_or(Timestamp::MAX)
    }
}

/// What the rules' facts do not hold: money and evidence of reports, and who can't be reached. And until when evidence may
/// follow first, that reports name: then it counts as not there.
fn beside(view: &View<'_>) -> (Beside, Option<Timestamp>) {
    let today = view.zone.to_datetime(view.t).date();
    let mut spent: HashMap<&ActionId, Exact> = HashMap::new();
    let mut may_follow_until: Option<Timestamp> = None;
    // Of each action: when it was first said to progress, and whether anything shows it.
    let mut shown: HashMap<&ActionId, (Timestamp, bool)> = HashMap::new();
    for (assignment, period, contents) in view.all_contents() {
        let Some(made) = view.frame().assignment(assignment) else {
            continue;
        };
        if let Some(accrued) = contents.last().and_then(|content| view.spent(content))
            && period.last_day().year() == today.year()
        {
            let sum = spent.entry(&made.action).or_insert_with(Exact::zero);
            *sum = &*sum + &accrued;
        }
        for content in &contents {
            if let Some(until) = view.evidence_may_follow_until(content) {
                may_follow_until = Some(may_follow_until.map_or(until, |first| first.min(until)));
            }
            if content.claims {
                let first = shown.entry(&made.action).or_insert((content.entry.recorded_at, false));
                first.0 = first.0.min(content.entry.recorded_at);
            }
            if view.shows(content) {
                shown.entry(&made.action).or_insert((Timestamp::MAX, true)).1 = true;
            }
        }
    }
    let mut beside = Beside::default();
    for action in &view.definition.actions {
        let id = ActionId::from(action.name.rsplit('/').next().unwrap_or_default());
        let of_year = action.budget_lines.iter().filter(|line| line.year == i32::from(today.year()));
        let budget = of_year.filter_map(|line| {
            line.current
                .as_ref()
                .or(line.initial.as_ref())?
                .value
                .parse::<vigia_rules::Decimal>()
                .ok()
        });
        if let Some(budget) = budget.map(Exact::from).reduce(|sum, part| &sum + &part) {
            beside.money.push(Money {
                year: today.year(),
                budget,
                accrued: spent.get(&id).cloned(),
                action: id.clone(),
            });
        }
        if let Some((said_at, false)) = shown.get(&id)
            && action.kind() == p::ActionKind::Instrument
        {
            beside.unshown.push((id, *said_at));
        }
    }
    let mut unreachable = BTreeMap::new();
    for standing in view.frame().standings(view.t) {
        let id = &standing.assignment.institution;
        if let Some((since, contact)) = view.contact(&format!("institutions/{id}"))
            && contact.addresses().next().is_none()
        {
            unreachable.insert(id.clone(), since);
        }
    }
    beside.unreachable = unreachable.into_iter().collect::<Vec<(InstitutionId, Timestamp)>>();
    (beside, may_follow_until)
}
