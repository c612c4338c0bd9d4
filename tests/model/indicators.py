"""Value, expectation, achievement of an indicator (of the text), as of an instant."""

from datetime import date
from fractions import Fraction

from days import DAY


def remaining_targets(indicator, action):
    """Targets lie on their dates; the first on or after the action's end lies on the end, later ones fall away."""
    found = []
    for day, value in indicator.targets:
        if day >= action.end:
            return [*found, (action.end, value)]
        found.append((day, value))
    return found


def is_measurable(indicator, action):
    targets = remaining_targets(indicator, action)
    if not targets:
        return False
    last, baseline = targets[-1][1], indicator.baseline and indicator.baseline[1]
    if indicator.direction == "increase" and indicator.window == "plan":
        return last > (baseline or 0)
    if indicator.direction == "decrease":
        return baseline is not None and last < baseline
    return True


def reaches(indicator, value, target):
    """Whether a value is at the target or better."""
    if indicator.direction in ("increase", "at_least"):
        return value >= target
    return value <= target


def counts(obligation, reading):
    return obligation.state == "VALIDATED" if reading == "validated" else obligation.received


def reported(obligation, indicator):
    """What an obligation's last submission says of an indicator: a number, a pair, or None."""
    value = obligation.report and (obligation.report.keys.get("values") or {}).get(indicator.code)
    if isinstance(value, dict):
        return Fraction(value["num"]), Fraction(value["den"])
    return None if value is None else Fraction(value)


def total(values):
    """The sum of numbers; for ratios the sum of nums over the sum of dens; None where there is none."""
    if not any(isinstance(value, tuple) for value in values):
        return sum(values) if values else None
    den = sum(den for _, den in values)
    return sum(num for num, _ in values) / den if den > 0 else None


def value(case, indicator, p, reading):
    """The value at a period; `case` is an action as of an instant."""
    asked = [o for o in case.obligations if o.assignment.role in indicator.reported_by and o.period <= p]
    if indicator.window == "year":
        asked = [o for o in asked if o.period.first.year == p.first.year]
    given = [o for o in asked if counts(o, reading) and reported(o, indicator) is not None]
    values = [reported(o, indicator) for o in given]
    ratios = any(isinstance(one, tuple) for one in values)
    if not values:
        return None
    adds_up = indicator.aggregation in ("sum", "max") or indicator.across == "sum"
    if indicator.direction in ("decrease", "at_most") and not ratios and adds_up:
        if not everybody_spoke(case, indicator, p, asked, given):
            return None
    if indicator.aggregation == "sum":
        # Reading: "for ratios, sum is Σnum ÷ Σden" alone, without a baseline.
        from_baseline = indicator.direction == "increase" and indicator.window == "plan" and not ratios
        start = indicator.baseline[1] if from_baseline and indicator.baseline else 0
        found = total(values)
        return found if found is None else found + start
    if indicator.aggregation == "max":
        shares = [num / den for num, den in values if den > 0] if ratios else values
        return max(shares, default=None)
    latest = {}
    for o in sorted(given, key=lambda o: o.period):
        latest[o.assignment.line] = reported(o, indicator)
    if indicator.aggregation == "latest":
        day = min(p.last, case.action.end, case.plan.end)
        in_force = {a.line for a in case.assignments if a.in_force(day)}
        latest = {line: one for line, one in latest.items() if line in in_force}
    found = total(list(latest.values()))
    if ratios or found is None or indicator.across == "sum":
        return found
    return found / len(latest)


def everybody_spoke(case, indicator, p, asked, given):
    """A low total needs everybody."""
    silent = [o for o in asked if o.asked_for(case.t) and o not in given]
    if indicator.aggregation in ("sum", "max"):
        return not silent
    spoken = {o.assignment.line for o in given}
    return all(o.period != p for o in silent) and all(o.assignment.line in spoken for o in asked if o.period == p)


def trajectory(indicator, action, year=None):
    """Points from the baseline through the later targets; of one year with `window: year`."""
    eve, targets = action.start - DAY, remaining_targets(indicator, action)
    if year is not None:
        begin = max(date(year - 1, 12, 31), eve), Fraction(0)
        targets = [target for target in targets if target[0].year == year]
    elif indicator.baseline is None:
        begin = eve, Fraction(0)
    else:
        begin = max(indicator.baseline[0], eve), indicator.baseline[1]
    return [begin, *(target for target in targets if target[0] > begin[0])]


def expected(case, indicator, p):
    action, day = case.action, min(p.last, case.action.end)
    if indicator.direction in ("at_least", "at_most"):
        targets = remaining_targets(indicator, action)
        return next((value for on, value in targets if on >= day), targets[-1][1])
    # Reading: with `window: year` it is the day's year, which is p's but where the action ended in an earlier one.
    points = trajectory(indicator, action, day.year if indicator.window == "year" else None)
    before = [point for point in points if point[0] <= day] or points[:1]
    after = [point for point in points if point[0] > day]
    (from_day, from_value), flat = before[-1], day < points[0][0] or not after
    if flat or case.plan.policy.interpolation == "step":
        return from_value
    to_day, to_value = after[0]
    return from_value + (to_value - from_value) * Fraction((day - from_day).days, (to_day - from_day).days)


def achievement(case, indicator, p, reading):
    """None where there is no value."""
    found = value(case, indicator, p, reading)
    if found is None:
        return None
    wanted = expected(case, indicator, p)
    if reaches(indicator, found, wanted):
        return Fraction(1)
    if indicator.direction == "at_least":
        return max(Fraction(0), found / wanted)
    if indicator.direction == "at_most":
        return wanted / found
    baseline = indicator.baseline[1] if indicator.baseline and indicator.window == "plan" else Fraction(0)
    rises = indicator.direction == "increase"
    if not (wanted > baseline if rises else wanted < baseline):
        return Fraction(0)
    return max(Fraction(0), (found - baseline) / (wanted - baseline))
