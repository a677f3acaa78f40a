package job

import (
	"testing"
	"time"
)

func TestIndexes(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := parseIndexes(in).String(); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	f("", "")
	f("5", "5")
	f("0,1", "0,1")
	f("0-2,4,6-7", "0-2,4,6,7")
	f("3,1,2", "1-3")
	f("2-1,x,-3,4-", "")
	if n := len(parseIndexes("0-999999999")); n != maxIndexes {
		t.Errorf("%d indexes are read", n)
	}
}

func TestWaits(t *testing.T) {
	now := time.Unix(1000, 0)
	f := func(count int, ago, want time.Duration) {
		t.Helper()
		if got := (failures{count, now.Add(-ago)}).left(now); got != want {
			t.Errorf("%v are left after %d failures, want %v", got, count, want)
		}
	}
	f(0, 0, 0)
	f(1, 0, 10*time.Second)
	f(2, 5*time.Second, 15*time.Second)
	f(7, 0, 10*time.Minute)
	f(1000, 0, 10*time.Minute)
}

func FuzzIndexes(f *testing.F) {
	f.Add("0-3,5")
	f.Fuzz(func(t *testing.T, s string) {
		once := parseIndexes(s).String()
		if twice := parseIndexes(once).String(); once != twice {
			t.Errorf("%q, then %q", once, twice)
		}
	})
}
