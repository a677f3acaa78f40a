package cronjob

import (
	"testing"
	"time"
	_ "time/tzdata" // zones on a machine that has none
)

func TestNextTimes(t *testing.T) {
	f := func(text, zone, from string, want ...string) {
		t.Helper()
		s, err := parse(text)
		if err != nil {
			t.Error(err)
			return
		}
		location, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.ParseInLocation("2006-01-02 15:04:05", from, location)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			next, ok := s.next(at)
			got := "never"
			if ok {
				got = next.Format("2006-01-02 15:04:05")
			}
			if got != w {
				t.Errorf("%q after %s is %s, want %s", text, at, got, w)
				return
			}
			at = next
		}
	}
	f("* * * * *", "UTC", "2024-01-01 00:00:30", "2024-01-01 00:01:00", "2024-01-01 00:02:00")
	f("*/20 3 * * *", "UTC", "2024-01-01 03:30:00", "2024-01-01 03:40:00", "2024-01-02 03:00:00")
	f("5/25 0 * * *", "UTC", "2024-01-01 00:00:00", "2024-01-01 00:05:00", "2024-01-01 00:30:00", "2024-01-01 00:55:00", "2024-01-02 00:05:00")
	f("0 9-11/2,15 * * mon-fri", "UTC", "2024-01-05 12:00:00", "2024-01-05 15:00:00", "2024-01-08 09:00:00")
	f("0 0 13 * fri", "UTC", "2024-01-09 00:00:00", "2024-01-12 00:00:00", "2024-01-13 00:00:00")
	f("0 0 29 feb ?", "UTC", "2024-03-01 00:00:00", "2028-02-29 00:00:00")
	f("0 0 30 2 *", "UTC", "2024-01-01 00:00:00", "never")
	f("@hourly", "UTC", "2024-01-01 00:00:00", "2024-01-01 01:00:00")
	f("@every 90s", "UTC", "2024-01-01 00:00:00", "2024-01-01 00:01:30")
	f("TZ=America/New_York 0 12 * * *", "UTC", "2024-01-01 00:00:00", "2024-01-01 17:00:00")
	// The hour from 2 to 3 is not there on that day, and there twice on the other.
	f("30 2 * * *", "Europe/Berlin", "2024-03-30 12:00:00", "2024-04-01 02:30:00")
	f("30 3 * * *", "Europe/Berlin", "2024-10-26 12:00:00", "2024-10-27 03:30:00")
}

func TestMissedTimes(t *testing.T) {
	f := func(text string, ago time.Duration, wantAgo time.Duration, most int) {
		t.Helper()
		s, err := parse(text)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Date(2024, 1, 31, 12, 0, 30, 0, time.UTC)
		due, n := s.last(now.Add(-ago), now)
		if got := now.Sub(due); got != wantAgo || n > most || n == 0 {
			t.Errorf("%q: %v ago, %d times", text, got, n)
		}
	}
	f("* * * * *", 90*time.Second, 30*time.Second, 1)
	f("* * * * *", 20*24*time.Hour, 30*time.Second, maxCounted)
	f("0 12 * * *", 10*24*time.Hour, 30*time.Second, 10)
}

func FuzzSchedule(f *testing.F) {
	for _, s := range []string{"* * * * *", "*/5 1-3,7 1 jan sun", "@daily", "@every 1h", "TZ=UTC 0 0 * * *", "60 * * * *"} {
		f.Add(s)
	}
	from := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parse(text)
		if err != nil {
			return
		}
		if next, ok := s.next(from); ok && !next.After(from) {
			t.Errorf("%q: %v is not after %v", text, next, from)
		}
	})
}
