"""Obligation of an assignment for a period (of the text)."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from days import Period
from history import Assignment, View


@dataclass
class Report:
    """What was last sent, and how what was sent is timed."""

    keys: dict
    version: int
    timed: list  # (receipt, answer_by of the return that it answers); the first is no answer
    status: str = "SUBMITTED"
    answer_by: date | None = None


@dataclass
class Obligation:
    assignment: Assignment
    period: Period
    ends: datetime  # the end of the reference day
    calendar_due: datetime
    due: datetime
    extended_after_due: bool
    state: str
    timeliness: str
    report: Report | None
    answer_due: datetime | None
    versions: int
    waived_at: datetime | None
    delays: list  # of each receipt that is timed, behind its due instant
    reviewed_after: timedelta | None  # the first review since the last opening, after the receipt that it judges

    @property
    def waived(self):
        return self.state == "WAIVED"

    @property
    def received(self):
        return self.state in ("SUBMITTED", "VALIDATED", "RETURNED")

    def asked_for(self, t):
        return not self.waived and (self.received or self.due <= t)

    def waits(self, t):
        """Whether it waits under an extension."""
        return not self.waived and not self.received and self.calendar_due <= t < self.due


def all_obligations(history, t):
    """Every obligation that exists as of t, by assignment and period."""
    now = View(history, t)
    found = {}
    for period in now.plan.touched:
        # What an ended period owes stands by what was recorded, and began to act, before its end.
        ended = t >= history.zone.end_of(period.last)
        view = history.before(history.zone.end_of(period.last)) if ended else now
        if period not in view.plan.periods:
            continue
        for name in view.assignments:
            reference = owed_on(view, name, period)
            if reference is not None:
                found[name, period.name] = state_of(now, now.assignments[name], period, reference)
    return found


def owed_on(view, name, period):
    """The reference day of an obligation that exists; None where it does not."""
    assignment, plan = view.assignments[name], view.plan
    action = plan.actions[assignment.action]
    reference = min(period.last, action.end, plan.end)
    exists = (
        assignment.role in plan.policy.reporting_roles
        and reference >= period.first
        and reference >= action.start
        and assignment.answer == "accepted"
        and view.history.zone.day(assignment.accepted_at) <= reference
        and assignment.in_force(reference)
        and not action.is_suspended(reference)
        and not action.is_withdrawn(reference)
    )
    return reference if exists else None


def due_instant(now, assignment, period):
    """D, and whether an extension moved it when it had passed."""
    due, after = now.plan.calendar_due(period), False
    for fact in now.facts:
        if fact.verb == "extend" and fact.keys["period"] == period.name and covers(now, fact.keys, assignment):
            until = now.plan.due_day_ends(period, date.fromisoformat(fact.keys["until"]))
            if until > due and (fact.at < due or is_emergency(fact.keys)):
                due, after = until, after or fact.at >= due
    return due, after


def is_emergency(keys):
    return keys.get("emergency") == "true"


def covers(now, keys, assignment):
    if "assignment" in keys:
        named = now.assignments.get(keys["assignment"])
        return named is not None and named.line == assignment.line
    if "institution" in keys:
        return keys["institution"] == assignment.institution
    if "territory" in keys:
        return assignment.territory.startswith(keys["territory"])
    return keys.get("all") == "true"


def state_of(now, assignment, period, reference):
    t, zone = now.t, now.history.zone
    due, extended_after_due = due_instant(now, assignment, period)
    report, versions, waived_at, reviewed_after = None, 0, None, None
    for fact in now.facts:
        if fact.keys.get("assignment") != assignment.name or fact.keys.get("period") != period.name:
            continue
        match fact.verb:
            case "waive":
                waived_at = fact.at
            case "submit":
                versions += 1
                if report is None:
                    report = Report(fact.keys, versions, [(fact.at, None)])
                elif report.status == "RETURNED":
                    report = Report(fact.keys, versions, [*report.timed, (fact.at, report.answer_by)])
                elif len(report.timed) > 1:  # a replaced answer is timed again as an answer
                    report = Report(fact.keys, versions, [*report.timed, (fact.at, report.timed[-1][1])])
                else:
                    report = Report(fact.keys, versions, [(fact.at, None)])
            case "reject":
                report, reviewed_after = None, None
            case "validate" | "return":
                if reviewed_after is None:
                    reviewed_after = fact.at - report.timed[-1][0]
                report.status = "VALIDATED" if fact.verb == "validate" else "RETURNED"
                report.answer_by = date.fromisoformat(fact.keys["answer_by"]) if fact.verb == "return" else None

    def answer_due(answer_by):
        return max(now.plan.due_day_ends(period, answer_by), due)

    pending = report and report.answer_by and answer_due(report.answer_by)
    delays = []
    if waived_at is not None:
        state, timeliness = "WAIVED", "NOT_APPLICABLE"
    elif report is None:
        # Reading: not open before the end of the reference day, even where D (0 days, with an hour) comes earlier.
        if t < zone.end_of(reference):
            state, timeliness = "NOT_OPEN", "PENDING"
        elif t < due:
            state, timeliness = "OPEN", "PENDING"
        else:
            state, timeliness = "OVERDUE", "MISSING"
    elif report.status == "RETURNED" and t >= pending:
        state, timeliness = "RETURNED_OVERDUE", "MISSING"
    else:
        delays = [receipt - (due if by is None else answer_due(by)) for receipt, by in report.timed]
        state, timeliness = report.status, "LATE" if max(delays).total_seconds() >= 0 else "ON_TIME"
    return Obligation(
        assignment,
        period,
        zone.end_of(reference),
        now.plan.calendar_due(period),
        due,
        extended_after_due,
        state,
        timeliness,
        report,
        pending,
        versions,
        waived_at,
        delays,
        reviewed_after,
    )
