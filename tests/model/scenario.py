"""Scenario file (of the text): plays events, telling which are refused, and answers what is asked."""

from datetime import date, datetime
from fractions import Fraction

import yaml

import scorecards
from actions import Case
from history import Fact, History, View
from obligations import all_obligations, covers, is_emergency
from plan import NULLS, Revision, refused, revised
from days import Zone


class World:
    """A plan in force, and what is recorded on it."""

    def __init__(self, plan):
        self.zone = Zone(plan["plan"]["time_zone"])
        self.history = History(plan, self.zone)
        self.answers = {}

    def at(self, local):
        return self.zone.instant(datetime.fromisoformat(local))

    # Events.

    def play(self, event):
        """Records an event; answers with the reason where it is refused."""
        t = self.at(event["at"])
        reason = getattr(self, "refuses_" + event["do"])(event, t)
        if reason is None:
            self.history.facts.append(Fact(t, event["do"], event))
        return reason

    def assignment(self, event, t):
        return View(self.history, t).assignments.get(event["assignment"])

    def refuses_propose(self, event, t):
        view = View(self.history, t)
        if event["assignment"] in view.assignments:
            return "ALREADY_EXISTS"
        return None if event["action"] in view.plan.actions else "NOT_FOUND"

    def refuses_answer(self, event, t):
        found = self.assignment(event, t)
        if found is None or found.institution != event["as"]:
            return "NOT_FOUND"
        return None if found.answer == "none" and not found.closed else "STATE_CONFLICT"

    refuses_accept = refuses_contest = refuses_answer

    def refuses_resolve(self, event, t):
        found = self.assignment(event, t)
        if found is None:
            return "NOT_FOUND"
        return None if found.answer == "contested" and not found.closed else "STATE_CONFLICT"

    def refuses_end(self, event, t):
        found = self.assignment(event, t)
        if found is None:
            return "NOT_FOUND"
        if found.closed or found.answer == "withdrawn":
            return "STATE_CONFLICT"
        return "INVALID_FIELDS" if date.fromisoformat(event["last_day"]) < found.first else None

    def refuses_hand_over(self, event, t):
        found, effective = self.assignment(event, t), date.fromisoformat(event["effective"])
        if found is None:
            return "NOT_FOUND"
        if event["to"] in View(self.history, t).assignments:
            return "ALREADY_EXISTS"
        never_taken_on = found.closed == "ended" and found.answer != "accepted"
        if found.closed == "handed_over" or found.answer == "withdrawn" or never_taken_on:
            return "STATE_CONFLICT"
        if found.last < effective:
            return "STATE_CONFLICT" if found.closed == "ended" else "INVALID_FIELDS"
        return "INVALID_FIELDS" if effective < found.first or event["institution"] == found.institution else None

    def obligation(self, event, t):
        return all_obligations(self.history, t).get((event["assignment"], event["period"]))

    def refuses_submit(self, event, t):
        owed = self.obligation(event, t)
        if owed is None:
            return "NOTHING_OWED"
        if owed.assignment.institution != event["as"]:
            return "NOT_FOUND"
        # Reading: what the row asks for comes before the columns.
        if t < owed.ends:
            return "PERIOD_NOT_ENDED"
        if owed.waived:
            return "WAIVED"
        if owed.state == "VALIDATED":
            return "ALREADY_VALIDATED"
        return None if self.is_content(event, owed, t) else "INVALID_FIELDS"

    def is_content(self, event, owed, t):
        """Whether a report can be stored: values of indicators that exist, all numbers or all ratios.

        Reading: values are mixed with those of other obligations' reports that stand; what this one replaces is not there.
        """
        action = View(self.history, t).plan.actions[owed.assignment.action]
        known = {indicator.code: indicator for indicator in action.indicators}
        others = [
            o.report.keys.get("values") or {}
            for o in all_obligations(self.history, t).values()
            if o.report
            and o.assignment.action == action.code
            and o.report.keys["period"] + o.assignment.name != event["period"] + event["assignment"]
        ]
        for code, value in (event.get("values") or {}).items():
            if code not in known:
                return False
            ratio = isinstance(value, dict)
            numbers = [Fraction(part) for part in (value.values() if ratio else [value])]
            if known[code].direction in ("at_least", "at_most") and min(numbers) < 0:
                return False
            if ratio and Fraction(value["den"]) <= 0:
                return False
            if any(isinstance(other[code], dict) != ratio for other in others if code in other):
                return False
        return set(event.get("milestones") or []) <= {code for code, _ in action.milestones}

    def refuses_review(self, event, t):
        owed = self.obligation(event, t)
        if owed is None:
            return "NOTHING_OWED"
        if owed.waived:
            return "WAIVED"
        if owed.report is None:
            return "NOTHING_TO_REVIEW"
        if int(event.get("version", owed.report.version)) != owed.report.version:
            return "REPORT_REPLACED"
        if event["do"] == "validate" and owed.report.status != "SUBMITTED":
            return "ANSWER_PENDING" if owed.report.status == "RETURNED" else "ALREADY_VALIDATED"
        if event["do"] == "return":
            plan = View(self.history, t).plan
            if plan.due_day_ends(owed.period, date.fromisoformat(event["answer_by"])) <= t:
                return "ANSWER_BY_PAST"
        return None

    refuses_validate = refuses_return = refuses_reject = refuses_review

    def refuses_waive(self, event, t):
        owed = self.obligation(event, t)
        if owed is None:
            return "NOTHING_OWED"
        if owed.waived:
            return "WAIVED"
        return None if owed.report is None or owed.state == "RETURNED_OVERDUE" else "ALREADY_RECEIVED"

    def refuses_extend(self, event, t):
        now = View(self.history, t)
        for owed in all_obligations(self.history, t).values():
            if owed.period.name != event["period"] or owed.waived or not covers(now, event, owed.assignment):
                continue
            until = now.plan.due_day_ends(owed.period, date.fromisoformat(event["until"]))
            if until > owed.due and (t < owed.due or is_emergency(event)):
                return None
        return "EXTENSION_MOVES_NOTHING"

    def refuses_revise(self, event, t):
        if len(event["as"]) != 2 or event["as"][0] == event["as"][1]:
            return "SECOND_PERSON_REQUIRED"
        before = [
            Revision(number, fact.at, date.fromisoformat(fact.keys["effective"]), fact.keys["changes"])
            for number, fact in enumerate(fact for fact in self.history.facts if fact.verb == "revise")
        ]
        one = Revision(len(before), t, date.fromisoformat(event["effective"]), event["changes"])
        return "INVALID_FIELDS" if refused(revised(self.history.base, [*before, one], self.zone)) else None

    # Expectations.

    def obligations(self, t):
        if t not in self.answers:
            self.answers[t] = all_obligations(self.history, t), {}
        return self.answers[t][0]

    def case(self, t, code):
        obligations, cases = self.obligations(t), self.answers[t][1]
        if code not in cases:
            cases[code] = Case(self.history, t, code, obligations)
        return cases[code]

    def ask(self, expectation):
        """The answer, with the keys of scenario files."""
        t = self.at(expectation["as_of"])
        if "obligation" in expectation:
            return self.ask_obligation(t, **expectation["obligation"])
        if "action" in expectation:
            verdict = self.case(t, expectation["action"]).verdict()
            return {
                "state": verdict.state,
                "period": verdict.period and verdict.period.name,
                **{key: shown(getattr(verdict, key)) for key in ("strict", "observed", "validated")},
            }
        return {key: shown(value) for key, value in self.ask_scorecard(t, *expectation["scorecard"].split()).items()}

    def ask_obligation(self, t, assignment, period):
        found = self.obligations(t).get((assignment, period))
        if found is None:
            return {"state": "NOT_OWED"}
        due = self.zone.local(found.due).isoformat(timespec="minutes")
        return {"state": found.state, "timeliness": found.timeliness, "due": due}

    def ask_scorecard(self, t, kind, name=None):
        view = View(self.history, t)
        plan, cases = view.plan, [self.case(t, code) for code in view.plan.actions]
        match kind:
            case "plan":
                index = scorecards.index(cases)
                covered = lambda assignment: True
            case "component":
                below = lambda code: plan.is_below(plan.actions[code].component, name)
                index = scorecards.index([case for case in cases if below(case.action.code)])
                covered = lambda assignment: below(assignment.action)
            case "institution":
                index = scorecards.index_of_institution(name, cases)
                covered = lambda assignment: assignment.institution == name
            case "territory":
                index = scorecards.index([])
                covered = lambda assignment: assignment.territory.startswith(name)
        owed = [o for o in self.obligations(t).values() if covered(o.assignment)]
        assignments = [a for a in view.assignments.values() if covered(a)]
        return {**index, **scorecards.discipline(owed, assignments, t)}


def shown(value):
    """Numbers as scenario files have them: indices to six decimals, half up."""
    if value is None or isinstance(value, int):
        return value
    return float(Fraction((value * 10**6 + Fraction(1, 2)).__floor__(), 10**6))


def same(expected, got):
    """Whether an answer is the expected one, which was read as text."""
    if expected in NULLS:
        return got is None
    if isinstance(got, (int, float)):
        return Fraction(expected) == Fraction(str(got))
    if isinstance(got, str) and got[:1].isdigit() and "T" in got:
        return datetime.fromisoformat(expected) == datetime.fromisoformat(got)
    return expected == got


def read(path):
    with open(path, encoding="utf-8") as file:
        return yaml.load(file, Loader=yaml.BaseLoader)


def in_order(events):
    """Sorted by `at`, then as they stand."""
    return sorted(events, key=lambda event: datetime.fromisoformat(event["at"]))


def differences(scenario):
    """What a scenario expects otherwise than the model."""
    world, found = World(scenario["plan"]), []
    for event in in_order(scenario.get("events") or []):
        # What others than the governing body judge moves no verdict.
        if event["do"] == "assess":
            continue
        reason = world.play(event)
        if "refused" in event and event["refused"] != reason:
            found.append(f"{event['at']} {event['do']}: expected {event['refused']}, got {reason}")
    for expectation in scenario.get("expect") or []:
        if "assessment" in expectation:
            continue
        answer = world.ask(expectation)
        for key, expected in expectation.items():
            if key not in ("as_of", "obligation", "action", "scorecard", "why") and not same(expected, answer.get(key)):
                about = [expectation.get(key) for key in ("obligation", "action", "scorecard") if key in expectation]
                found.append(f"{expectation['as_of']} {about[0]}: {key}: expected {expected}, got {answer.get(key)}")
    return found
