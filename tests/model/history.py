"""What was recorded, and what it says as of an instant: facts recorded later do not exist."""

from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

from plan import Plan, Revision, revised

FOREVER = date.max


@dataclass
class Fact:
    at: datetime
    verb: str
    keys: dict


@dataclass
class Assignment:
    name: str
    action: str
    institution: str
    role: str
    territory: str
    first: date
    last: date
    line: str  # the name of the line's first assignment
    answer: str = "none"  # none, accepted, contested, withdrawn
    accepted_at: datetime | None = None
    closed: str = ""  # ended or handed_over

    def in_force(self, day):
        return self.first <= day <= self.last


@dataclass
class History:
    """Facts in the order of recording, on a plan that is in force from the start."""

    base: dict
    zone: object
    facts: list = field(default_factory=list)
    plans: dict = field(default_factory=dict)
    frozen: dict = field(default_factory=dict)

    def plan_after(self, revisions):
        key = tuple(revision.number for revision in revisions)
        if key not in self.plans:
            self.plans[key] = revised(self.base, revisions, self.zone)
        return self.plans[key]

    def before(self, end):
        """What stood just before an instant that has passed."""
        if end not in self.frozen:
            self.frozen[end] = View(self, end, before=True)
        return self.frozen[end]


class View:
    """Facts recorded by t, and the revisions that act by then; or both before t."""

    def __init__(self, history, t, before=False):
        self.history, self.t = history, t
        self.by = (lambda at: at < t) if before else (lambda at: at <= t)
        self.facts = [fact for fact in history.facts if self.by(fact.at)]

    @cached_property
    def plan(self) -> Plan:
        zone = self.history.zone
        revisions = []
        for fact in self.facts:
            if fact.verb == "revise":
                effective = date.fromisoformat(fact.keys["effective"])
                acts = max(fact.at, zone.instant(datetime.combine(effective, datetime.min.time())))
                revisions.append(Revision(len(revisions), acts, effective, fact.keys["changes"]))
        return self.history.plan_after([revision for revision in revisions if self.by(revision.acts)])

    @cached_property
    def assignments(self):
        found = {}
        for fact in self.facts:
            keys = fact.keys
            match fact.verb:
                case "propose":
                    name = keys["assignment"]
                    found[name] = Assignment(
                        name,
                        keys["action"],
                        keys["institution"],
                        keys["role"],
                        keys.get("territory", ""),
                        date.fromisoformat(keys["from"]),
                        date.fromisoformat(keys["last_day"]) if "last_day" in keys else FOREVER,
                        name,
                    )
                case "accept":
                    found[keys["assignment"]].answer = "accepted"
                    found[keys["assignment"]].accepted_at = fact.at
                case "contest":
                    found[keys["assignment"]].answer = "contested"
                case "resolve":
                    confirmed = keys["resolution"] == "confirmed"
                    found[keys["assignment"]].answer = "accepted" if confirmed else "withdrawn"
                    found[keys["assignment"]].accepted_at = fact.at if confirmed else None
                case "end":
                    found[keys["assignment"]].last = date.fromisoformat(keys["last_day"])
                    found[keys["assignment"]].closed = "ended"
                case "hand_over":
                    old, effective = found[keys["assignment"]], date.fromisoformat(keys["effective"])
                    # Reading: accepted when the hand-over is recorded, not on its effective day.
                    found[keys["to"]] = Assignment(
                        keys["to"],
                        old.action,
                        keys["institution"],
                        old.role,
                        old.territory,
                        effective,
                        old.last,
                        old.line,
                        "accepted",
                        fact.at,
                    )
                    old.last, old.closed = date.fromordinal(effective.toordinal() - 1), "handed_over"
        return found
