package messages

import "time"

// months and weekdays are the short names as dates have them.
var (
	months = [...]Text{
		"month\x04Jan", "month\x04Feb", "month\x04Mar", "month\x04Apr", "month\x04May", "month\x04Jun",
		"month\x04Jul", "month\x04Aug", "month\x04Sep", "month\x04Oct", "month\x04Nov", "month\x04Dec",
	}
	weekdays = [...]Text{"weekday\x04Sun", "weekday\x04Mon", "weekday\x04Tue", "weekday\x04Wed", "weekday\x04Thu", "weekday\x04Fri", "weekday\x04Sat"}
)

// The orders of what a date consists of.
const (
	dayOrder     Text = "date\x04%[1]d %[2]s"
	yearOrder    Text = "date\x04%[1]d %[2]s %[3]s"
	weekdayOrder Text = "date\x04%[3]s %[1]d %[2]s"
)

// Moment is a time to the second, for lists: 26 Nov 09:10:11.
func (l *Language) Moment(t time.Time) string {
	return l.mark(l.date(dayOrder, t, "") + t.Format(" 15:04:05"))
}

// Exact is a time with all that there is to it: 26 Nov 2026 09:10:11.123 UTC.
func (l *Language) Exact(t time.Time) string {
	return l.mark(l.date(yearOrder, t, t.Format("2006")) + t.Format(" 15:04:05.000 MST"))
}

// Minute is a time to the minute, with its year: 26 Nov 2026 09:10 UTC.
func (l *Language) Minute(t time.Time) string {
	return l.mark(l.date(yearOrder, t, t.Format("2006")) + t.Format(" 15:04 MST"))
}

// Weekday is a time in the days to come: Thu 26 Nov 09:10 UTC.
func (l *Language) Weekday(t time.Time) string {
	return l.mark(l.date(weekdayOrder, t, l.pattern(string(weekdays[t.Weekday()]))) + t.Format(" 15:04 MST"))
}

// date puts day, month and one thing more into the order of the language.
func (l *Language) date(order Text, t time.Time, more string) string {
	args := []any{t.Day(), l.pattern(string(months[t.Month()-1]))}
	if more != "" {
		args = append(args, more)
	}
	return l.format(l.pattern(string(order)), args)
}
