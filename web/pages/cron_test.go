package pages

import (
	"testing"
	"time"
)

func TestNextTimes(t *testing.T) {
	f := func(schedule, zone, after string, want ...string) {
		t.Helper()
		at, err := time.Parse(time.RFC3339, after)
		if err != nil {
			t.Fatal(err)
		}
		got := nextTimes(schedule, zone, at, len(want))
		for i, w := range want {
			if i >= len(got) || got[i].UTC().Format(time.RFC3339) != w {
				t.Errorf("%s in %s after %s: got %v, want %v", schedule, zone, after, got, want)
				return
			}
		}
	}
	f("*/15 * * * *", "", "2026-01-01T00:14:59Z", "2026-01-01T00:15:00Z", "2026-01-01T00:30:00Z", "2026-01-01T00:45:00Z")
	f("0 3 * * *", "Europe/Berlin", "2026-07-01T00:00:00Z", "2026-07-01T01:00:00Z")
	f("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z") // there is no 2:30 on the 29th
	f("0 0 29 feb *", "", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z")
	f("0 0 13 * fri", "", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z") // either day
	f("0 0 * * 7", "", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z")
	f("@hourly", "", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z")
	f("5-10/5,50 1 1 1 *", "", "2026-01-01T00:00:00Z", "2026-01-01T01:05:00Z", "2026-01-01T01:10:00Z", "2026-01-01T01:50:00Z")
	for _, bad := range []string{"", "* * * *", "60 * * * *", "5-1 * * * *", "*/0 * * * *", "x * * * *", "0 0 31 2 *"} {
		if got := nextTimes(bad, "", time.Unix(0, 0), 1); got != nil {
			t.Errorf("%q gave %v", bad, got)
		}
	}
	if got := nextTimes("* * * * *", "No/Where", time.Unix(0, 0), 1); got != nil {
		t.Errorf("a zone that does not exist gave %v", got)
	}
}
