"""Scorecard as of t (of the text): an index in three readings, and the discipline of reporting."""

from fractions import Fraction

DO_NOT_COUNT = ("WITHDRAWN", "SUSPENDED", "SCHEDULED", "NOT_YET_DUE", "UNMEASURED", "EXCUSED")


def index(cases, strict_of=lambda case, verdict: verdict.strict):
    """Weighted means over the actions that have a reading; coverage over all that count."""
    counted = [(case, case.verdict()) for case in cases]
    counted = [(case, verdict) for case, verdict in counted if verdict.state not in DO_NOT_COUNT]
    weight = sum(case.action.weight for case, _ in counted)

    def mean(reading_of):
        have = [(case.action.weight, reading_of(case, verdict)) for case, verdict in counted]
        have = [(weight, reading) for weight, reading in have if reading is not None]
        covered = sum(weight for weight, _ in have)
        value = sum(weight * reading for weight, reading in have) / covered if have else None
        return value, Fraction(covered) / weight if weight else None

    strict, _ = mean(strict_of)
    observed, coverage_observed = mean(lambda _, verdict: verdict.observed)
    validated, coverage_validated = mean(lambda _, verdict: verdict.validated)
    return {
        "strict": strict,
        "observed": observed,
        "coverage_observed": coverage_observed,
        "validated": validated,
        "coverage_validated": coverage_validated,
    }


def index_of_institution(institution, cases):
    """Over the actions of which it holds a lead assignment that it did not contest."""
    led = []
    for case in cases:
        today = min(case.zone.day(case.t), case.action.end)
        leads = [a for a in case.assignments if a.institution == institution and a.role == "lead"]
        if any(a.answer in ("accepted", "none") and a.in_force(today) for a in leads):
            led.append(case)

    def strict_of(case, verdict):
        own = [o for o in case.asked_for(case.q) if o.assignment.institution == institution] if case.q else []
        return verdict.strict if all(o.received for o in own) else Fraction(0)

    return index(led, strict_of)


def discipline(obligations, assignments, t):
    owed = [o for o in obligations if not o.waived and o.due <= t]
    received = [o for o in owed if o.received]
    late = [max(o.delays) for o in received if o.timeliness == "LATE"]
    reviewed = [o.reviewed_after for o in owed if o.reviewed_after is not None]
    return {
        "owed": len(owed),
        "received": len(received),
        "on_time": sum(o.timeliness == "ON_TIME" for o in received),
        "validated_reports": sum(o.state == "VALIDATED" for o in received),
        "validated_on_time": sum(o.state == "VALIDATED" and o.timeliness == "ON_TIME" for o in received),
        "nil": sum("nil" in o.report.keys for o in received),
        "waived_after_due": sum(o.waived and o.waived_at >= o.due for o in obligations),
        "extended_after_due": sum(o.extended_after_due for o in obligations),
        "assignments_proposed": len(assignments),
        "assignments_accepted": sum(a.answer == "accepted" for a in assignments),
        "assignments_contested": sum(a.answer == "contested" for a in assignments),
        "assignments_unanswered": sum(a.answer == "none" for a in assignments),
        "median_delay_days": median_days(late),
        "median_review_days": median_days(reviewed),
    }


def median_days(spans):
    """Whole days rounded down, lower median."""
    return sorted(spans)[(len(spans) - 1) // 2].days if spans else None
