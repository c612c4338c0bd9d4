"""The rules of VERDICTS once more, written from its text alone: an oracle to read beside it.

It shares nothing with the services, is exact (fractions throughout), and prefers the words of the text to speed.
One file for each heading, in its order:

    plan.py         Plan file; Revisions
    days.py         Periods
    history.py      what was recorded by an instant, and who is assigned
    obligations.py  Obligation of an assignment for a period
    indicators.py   Value, expectation, achievement of an indicator
    actions.py      Action as of t
    scorecards.py   Scorecard as of t
    scenario.py     Scenario file: events with their refusals, and what is asked

`generate.py` writes random scenarios and `check.py` plays them with `vigia simulate`. Where the text can be read in two
ways, the reading taken stands in a comment that begins with "Reading:".

    python tests/model/model.py tests/scenarios/*.yaml      what the model answers otherwise than these files expect
"""

import sys

import scenario


def main(paths):
    expectations = differ = 0
    for path in paths:
        file = scenario.read(path)
        found = scenario.differences(file)
        for difference in found:
            print(f"{path} · {difference}")
        expectations += len(file.get("expect") or [])
        differ += len(found)
    print(f"{expectations} expectations, {differ} differ")
    return differ == 0


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:]) else 1)
