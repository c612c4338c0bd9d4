"""Action as of t (of the text): its state, the period shown, its three readings."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import indicators
from history import View
from indicators import is_measurable, reaches, remaining_targets


def rounded(reading):
    """Each of an action's readings is rounded half up to 12 decimals."""
    scale = 10**12
    return None if reading is None else Fraction((reading * scale + Fraction(1, 2)).__floor__(), scale)


@dataclass
class Verdict:
    state: str
    period: object = None
    strict: Fraction | None = None
    observed: Fraction | None = None
    validated: Fraction | None = None


class Case:
    """An action as of an instant."""

    def __init__(self, history, t, code, obligations):
        view = View(history, t)
        self.t, self.zone, self.plan = t, history.zone, view.plan
        self.action = self.plan.actions[code]
        self.first_end = history.plan_after([]).actions[code].end
        self.assignments = [a for a in view.assignments.values() if a.action == code]
        self.obligations = [o for o in obligations.values() if o.assignment.action == code]
        self.leads = [o for o in self.obligations if o.assignment.role == "lead"]
        self.measurable = [i for i in self.action.indicators if is_measurable(i, self.action)]

    # What is asked for and reported.

    def asked_for(self, p):
        return [o for o in self.leads if o.period == p and o.asked_for(self.t)]

    def is_reported(self, p, reading="observed"):
        asked = self.asked_for(p)
        received = [o for o in asked if indicators.counts(o, reading)]
        return bool(asked) and Fraction(100 * len(received), len(asked)) >= self.plan.policy.reported_from

    @cached_property
    def q(self):
        """The period judged."""
        due = [p for p in self.plan.periods if self.plan.calendar_due(p) <= self.t and self.asked_for(p)]
        return due[-1] if due else None

    @cached_property
    def is_over(self):
        end = min(self.action.end, self.plan.end)
        due = all(self.plan.calendar_due(p) <= self.t for p in self.plan.periods if p.first <= end)
        return due and not any(o.waits(self.t) for o in self.leads)

    # Achievement.

    def milestones_done(self, p, reading):
        done = [o for o in self.obligations if o.period <= p and indicators.counts(o, reading)]
        return {code for o in done for code in o.report.keys.get("milestones") or []}

    def achievement(self, p, reading):
        parts = []
        for indicator in self.measurable:
            found = indicators.achievement(self, indicator, p, "validated" if reading == "validated" else "observed")
            if found is None and reading == "strict":
                found = Fraction(0)
            if found is not None:
                parts.append((indicator.weight, min(Fraction(1), found)))
        day = min(p.last, self.action.end)
        due = [code for code, on in self.action.milestones if on <= day]
        if due:
            done = self.milestones_done(p, reading)
            parts.append((self.plan.policy.milestones_weight, Fraction(sum(code in done for code in due), len(due))))
        weight = sum(weight for weight, _ in parts)
        return sum(weight * part for weight, part in parts) / weight if parts else None

    def reading(self, reading):
        """Achievement at the last period that is reported, not more than `stale_after` before q."""
        if self.q is None:
            return None
        at = self.plan.periods.index(self.q)
        for p in reversed(self.plan.periods[max(0, at - self.plan.policy.stale_after) : at + 1]):
            if self.is_reported(p, reading):
                return self.achievement(p, reading)
        return None

    # Achieved.

    def period_of(self, day):
        return next((p for p in self.plan.periods if p.first <= day <= p.last), None)

    def has_reached(self, p):
        """Whether targets and milestones are reached at a period, by values alone."""
        for indicator in self.measurable:
            targets = remaining_targets(indicator, self.action)
            if indicator.window == "year":
                at = [(self.period_of(day), target) for day, target in targets]
            else:
                at = [(p, targets[-1][1])]
            for held, target in at:
                if held is None or held > p:
                    return False
                found = indicators.value(self, indicator, held, "observed")
                if found is None or not reaches(indicator, found, target):
                    return False
        return {code for code, _ in self.action.milestones} <= self.milestones_done(p, "observed")

    def is_final(self, indicator):
        """A floor or a ceiling is reached only at its end, and by fresh values."""
        if indicator.direction not in ("at_least", "at_most"):
            return True
        last_day = remaining_targets(indicator, self.action)[-1][0]
        at = self.plan.periods.index(self.q)
        fresh = self.plan.periods[max(0, at - self.plan.policy.stale_after) : at + 1]
        return (min(self.q.last, self.action.end) >= last_day or self.is_over) and any(
            o.period in fresh
            and o.received
            and o.assignment.role in indicator.reported_by
            and indicators.reported(o, indicator) is not None
            for o in self.obligations
        )

    @cached_property
    def achieved(self):
        """None, ACHIEVED or ACHIEVED_LATE."""
        if self.q is None or not all(o.received for o in self.asked_for(self.q)):
            return None
        if any(o.waits(self.t) for o in self.leads if o.period <= self.q):
            return None
        if not self.has_reached(self.q) or not all(self.is_final(indicator) for indicator in self.measurable):
            return None
        began = self.q
        for p in reversed(self.plan.periods[: self.plan.periods.index(self.q)]):
            if not self.has_reached(p):
                break
            began = p
        return "ACHIEVED_LATE" if began.first > self.first_end else "ACHIEVED"

    # The first that fits.

    def verdict(self):
        action, day = self.action, self.zone.day(self.t)
        if action.is_withdrawn(day):
            return Verdict("WITHDRAWN")
        if action.is_suspended(day):
            return Verdict("SUSPENDED")
        if day < action.start:
            return Verdict("SCHEDULED")
        if not self.measurable and not action.milestones:
            return Verdict("UNMEASURED")
        zero, one = Fraction(0), Fraction(1)
        observed, validated = rounded(self.reading("observed")), rounded(self.reading("validated"))
        if self.achieved:
            return Verdict(self.achieved, self.q, one, one, validated)
        today = min(day, action.end)
        if not any(a.role == "lead" and a.answer == "accepted" and a.in_force(today) for a in self.assignments):
            return Verdict("UNASSIGNED", self.q, zero, observed, validated)
        if self.q is None:
            if self.is_over and not self.leads:
                return Verdict("UNREPORTED", None, zero)
            return Verdict("EXCUSED" if self.is_over and all(o.waived for o in self.leads) else "NOT_YET_DUE")
        if not self.is_reported(self.q):
            return Verdict("UNREPORTED", self.q, zero, observed, validated)
        strict = rounded(self.achievement(self.q, "strict"))
        if self.is_over:
            return Verdict("NOT_ACHIEVED", self.q, strict, observed, validated)
        if strict is None:
            return Verdict("NOT_YET_DUE", self.q)
        # States are decided on exact numbers.
        percent = 100 * self.achievement(self.q, "strict")
        if percent >= self.plan.policy.on_track_from:
            return Verdict("ON_TRACK", self.q, strict, observed, validated)
        state = "AT_RISK" if percent >= self.plan.policy.at_risk_from else "OFF_TRACK"
        return Verdict(state, self.q, strict, observed, validated)
