package cronjob

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// schedule is the times of a CronJob. bits of a field are its values; every is for
// schedules that are a span of time.
type schedule struct {
	minute, hour, dom, month, dow uint64
	anyDay                        [2]bool // whether dom and dow are stars
	every                         time.Duration
	zone                          *time.Location // of a TZ= in front, nil for none
}

type bounds struct {
	min, max int
	names    []string // of the values from min on
}

var (
	minutes  = bounds{0, 59, nil}
	hours    = bounds{0, 23, nil}
	days     = bounds{1, 31, nil}
	months   = bounds{1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}}
	weekdays = bounds{0, 6, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}}
)

var descriptors = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

// parse reads a schedule in the form that Kubernetes takes.
func parse(s string) (*schedule, error) {
	out := &schedule{}
	for _, prefix := range []string{"TZ=", "CRON_TZ="} {
		if rest, ok := strings.CutPrefix(s, prefix); ok {
			name, after, _ := strings.Cut(rest, " ")
			zone, err := time.LoadLocation(name)
			if err != nil {
				return nil, fmt.Errorf("schedule %q: %w", s, err)
			}
			out.zone, s = zone, strings.TrimSpace(after)
			break
		}
	}
	if span, ok := strings.CutPrefix(s, "@every "); ok {
		d, err := time.ParseDuration(span)
		if err != nil {
			return nil, fmt.Errorf("schedule %q: %w", s, err)
		}
		out.every = max(d.Truncate(time.Second), time.Second)
		return out, nil
	}
	if full, ok := descriptors[s]; ok {
		s = full
	}
	fields := strings.Fields(s)
	if len(fields) != 5 {
		return nil, fmt.Errorf("schedule %q has %d fields", s, len(fields))
	}
	for i, f := range []struct {
		into *uint64
		b    bounds
	}{{&out.minute, minutes}, {&out.hour, hours}, {&out.dom, days}, {&out.month, months}, {&out.dow, weekdays}} {
		star, err := parseField(fields[i], f.b, f.into)
		if err != nil {
			return nil, fmt.Errorf("schedule %q: %w", s, err)
		}
		if i == 2 {
			out.anyDay[0] = star
		} else if i == 4 {
			out.anyDay[1] = star
		}
	}
	return out, nil
}

// parseField reads a list of ranges; star tells whether one of them is all values.
func parseField(s string, b bounds, into *uint64) (star bool, err error) {
	for part := range strings.SplitSeq(s, ",") {
		span, step, stepped := strings.Cut(part, "/")
		low, high, isRange := strings.Cut(span, "-")
		from, to := b.min, b.max
		all := low == "*" || low == "?"
		if !all {
			if from, err = b.value(low); err != nil {
				return false, err
			}
			switch {
			case isRange:
				if to, err = b.value(high); err != nil {
					return false, err
				}
			case !stepped:
				to = from
			}
		}
		by := 1
		if stepped {
			if by, err = strconv.Atoi(step); err != nil || by < 1 {
				return false, fmt.Errorf("%q is no step", step)
			}
		}
		star = star || all && by == 1
		if from < b.min || to > b.max || from > to {
			return false, fmt.Errorf("%q is out of its bounds", part)
		}
		for v := from; v <= to; v += by {
			*into |= 1 << v
		}
	}
	return star, nil
}

func (b bounds) value(s string) (int, error) {
	for i, name := range b.names {
		if strings.EqualFold(s, name) {
			return b.min + i, nil
		}
	}
	return strconv.Atoi(s)
}

// horizon bounds the search for the next time: a schedule may have none, such as
// on 30 February.
const horizon = 5 * 366

// next gives the first time after t; false when there is none for years. The zone
// is t's, or the schedule's own.
func (s *schedule) next(t time.Time) (time.Time, bool) {
	if s.every > 0 {
		return t.Truncate(time.Second).Add(s.every), true
	}
	asked := t.Location()
	if s.zone != nil {
		t = t.In(s.zone)
	}
	t = t.Truncate(time.Minute).Add(time.Minute)
	y, m, d := t.Date()
	for i := range horizon {
		noon := time.Date(y, m, d+i, 12, 0, 0, 0, t.Location())
		if !s.onDay(noon) {
			continue
		}
		day := time.Date(y, m, d+i, 0, 0, 0, 0, t.Location())
		if day.Day() != noon.Day() { // midnight is in the hour that is skipped
			day = day.Add(time.Hour)
		}
		// Minutes are walked by the clock on the wall, so that an hour that is
		// skipped is skipped.
		for at := day; at.Day() == day.Day(); at = at.Add(time.Minute) {
			if !at.Before(t) && s.hour&(1<<at.Hour()) != 0 && s.minute&(1<<at.Minute()) != 0 {
				return at.In(asked), true
			}
		}
	}
	return time.Time{}, false
}

// onDay tells whether a day is one of the schedule: when both days of the month
// and of the week are given, either will do.
func (s *schedule) onDay(t time.Time) bool {
	if s.month&(1<<t.Month()) == 0 {
		return false
	}
	dom, dow := s.dom&(1<<t.Day()) != 0, s.dow&(1<<t.Weekday()) != 0
	if s.anyDay[0] || s.anyDay[1] {
		return dom && dow
	}
	return dom || dow
}
