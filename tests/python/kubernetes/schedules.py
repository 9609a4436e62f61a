"""Whether a report is of the month that its schedule means, however late it starts."""

import datetime
import zoneinfo

from contract import CRON_POD, CRONJOB, JOB_NAME, POD
from lints import at, subcommand
from manifests import said


def numbers(field, first, last):
    """The numbers that a field of a cron schedule means."""
    found = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        start, end = (first, last) if span == "*" else (int(low), int(high or (last if step else low)))
        if not first <= start <= end <= last:
            raise ValueError(f"`{part}` is not within {first} to {last}")
        found |= set(range(start, end + 1, int(step or 1)))
    return found


def firings(schedule, zone, days=730):
    """When a schedule fires in the first two years from 2026 on."""
    minutes, hours, dates, months, weekdays = (
        numbers(field, *bounds) for field, bounds in
        zip(schedule.split(), [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)], strict=True))
    either = not schedule.split()[2].startswith("*") and not schedule.split()[4].startswith("*")
    for day in range(days):
        date = datetime.date(2026, 1, 1) + datetime.timedelta(day)
        on = [date.day in dates, date.isoweekday() in weekdays or date.isoweekday() % 7 in weekdays]
        if date.month in months and (any(on) if either else all(on)):
            for hour in sorted(hours):
                for minute in sorted(minutes):
                    yield datetime.datetime.combine(date, datetime.time(hour, minute), zone)


def look(where, found, problem):
    """A run must mean the month that its schedule meant, and that month must be over."""
    for document in found:
        if document["kind"] != "CronJob":
            continue
        spec, container = document["spec"], at(document, f"{CRON_POD}.containers.0")
        report_zone = at(container, "env.REPORT_TIME_ZONE.value")
        try:
            zone, days = zoneinfo.ZoneInfo(spec.get("timeZone") or ""), zoneinfo.ZoneInfo(report_zone or "")
            moments = list(firings(spec["schedule"], zone))
        except (ValueError, zoneinfo.ZoneInfoNotFoundError) as error:
            problem(where, f"{said(document)}: the schedule or a time zone isn't one: {error}")
            continue
        if not moments:
            problem(where, f"{said(document)}: the schedule never fires")
        if subcommand(container):
            continue
        for server in (other for other in found if other["kind"] == "Deployment"):
            own = at(server, f"{POD}.containers.0.env.REPORT_TIME_ZONE.value")
            if own and own != report_zone:
                problem(where, f"{said(server)}: its REPORT_TIME_ZONE is {own}, that of the reports {report_zone}")
        for moment in moments:
            # The month before is that in the schedule's zone, and ends when it does in the report's.
            if moment < datetime.datetime(moment.year, moment.month, 1, tzinfo=days):
                problem(where, f"{said(document)}: at {moment:%H:%M on the %d} in {zone} the month before isn't over in "
                               f"{report_zone}: move the schedule, or change a zone")
                break
        # By its Job's name the program knows when a run was due. Without it, it can only take the time of its start.
        named = document["metadata"]["name"] == CRONJOB and at(
            container, "env.REPORT_SCHEDULED_BY.valueFrom.fieldRef.fieldPath") == JOB_NAME
        schedule_zone = at(container, "env.REPORT_SCHEDULE_TIME_ZONE.value")
        if named and schedule_zone != spec["timeZone"]:
            problem(where, f"{said(document)}: its REPORT_SCHEDULE_TIME_ZONE is {schedule_zone}, and its timeZone "
                           f"{spec['timeZone']}")
        latest = datetime.timedelta(seconds=spec.get("startingDeadlineSeconds", 10**7))
        latest += datetime.timedelta(seconds=at(spec, "jobTemplate.spec.activeDeadlineSeconds") or 0)
        relative = "previous-month" in container.get("args", [])
        if relative and not named and any((moment + latest).astimezone(days).month != moment.month
                                          for moment in moments):
            problem(where, f"{said(document)}: a late run may start in the next month, and would report another one")
