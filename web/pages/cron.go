package pages

import (
	"strconv"
	"strings"
	"time"

	"pilothouse/web/view"
)

// cronField is one field of a schedule: which values it takes.
type cronField struct {
	_ view.Incomparable

	bits uint64
	star bool
}

var cronMonths = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
var cronDays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

var cronNames = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

// cronFields are minute, hour, day of the month, month and day of the week.
type cronFields [5]cronField

// parseCron reads the five fields of a schedule, as CronJobs take them.
func parseCron(s string) (fields cronFields, ok bool) {
	if full, named := cronNames[strings.TrimSpace(s)]; named {
		s = full
	}
	words := strings.Fields(s)
	if len(words) != 5 {
		return fields, false
	}
	bounds := [5]struct {
		least, most int
		names       []string
		first       int
	}{{0, 59, nil, 0}, {0, 23, nil, 0}, {1, 31, nil, 0}, {1, 12, cronMonths, 1}, {0, 7, cronDays, 0}}
	for i, w := range words {
		b := bounds[i]
		for part := range strings.SplitSeq(w, ",") {
			if !cronPart(&fields[i], strings.ToLower(part), b.least, b.most, b.names, b.first) {
				return fields, false
			}
		}
	}
	if fields[4].bits&(1<<7) != 0 {
		fields[4].bits |= 1 // 7 is Sunday too
	}
	return fields, true
}

// cronPart adds one part of a field: *, N, N-M, each with /STEP.
func cronPart(f *cronField, part string, least, most int, names []string, first int) bool {
	span, stepText, hasStep := strings.Cut(part, "/")
	step := 1
	if hasStep {
		var err error
		if step, err = strconv.Atoi(stepText); err != nil || step < 1 {
			return false
		}
	}
	number := func(s string) (int, bool) {
		for i, name := range names {
			if s == name {
				return i + first, true
			}
		}
		n, err := strconv.Atoi(s)
		return n, err == nil && n >= least && n <= most
	}
	from, to := least, most
	if span == "*" || span == "?" {
		f.star = f.star || step == 1
	} else {
		low, high, isRange := strings.Cut(span, "-")
		var ok bool
		if from, ok = number(low); !ok {
			return false
		}
		switch {
		case isRange:
			if to, ok = number(high); !ok || to < from {
				return false
			}
		case !hasStep:
			to = from
		}
	}
	for n := from; n <= to; n += step {
		f.bits |= 1 << n
	}
	return true
}

func (f cronField) has(n int) bool { return f.bits&(1<<n) != 0 }

// day tells whether a day is one of the schedule's: where both fields of days
// say something, one of them is enough.
func (f *cronFields) day(t time.Time) bool {
	month, week := f[2].has(t.Day()), f[4].has(int(t.Weekday()))
	if f[2].star || f[4].star {
		return month && week
	}
	return month || week
}

// maxCronSteps bounds the search for the next times: years of days.
const maxCronSteps = 4000

// nextTimes are the next n times of a schedule after a moment; nil for one that
// cannot be read or never comes.
func nextTimes(schedule, zone string, after time.Time, n int) []time.Time {
	place := time.UTC
	if zone != "" {
		var err error
		if place, err = time.LoadLocation(zone); err != nil {
			return nil
		}
	}
	f, ok := parseCron(schedule)
	if !ok {
		return nil
	}
	var list []time.Time
	day := after.In(place)
	for range maxCronSteps {
		if f[3].has(int(day.Month())) && f.day(day) {
			for hour := range 24 {
				for minute := range 60 {
					if !f[1].has(hour) || !f[0].has(minute) {
						continue
					}
					at := time.Date(day.Year(), day.Month(), day.Day(), hour, minute, 0, 0, place)
					if at.After(after) && at.Hour() == hour {
						list = append(list, at)
					}
					if len(list) == n {
						return list
					}
				}
			}
		}
		day = time.Date(day.Year(), day.Month(), day.Day()+1, 12, 0, 0, 0, place)
	}
	return list
}
