"""Plan file, and Revisions (of the text): a plan as it is after the revisions that act.

Plan files are read with every scalar as text, so that no number passes through a float.
"""

import copy
from dataclasses import dataclass, field
from datetime import date, time
from fractions import Fraction

from days import MONTHS, Zone, calendar_due, end_of_due_day, periods

NULLS = ("", "null", "~", None)


def day_of(text):
    return None if text in NULLS else date.fromisoformat(text)


def dated(entry):
    """The day of a baseline or target: a date, or 31 December of a year."""
    return day_of(entry["date"]) if "date" in entry else date(int(entry["year"]), 12, 31)


@dataclass
class Calendar:
    frequency: str
    due_days: int
    count: str
    hour: time | None
    holidays: frozenset

    @classmethod
    def of(cls, keys):
        hour = keys.get("hour")
        return cls(
            keys["frequency"],
            int(keys["due_days_after_period"]),
            keys.get("count", "calendar"),
            None if hour in NULLS else time.fromisoformat(hour),
            frozenset(day_of(day) for day in keys.get("holidays") or []),
        )


@dataclass
class Policy:
    on_track_from: Fraction
    at_risk_from: Fraction
    reported_from: Fraction
    stale_after: int
    interpolation: str
    reporting_roles: list
    milestones_weight: Fraction

    @classmethod
    def of(cls, keys):
        return cls(
            Fraction(keys.get("on_track_from", "85")),
            Fraction(keys.get("at_risk_from", "70")),
            Fraction(keys.get("reported_from", "50")),
            int(keys.get("stale_after", "2")),
            keys.get("interpolation", "linear"),
            keys.get("reporting_roles", ["lead", "co_responsible"]),
            Fraction(keys.get("milestones_weight", "1")),
        )


@dataclass
class Indicator:
    code: str
    weight: Fraction
    direction: str
    aggregation: str
    across: str
    window: str
    reported_by: list
    baseline: tuple | None  # (day, value)
    targets: list  # (day, value), by day

    @classmethod
    def of(cls, keys):
        baseline = keys.get("baseline")
        if baseline in NULLS or baseline.get("value") in NULLS:
            baseline = None
        return cls(
            keys.get("code", "I"),
            Fraction(keys.get("weight", "1")),
            keys.get("direction", "increase"),
            keys.get("aggregation", "latest"),
            keys.get("across", "sum" if keys.get("unit") == "count" else "mean"),
            keys.get("window", "plan"),
            keys.get("reported_by", ["lead"]),
            baseline and (dated(baseline), Fraction(baseline["value"])),
            sorted((dated(target), Fraction(target["value"])) for target in keys.get("targets") or []),
        )


@dataclass
class Action:
    code: str
    component: str
    weight: Fraction
    start: date
    end: date
    indicators: list
    milestones: list  # (code, due)
    suspended: list  # (from, to)
    withdrawn_on: date | None

    @classmethod
    def of(cls, keys, start, end):
        indicators = keys.get("indicators") or ([keys["indicator"]] if keys.get("indicator") not in NULLS else [])
        return cls(
            keys["code"],
            keys.get("component"),
            Fraction(keys.get("weight", "1")),
            day_of(keys.get("start")) or start,
            day_of(keys.get("end")) or end,
            [Indicator.of(indicator) for indicator in indicators],
            [(milestone["code"], day_of(milestone["due"])) for milestone in keys.get("milestones") or []],
            [(day_of(rest["from"]), day_of(rest.get("to")) or date.max) for rest in keys.get("suspended") or []],
            day_of(keys.get("withdrawn_on")),
        )

    def is_suspended(self, day):
        return any(first <= day <= last for first, last in self.suspended)

    def is_withdrawn(self, day):
        return self.withdrawn_on is not None and self.withdrawn_on <= day


@dataclass
class Plan:
    """A plan as it stands after the revisions that act."""

    zone: Zone
    start: date
    end: date
    policy: Policy
    actions: dict
    parents: dict  # component: the one above it
    calendars: list  # (acts, effective day, keys), in the order in which they act
    touched: list = field(default_factory=list)  # periods of any frequency
    periods: list = field(default_factory=list)  # of the plan's own

    @classmethod
    def of(cls, keys, calendars, zone):
        head = keys["plan"]
        start, end = (day_of(head["period"][key]) for key in ("start", "end"))
        actions = {action["code"]: Action.of(action, start, end) for action in keys.get("actions") or []}
        plan = cls(
            zone,
            start,
            end,
            Policy.of(head.get("compliance_policy") or {}),
            actions,
            {component["code"]: component.get("parent") for component in keys.get("components") or []},
            calendars,
        )
        plan.touched = sorted(period for frequency in MONTHS for period in periods(frequency, start, end))
        plan.periods = sorted(period for period in plan.touched if plan.calendar(period).frequency == period.frequency)
        return plan

    def calendar(self, period):
        """A revision of the calendar acts on periods that begin on or after its effective day.

        Reading: what has ended by the time at which it begins to act stands, whatever its effective day, until when it is
        owed too ("what an ended period owes stands … by the revisions that began to act before").
        """
        keys, ends = {}, self.zone.end_of(period.last)
        for acts, effective, changed in self.calendars:
            if effective <= period.first and (acts is None or acts < ends):
                keys.update(changed)
        return Calendar.of(keys)

    def calendar_due(self, period):
        return calendar_due(self.zone, self.calendar(period), period)

    def due_day_ends(self, period, day):
        return end_of_due_day(self.zone, self.calendar(period), day)

    def is_below(self, component, above):
        while component is not None and component != above:
            component = self.parents.get(component)
        return component == above


@dataclass
class Revision:
    number: int
    acts: object  # instant
    effective: date
    changes: dict


def revised(base, revisions, zone):
    """The plan after revisions: several apply in the order in which they begin to act, then of their numbers."""
    keys = copy.deepcopy(base)
    calendars = [(None, date.min, keys["plan"]["reporting"])]
    for revision in sorted(revisions, key=lambda revision: (revision.acts, revision.number)):
        changes = copy.deepcopy(revision.changes)
        keys["plan"].setdefault("compliance_policy", {}).update(
            changes.get("compliance_policy") or changes.get("policy") or {}
        )
        if changes.get("reporting"):
            calendars.append((revision.acts, revision.effective, changes["reporting"]))
        for code, changed in (changes.get("actions") or {}).items():
            action = next(action for action in keys["actions"] if action["code"] == code)
            for indicator, values in (changed.pop("indicators", None) or {}).items():
                of = action.get("indicators") or [action["indicator"]]
                next(one for one in of if one.get("code", "I") == indicator).update(values)
            action.update(changed)
    return Plan.of(keys, calendars, zone)


def refused(plan):
    """Whether a plan file is refused at import."""
    for action in plan.actions.values():
        if action.weight <= 0 or action.start < plan.start or action.end > plan.end or action.end < action.start:
            return True
        for indicator in action.indicators:
            values = [value for _, value in indicator.targets]
            if (
                indicator.weight <= 0
                or (indicator.window == "year" and indicator.direction != "increase")
                or (indicator.aggregation in ("sum", "max") and indicator.direction == "decrease")
                or (indicator.direction == "at_least" and any(value <= 0 for value in values))
                or (indicator.direction == "at_most" and any(value < 0 for value in values))
            ):
                return True
    return plan.policy.milestones_weight <= 0
