package batch

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones that the machine may not have
)

// bounds are the values of one field of a schedule.
type bounds struct {
	min, max int
	names    map[string]int
}

var (
	minutes = bounds{0, 59, nil}
	hours   = bounds{0, 23, nil}
	days    = bounds{1, 31, nil}
	months  = bounds{1, 12, map[string]int{
		"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6,
		"jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
	}}
	weekdays = bounds{0, 6, map[string]int{"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}}

	scheduleFields = []bounds{minutes, hours, days, months, weekdays}
)

// checkSchedule tells what is wrong with the schedule of a cron job: five
// fields, or a word like @hourly or "@every 5m", with a time zone in front in
// those of old. The errors have the words of the parser that Kubernetes uses.
func checkSchedule(s string) error {
	if s == "" {
		return fmt.Errorf("empty spec string")
	}
	if zone, rest, ok := cutZone(s); ok {
		if _, err := time.LoadLocation(zone); err != nil {
			return fmt.Errorf("provided bad location %s: %v", zone, err)
		}
		s = strings.TrimSpace(rest)
	}
	if strings.HasPrefix(s, "@") {
		return checkDescriptor(s)
	}
	fields := strings.Fields(s)
	if n := len(scheduleFields); len(fields) != n {
		return fmt.Errorf("expected exactly %d fields, found %d: %s", n, len(fields), fields)
	}
	for i, f := range fields {
		for expr := range strings.FieldsFuncSeq(f, func(r rune) bool { return r == ',' }) {
			if err := checkRange(expr, scheduleFields[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// cutZone splits TZ=ZONE or CRON_TZ=ZONE from the front of a schedule.
func cutZone(s string) (zone, rest string, ok bool) {
	for _, prefix := range []string{"TZ=", "CRON_TZ="} {
		if after, found := strings.CutPrefix(s, prefix); found {
			zone, rest, _ = strings.Cut(after, " ")
			return zone, rest, true
		}
	}
	return "", "", false
}

func checkDescriptor(s string) error {
	switch s {
	case "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly":
		return nil
	}
	if every, ok := strings.CutPrefix(s, "@every "); ok {
		if _, err := time.ParseDuration(every); err != nil {
			return fmt.Errorf("failed to parse duration %s: %s", s, err)
		}
		return nil
	}
	return fmt.Errorf("unrecognized descriptor: %s", s)
}

// checkRange looks at one of the ranges of a field: N, N-M, *, each with /STEP.
func checkRange(expr string, b bounds) error {
	rangeAndStep := strings.Split(expr, "/")
	lowAndHigh := strings.Split(rangeAndStep[0], "-")
	start, end, step := b.min, b.max, 1
	if lowAndHigh[0] != "*" && lowAndHigh[0] != "?" {
		var err error
		if start, err = parseValue(lowAndHigh[0], b.names); err != nil {
			return err
		}
		end = start
		switch len(lowAndHigh) {
		case 1:
		case 2:
			if end, err = parseValue(lowAndHigh[1], b.names); err != nil {
				return err
			}
		default:
			return fmt.Errorf("too many hyphens: %s", expr)
		}
	}
	switch len(rangeAndStep) {
	case 1:
	case 2:
		var err error
		if step, err = parseNumber(rangeAndStep[1]); err != nil {
			return err
		}
		if len(lowAndHigh) == 1 {
			// N/STEP means N-MAX/STEP.
			end = b.max
		}
	default:
		return fmt.Errorf("too many slashes: %s", expr)
	}
	switch {
	case start < b.min:
		return fmt.Errorf("beginning of range (%d) below minimum (%d): %s", start, b.min, expr)
	case end > b.max:
		return fmt.Errorf("end of range (%d) above maximum (%d): %s", end, b.max, expr)
	case start > end:
		return fmt.Errorf("beginning of range (%d) beyond end of range (%d): %s", start, end, expr)
	case step == 0:
		return fmt.Errorf("step of range should be a positive number: %s", expr)
	}
	return nil
}

func parseValue(s string, names map[string]int) (int, error) {
	if n, ok := names[strings.ToLower(s)]; ok {
		return n, nil
	}
	return parseNumber(s)
}

func parseNumber(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("failed to parse int from %s: %s", s, err)
	}
	if n < 0 {
		return 0, fmt.Errorf("negative number (%d) not allowed: %s", n, s)
	}
	return n, nil
}
