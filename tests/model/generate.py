"""Random scenario files from a seed: deep histories near the instants at which the rules change their mind.

The model plays along, so that most events can be accepted; it says which are refused, and answers every question.
"""

from datetime import datetime, time, timedelta
from fractions import Fraction

import indicators
from days import DAY, MONTHS
from generate_plan import Planner
from history import View
from obligations import all_obligations
from scenario import World

INSTITUTIONS = ["msp", "mies", "fge", "iess", "gad-quito"]
TERRITORIES = ["", "", "17", "1701", "1702", "0901", "13"]
ROLES = ["lead"] * 5 + ["co_responsible"] * 2 + ["supporting"]
SECOND = timedelta(seconds=1)


def text(value):
    """A scalar as it stands in a file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, Fraction):
        whole, part = divmod(abs(value) * 10**6, 10**6)
        digits = f"{'-' if value < 0 else ''}{int(whole)}.{int(part):06}"
        return digits.rstrip("0").rstrip(".")
    return str(value)


def plain(node):
    """A node with every scalar as text, as the model reads files."""
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [plain(value) for value in node]
    return text(node)


class Author(Planner):
    def __init__(self, seed):
        super().__init__(seed)
        self.title = f"Generated from seed {seed}"
        self.diligence = self.pick(0, 30, 60, 90)  # percent of the instants at which all that is open gets reported
        self.pace = self.pick(Fraction(4, 5), 1, Fraction(6, 5))  # of values, against what is expected
        self.events, self.expect, self.names = [], [], 0
        self.plan = plain(self.make_plan())
        self.world = World(self.plan)

    # What happens.

    def write(self):
        instants = self.instants()
        self.propose_all(instants[0])
        for at in instants:
            if self.chance(20):
                self.prolong(at)
            if self.chance(self.diligence):
                self.report_all(at)
            for _ in range(self.pick(1, 1, 2)):
                self.something(at)
        self.questions(instants)
        return {"title": self.title, "plan": self.plan, "events": self.events, "expect": self.expect}

    def instants(self):
        """Local times in order, many of them where something begins or falls due."""
        zone, plan = self.world.zone, View(self.world.history, self.world.at("2000-01-01")).plan
        found = set()
        for period in plan.periods:
            for instant in (zone.end_of(period.last), plan.calendar_due(period)):
                at = zone.local(instant)
                found |= {at, at - SECOND, at + SECOND, at + timedelta(hours=self.random.randint(1, 400))}
            for _ in range(3):
                found.add(
                    datetime.combine(
                        self.day_between(period.first, period.last + 30 * DAY), time(self.random.randint(0, 23))
                    )
                )
        found = sorted(self.random.sample(sorted(found), min(len(found), 50)))
        begin = datetime.combine(self.start, time(9)) - timedelta(days=self.pick(0, 0, 20))
        return [begin, *(at for at in found if at > begin)]

    def do(self, at, by, verb, **keys):
        event = {"at": at, "as": by, "do": verb, **keys}
        reason = self.world.play(plain(event))
        if reason is not None:
            event["refused"] = reason
        self.events.append(event)
        return reason is None

    def propose(self, at, action, role=None):
        self.names += 1
        name, institution = f"a{self.names}", self.pick(*INSTITUTIONS)
        keys = {"assignment": name, "action": action, "institution": institution, "role": role or self.pick(*ROLES)}
        territory = self.pick(*TERRITORIES)
        if territory:
            keys["territory"] = territory
        start = self.world_plan(at).actions[action].start
        late = max(start, at.date()) + DAY * self.random.randint(-5, 40)
        keys["from"] = self.pick(start, start, start, self.start, start - 90 * DAY, late)
        if self.chance(5):
            keys["last_day"] = keys["from"] + DAY * self.random.randint(100, 500)
        if self.do(at, "coordinator", "propose", **keys) and self.chance(88):
            self.answer(at, name, institution)

    def answer(self, at, name, institution):
        self.do(at, institution, "contest" if self.chance(7) else "accept", assignment=name)

    def propose_all(self, at):
        for action in self.plan["actions"]:
            for role in ["lead" if self.chance(90) else "co_responsible", *[None] * self.pick(0, 1, 2, 3)]:
                self.propose(at, action["code"], role)

    def now(self, at):
        return self.world.zone.instant(at)

    def world_plan(self, at):
        return View(self.world.history, self.now(at)).plan

    def something(self, at):
        kind = self.random.choices(
            ["submit", "review", "extend", "waive", "hand_over", "end", "propose", "answer", "revise"],
            [45, 30, 7, 3, 4, 2, 2, 3, 5],
        )[0]
        getattr(self, "do_" + kind)(at)

    def owed(self, at, wanted):
        """An obligation for which something can be done; seldom any at all."""
        found = list(all_obligations(self.world.history, self.now(at)).values())
        liked = [o for o in found if wanted(o)]
        if liked and not self.chance(3):
            # The newest most of the time.
            liked.sort(key=lambda o: o.period)
            return liked[-1 - int(self.random.random() ** 2 * len(liked))]
        return self.pick(*found) if found and self.chance(30) else None

    def report_all(self, at):
        t = self.now(at)
        for o in list(all_obligations(self.world.history, t).values()):
            if t >= o.ends and (o.report is None or o.report.status == "RETURNED") and not o.waived and self.chance(93):
                self.submit(at, o)

    def do_submit(self, at):
        t, anything = self.now(at), self.chance(4)
        wanted = ("OPEN", "OVERDUE", "RETURNED", "RETURNED_OVERDUE")
        o = self.owed(
            at, lambda o: anything or t >= o.ends and (o.state in wanted or o.state == "SUBMITTED" and self.chance(5))
        )
        if o is not None:
            self.submit(at, o)
        elif self.chance(10):
            self.submit_anything(at)

    def submit(self, at, o):
        action, keys = self.world_plan(at).actions[o.assignment.action], {}
        if self.chance(8):
            keys["nil"] = "Sin novedad"
        else:
            values = {i.code: self.value(i, action, o, at) for i in action.indicators if self.chance(92)}
            if values:
                keys["values"] = values
            done = [code for code, due in action.milestones if self.chance(70 if due <= o.period.last else 15)]
            if done:
                keys["milestones"] = done
        by = o.assignment.institution
        if self.chance(1):
            # A stranger: a successor in its line could act for it.
            line = [a for a in self.world_case(at, action.code).assignments if a.line == o.assignment.line]
            by = self.pick(*(one for one in INSTITUTIONS if one not in [a.institution for a in line]))
        self.do(at, by, "submit", assignment=o.assignment.name, period=o.period.name, **keys)

    def submit_anything(self, at):
        view = View(self.world.history, self.now(at))
        if view.assignments:
            assignment = self.pick(*view.assignments.values())
            period = self.pick(*view.plan.periods).name
            self.do(at, assignment.institution, "submit", assignment=assignment.name, period=period, nil="Nada")

    def value(self, indicator, action, o, at):
        """A value not far from what is expected, so that states vary."""
        case = self.world_case(at, action.code)
        targets = indicators.remaining_targets(indicator, action)
        if targets and action.end > case.first_end and o.period.first > case.first_end:
            wanted = targets[-1][1] / self.pace
        elif targets:
            wanted = indicators.expected(case, indicator, o.period)
        else:
            wanted = Fraction(10)
        if indicator.aggregation == "sum":
            before = sum(p <= o.period for p in case.plan.periods)
            wanted = wanted / (before or 1)
        good = self.pace if indicator.direction in ("increase", "at_least") else 1 / Fraction(self.pace)
        wanted = (
            abs(wanted)
            * good
            * self.pick(Fraction(1, 2), Fraction(9, 10), 1, 1, 1, 1, Fraction(11, 10), Fraction(3, 2))
        )
        value = Fraction(int(wanted * 4) + (indicator.direction == "increase"), 4)
        if self.chance(2):
            value = -value
        ratio = (action.code, indicator.code) in self.ratios
        if self.chance(1):
            ratio = not ratio
        return {"num": value * 10, "den": self.pick(10, 20, 10, 10)} if ratio else value

    def world_case(self, at, code):
        from actions import Case

        t = self.now(at)
        return Case(self.world.history, t, code, all_obligations(self.world.history, t))

    def do_review(self, at):
        o = self.owed(
            at,
            lambda o: o.report is not None
            and o.report.status == "SUBMITTED"
            or o.report is not None
            and self.chance(15),
        )
        if o is None:
            return
        verb = self.random.choices(["validate", "return", "reject"], [60, 30, 10])[0]
        keys = {"answer_by": at.date() + DAY * self.random.randint(-1, 25)} if verb == "return" else {}
        if self.chance(5) and o.report and o.report.version > 1 and o.report.status == "SUBMITTED":
            keys["version"] = o.report.version - 1
        self.do(at, "reviewer", verb, assignment=o.assignment.name, period=o.period.name, **keys)

    def do_extend(self, at):
        view = View(self.world.history, self.now(at))
        period = self.pick(
            *(p for p in view.plan.periods if p.first <= at.date() + 40 * DAY or p == view.plan.periods[0])
        )
        if self.chance(75):
            o = self.owed(at, lambda o: o.due > self.now(at))
            period = o.period if o else period
        due = self.world.zone.local(view.plan.calendar_due(period)).date()
        keys = {"period": period.name, "until": max(due, at.date() - 5 * DAY) + DAY * self.random.randint(-3, 45)}
        over = self.pick("assignment", "assignment", "institution", "territory", "all")
        lines = [a.name for a in view.assignments.values() if a.closed == "handed_over" or a.line != a.name]
        if over == "assignment" and view.assignments:
            keys["assignment"] = self.pick(*(lines if lines and self.chance(60) else view.assignments))
        else:
            keys |= self.pick(
                {"institution": self.pick(*INSTITUTIONS)}, {"territory": self.pick("17", "1701", "09")}, {"all": True}
            )
        if self.chance(35):
            keys["emergency"] = True
        self.do(at, "coordinator", "extend", legal_basis="Acuerdo", **keys)

    def do_waive(self, at):
        o = self.owed(at, lambda o: o.report is None and not o.waived or o.state == "RETURNED_OVERDUE")
        if o is not None:
            self.do(at, "coordinator", "waive", assignment=o.assignment.name, period=o.period.name, reason="Terremoto")

    def assignment(self, at, wanted):
        view = View(self.world.history, self.now(at))
        found = [a for a in view.assignments.values() if wanted(a)]
        return self.pick(*found) if found else None

    def do_hand_over(self, at):
        some = self.chance(10)
        a = self.assignment(
            at, lambda a: some or a.answer == "accepted" and a.first < at.date() - 10 * DAY and a.last > at.date()
        )
        if a is not None:
            self.names += 1
            effective = max(a.first + self.pick(0, 1) * DAY, at.date() + DAY * self.random.randint(-60, 40))
            keys = {"to": f"a{self.names}", "institution": self.pick(*INSTITUTIONS), "effective": effective}
            self.do(at, "coordinator", "hand_over", assignment=a.name, **keys)

    def do_end(self, at):
        some = self.chance(10)
        a = self.assignment(at, lambda a: some or a.answer == "accepted" and a.first < at.date() and a.last > at.date())
        if a is not None:
            last = max(a.first, at.date() + DAY * self.random.randint(-60, 60))
            self.do(at, "coordinator", "end", assignment=a.name, last_day=last)

    def do_propose(self, at):
        self.propose(at, self.pick(*self.plan["actions"])["code"])

    def do_answer(self, at):
        a = self.assignment(at, lambda a: a.answer in ("none", "contested"))
        if a is None:
            return
        if a.answer == "none":
            self.answer(at, a.name, a.institution)
        else:
            self.do(at, "coordinator", "resolve", assignment=a.name, resolution=self.pick("confirmed", "withdrawn"))

    def do_revise(self, at):
        effective = at.date() + DAY * self.random.randint(-60, 60)
        if self.chance(40):
            effective = self.pick(at.date(), *(period.first for period in self.world_plan(at).periods))
        changes, what = {}, self.pick("action", "action", "indicator", "indicator", "policy", "reporting")
        plan = self.world_plan(at)
        action = self.pick(*plan.actions.values())
        if what == "action":
            changes["actions"] = {action.code: self.action_changes(action)}
        elif what == "indicator" and action.indicators:
            one = self.pick(*action.indicators)
            changes["actions"] = {action.code: {"indicators": {one.code: self.indicator_changes(one, action)}}}
        elif what == "reporting":
            changes["reporting"] = self.pick(
                {"due_days_after_period": self.pick(3, 7, 25)},
                {"hour": "15:00"},
                {"count": "working"},
                {"holidays": [self.day_between(self.start, self.end) for _ in range(2)]},
                {"frequency": self.pick(*MONTHS)},
            )
        else:
            changes["compliance_policy"] = self.pick(
                {"stale_after": self.pick(0, 1, 2, 4)},
                {"interpolation": self.pick("step", "linear")},
                {"reported_from": self.pick(1, 40, 60, 100)},
                {"on_track_from": 75, "at_risk_from": 30},
                {"milestones_weight": 3},
                {"reporting_roles": self.pick(["lead"], ["lead", "co_responsible", "supporting"])},
            )
        self.do(at, ["coordinator", "approver"], "revise", effective=effective, legal_basis="Acuerdo", changes=changes)

    def prolong(self, at):
        """An action that is about to end gets more time, and so may be achieved late."""
        for action in self.world_plan(at).actions.values():
            if abs((action.end - at.date()).days) < 40 and action.end < self.end and self.chance(50):
                changes = {"actions": {action.code: {"end": self.day_between(action.end + DAY, self.end)}}}
                self.do(at, ["coordinator", "approver"], "revise", effective=at.date(), changes=changes)

    # What is asked.

    def questions(self, instants):
        last = instants[-1]
        asked = self.random.sample(instants, min(len(instants), 9))
        asked += [self.pick(*self.events)["at"] + self.pick(0, 1, -1) * SECOND for _ in range(6)]
        asked += [last + timedelta(days=days) for days in (1, 60, 400)]
        asked.append(datetime.combine(self.start, time(0)) - timedelta(days=self.pick(0, 3, 50)))
        asked += self.edges(last)
        for at in sorted(set(asked)):
            view = View(self.world.history, self.now(at))
            for code in view.plan.actions:
                self.question(at, action=code)
            for scope in (
                "plan",
                "component P",
                f"institution {self.pick(*INSTITUTIONS)}",
                f"territory {self.pick('17', '1701', '09')}",
            ):
                self.question(at, scorecard=scope)
            owed = list(self.world.obligations(self.now(at)))
            for assignment, period in self.random.sample(owed, min(len(owed), 6)):
                self.question(at, obligation={"assignment": assignment, "period": period})
            if view.assignments:
                some = {"assignment": self.pick(*view.assignments), "period": self.pick(*view.plan.periods).name}
                self.question(at, obligation=some)

    def edges(self, last):
        """Where due instants lie that extensions and returns have set, and where revisions begin to act."""
        zone, found = self.world.zone, []
        for o in all_obligations(self.world.history, self.now(last)).values():
            found += [edge for edge in (o.due, o.answer_due) if edge and edge != o.calendar_due]
        found = [zone.local(edge) for edge in found]
        for event in self.events:
            if "effective" in event:
                found.append(datetime.combine(event["effective"], time(0)))
        return [edge - self.pick(0, 1) * SECOND for edge in self.random.sample(found, min(len(found), 5))]

    def question(self, at, **about):
        asked = {"as_of": at, **about}
        self.expect.append({**asked, **self.world.ask(plain(asked))})


def line(node):
    """A node in flow style: numbers and dates plain, all other texts quoted."""
    if isinstance(node, dict):
        return "{" + ", ".join(f"{key}: {line(value)}" for key, value in node.items()) + "}"
    if isinstance(node, (list, tuple)):
        return "[" + ", ".join(line(value) for value in node) + "]"
    if node is None:
        return "null"
    shown = text(node)
    return f"'{shown}'" if isinstance(node, datetime) or " " in shown or ":" in shown else shown


def file(scenario):
    """A scenario as the text of a file."""
    lines = [f"title: {scenario['title']}", f"plan: {line(scenario['plan'])}"]
    for key in ("events", "expect"):
        lines.append(f"{key}:")
        lines.extend(f"- {line(entry)}" for entry in scenario[key])
    return "\n".join(lines) + "\n"


def generate(seed):
    return file(Author(seed).write())


if __name__ == "__main__":
    import sys

    print(generate(int(sys.argv[1])), end="")
