"""Periods (of the text): local time, days, calendar periods and due days."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
MONTHS = {"monthly": 1, "quarterly": 3, "semiannual": 6, "annual": 12}


class Zone:
    """Local times of one zone as instants, which are datetimes in UTC."""

    def __init__(self, name):
        self.zone = ZoneInfo(name)
        self.cache = {}

    def instant(self, local):
        """A local time that occurs twice means the first; one that does not exist, the instant after the gap."""
        if local not in self.cache:
            self.cache[local] = self._instant(local)
        return self.cache[local]

    def _instant(self, local):
        at = local.replace(tzinfo=self.zone, fold=0).astimezone(timezone.utc)
        if at.astimezone(self.zone).replace(tzinfo=None) == local:
            return at
        after = local.replace(tzinfo=self.zone, fold=1).utcoffset()
        low, high = local.replace(tzinfo=timezone.utc) - after, at
        while high - low > timedelta(seconds=1):
            middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
            low, high = (low, middle) if middle.astimezone(self.zone).utcoffset() == after else (middle, high)
        return high

    def local(self, instant):
        return instant.astimezone(self.zone).replace(tzinfo=None)

    def day(self, instant):
        """The day of an instant."""
        return self.local(instant).date()

    def end_of(self, day):
        """The end of a day is the instant at which the next one begins."""
        return self.instant(datetime.combine(day + DAY, datetime.min.time()))


@dataclass(frozen=True, order=True)
class Period:
    last: date
    first: date
    frequency: str
    name: str


def periods(frequency, start, end):
    """Calendar periods that the days from start to end touch."""
    months = MONTHS[frequency]
    found, year, month = [], start.year, (start.month - 1) // months * months + 1
    while date(year, month, 1) <= end:
        first = date(year, month, 1)
        year, month = (year, month + months) if month + months <= 12 else (year + 1, 1)
        part = (first.month - 1) // months + 1
        name = {
            "monthly": f"{first.year}-{first.month:02}",
            "quarterly": f"{first.year}-Q{part}",
            "semiannual": f"{first.year}-S{part}",
            "annual": f"{first.year}",
        }[frequency]
        found.append(Period(date(year, month, 1) - DAY, first, frequency, name))
    return found


def end_of_due_day(zone, calendar, day):
    """A due day ends at the following midnight, or at the plan's hour."""
    if calendar.hour is None:
        return zone.end_of(day)
    return zone.instant(datetime.combine(day, calendar.hour))


def calendar_due(zone, calendar, period):
    """The end of the Nth due day (calendar or working) after the period's last day."""
    day, left = period.last, calendar.due_days
    while left:
        day += DAY
        if calendar.count == "calendar" or (day.weekday() < 5 and day not in calendar.holidays):
            left -= 1
    return end_of_due_day(zone, calendar, day)
