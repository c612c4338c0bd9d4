"""Random plans and changes of plans, near what the rules distinguish."""

import random
from datetime import date
from fractions import Fraction

from days import DAY

ZONES = ["America/Guayaquil"] * 3 + ["Pacific/Galapagos", "America/Santiago", "Europe/Madrid", "Atlantic/Azores"]


class Dice:
    """Choices from a seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, percent):
        return self.random.random() * 100 < percent

    def pick(self, *choices):
        return self.random.choice(choices)

    def day_between(self, first, last):
        return first + DAY * self.random.randint(0, max(0, (last - first).days))

    def number(self, low, high):
        return Fraction(self.random.randint(low * 4, high * 4), 4)


class Planner(Dice):
    """Makes a plan, and changes of it."""

    def __init__(self, seed):
        super().__init__(seed)
        self.ratios = set()  # indicators whose values are ratios

    def make_plan(self):
        year = self.random.randint(2023, 2026)
        start = date(year, 1, 1) if self.chance(60) else self.day_between(date(year, 1, 1), date(year, 9, 1))
        months = self.pick(12, 18, 24, 30)
        end = (
            date(year + months // 12, 12 if months % 12 == 0 else 6, 28) if self.chance(30) else date(year + 1, 12, 31)
        )
        frequency = self.pick("monthly", "quarterly", "quarterly", "quarterly", "semiannual", "semiannual", "annual")
        self.start, self.end = start, end
        reporting = {"frequency": frequency, "due_days_after_period": self.pick(0, 1, 5, 10, 15, 30)}
        if self.chance(35):
            reporting["count"] = "working"
        if self.chance(35):
            reporting["holidays"] = sorted({self.day_between(start, end + 20 * DAY) for _ in range(6)})
        if self.chance(30):
            reporting["hour"] = self.pick("17:00", "00:00", "23:59", "12:30")
        policy = {}
        for key, choices in {
            "on_track_from": (90, 80),
            "at_risk_from": (60, 50),
            "reported_from": (100, 67, 34, 50),
            "stale_after": (0, 1, 3),
            "interpolation": ("step",),
            "reporting_roles": (["lead"], ["lead", "co_responsible", "supporting"], ["lead", "supporting"]),
            "milestones_weight": (2, "0.5"),
        }.items():
            if self.chance(30):
                policy[key] = self.pick(*choices)
        components = [
            {"code": "P", "level": "eje", "title_es": "P"},
            {"code": "P1", "level": "linea", "parent": "P", "title_es": "P1"},
            {"code": "R", "level": "eje", "title_es": "R"},
        ]
        head = {
            "id": "demo",
            "title_es": "Plan",
            "period": {"start": start, "end": end},
            "time_zone": self.pick(*ZONES),
            "reporting": reporting,
        }
        if policy:
            head["compliance_policy"] = policy
        actions = [self.make_action(f"A{number}") for number in range(1, self.random.randint(2, 4) + 1)]
        return {"plan": head, "components": components, "actions": actions}

    def make_action(self, code):
        start = self.start if self.chance(60) else self.day_between(self.start, self.end - 60 * DAY)
        end = self.end if self.chance(40) else self.day_between(start + 20 * DAY, self.end)
        action = {"code": code, "component": self.pick("P", "P1", "R"), "text_es": code, "start": start, "end": end}
        if self.chance(40):
            action["weight"] = self.pick(2, 3, "0.5")
        many = self.pick(0, 1, 1, 1, 1, 2, 2, 3)
        if many:
            action["indicators"] = [self.make_indicator(f"I{n}", start, end) for n in range(1, many + 1)]
            self.ratios |= {(code, indicator["code"]) for indicator in action["indicators"] if self.chance(20)}
        if self.chance(85 if not many else 35):
            action["milestones"] = self.make_milestones(start, end)
        if self.chance(12):
            action["suspended"] = [self.make_rest(start, end)]
        return action

    def make_milestones(self, start, end):
        return [
            {"code": f"M{n}", "due": self.day_between(start, end), "text_es": "m"} for n in (1, 2)[: self.pick(1, 2)]
        ]

    def make_rest(self, start, end):
        first = self.day_between(start, end)
        return {"from": first, "to": self.day_between(first, min(end, first + 200 * DAY))}

    def make_indicator(self, code, start, end):
        direction = self.pick("increase", "increase", "decrease", "at_least", "at_most")
        aggregation = self.pick("latest", "cumulative", "sum", "max")
        if direction == "decrease":
            aggregation = self.pick("latest", "cumulative")
        found = {
            "code": code,
            "name_es": code,
            "unit": self.pick("count", "count", "percent"),
            "direction": direction,
            "aggregation": aggregation,
        }
        if direction == "increase" and self.chance(35):
            found["window"] = "year"
        if self.chance(30):
            found["across"] = self.pick("sum", "mean")
        if self.chance(30):
            found["weight"] = self.pick(2, "0.5")
        if self.chance(35):
            found["reported_by"] = self.pick(["lead", "co_responsible"], ["co_responsible"], ["lead", "supporting"])
        low = direction in ("decrease", "at_most")
        if self.chance(90 if direction == "decrease" else 60):
            value = self.number(50, 100) if low else self.number(0, 25)
            found["baseline"] = {**self.make_date(start, end, before=True), "value": value}
        found["targets"] = self.make_targets(low, start, end)
        if direction != "increase" and self.chance(3):
            del found["targets"]
        return found

    def make_date(self, start, end, before=False):
        if before and self.chance(70):
            return {"year": start.year - 1}
        if before:
            return {"date": self.day_between(start - 100 * DAY, start + 100 * DAY)}
        return {"date": self.day_between(start, end)}

    def make_targets(self, low, start, end):
        if self.chance(60):
            days = [{"year": year} for year in range(start.year, end.year + 1 + self.chance(10))]
        else:
            days = [{"date": day} for day in sorted({self.day_between(start, end) for _ in range(self.pick(1, 2, 3))})]
        value, found = self.number(40, 70) if low else self.number(10, 40), []
        for day in days:
            found.append({**day, "value": value})
            value += self.number(-20, 15) if low else self.number(-15, 30)
            value = max(value, Fraction(1))
        return found

    def action_changes(self, action):
        match self.pick("end", "end", "start", "weight", "suspended", "suspended", "withdrawn_on", "milestones"):
            case "end":
                later = self.chance(50) and action.end < self.end
                return {
                    "end": self.day_between(
                        action.end if later else action.start, self.end + self.pick(0, 0, 0, 5) * DAY
                    )
                }
            case "start":
                return {"start": self.day_between(self.start, action.end)}
            case "weight":
                return {"weight": self.pick(1, 2, 5)}
            case "suspended":
                return {"suspended": [self.make_rest(action.start, action.end)] if self.chance(80) else []}
            case "withdrawn_on":
                return {"withdrawn_on": self.day_between(action.start, action.end) if self.chance(80) else None}
            case "milestones":
                return {"milestones": self.make_milestones(action.start, action.end)}

    def indicator_changes(self, indicator, action):
        low = indicator.direction in ("decrease", "at_most")
        return self.pick(
            {"targets": self.make_targets(low, action.start, action.end)},
            {"targets": self.make_targets(low, action.start, action.end)},
            {"weight": self.pick(1, 3)},
            {"across": self.pick("sum", "mean")},
            {"aggregation": self.pick("latest", "cumulative", "sum", "max")},
            {"reported_by": self.pick(["lead"], ["lead", "co_responsible"])},
            {"baseline": {"year": action.start.year - 1, "value": self.number(0, 100)}},
        )
