// Package metricstest is for tests of what is counted. Metrics are the process's,
// so they have what other tests, and earlier runs of the same one, have counted:
// tests look at how much series have grown since they began.
package metricstest

import (
	"strconv"
	"strings"
	"testing"

	"pilothouse/backend/metrics"
)

// Series are values by name and labels, as /metrics writes them.
type Series map[string]float64

// Read gives all series as they are now.
func Read(t testing.TB) Series {
	t.Helper()
	text, _, err := metrics.Text()
	if err != nil {
		t.Fatal(err)
	}
	all := Series{}
	for line := range strings.Lines(string(text)) {
		if at := strings.LastIndexByte(line, ' '); at > 0 && line[0] != '#' {
			if n, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64); err == nil {
				all[line[:at]] = n
			}
		}
	}
	return all
}

// Grown checks by how much series have grown since s was read; a line is a series
// and, after a blank, the number.
func (s Series) Grown(t testing.TB, lines ...string) {
	t.Helper()
	now := Read(t)
	for _, line := range lines {
		at := strings.LastIndexByte(line, ' ')
		name := line[:at]
		want, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			t.Fatalf("BUG: %s: %v", line, err)
		}
		if got := now[name] - s[name]; got != want {
			family, _, _ := strings.Cut(name, "{")
			t.Errorf("%s has grown by %v, not by %v; there are %v", name, got, want, now.like(family))
		}
	}
}

// like gives the series of a family.
func (s Series) like(family string) Series {
	out := Series{}
	for name, value := range s {
		if strings.HasPrefix(name, family) {
			out[name] = value
		}
	}
	return out
}
