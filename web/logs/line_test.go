package logs

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

func linesOf(t *testing.T, pieces ...string) []string {
	t.Helper()
	var out []string
	s := &splitter{line: func(p []byte) error { out = append(out, string(p)); return nil }}
	for _, p := range pieces {
		if n, err := s.Write([]byte(p)); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLinesComeInPieces(t *testing.T) {
	f := func(want []string, pieces ...string) {
		t.Helper()
		if got := linesOf(t, pieces...); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f([]string{"a", "b"}, "a\nb\n")
	f([]string{"abc", "d"}, "a", "b", "c\nd")
	f([]string{"", ""}, "\n", "\n")
	f(nil, "")
	long := strings.Repeat("x", maxLine+1)
	cut := long[:maxLine] + string(cutMark)
	f([]string{cut, "next"}, long+"\nnext")
	f([]string{cut, "next"}, long[:10], long[10:], "more", " of it\nnext")
	f([]string{cut, "", "next"}, long, "\n", "\nnext\n")
	f([]string{strings.Repeat("y", maxLine)}, strings.Repeat("y", 10), strings.Repeat("y", maxLine-10), "\n")
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("2026-01-02T03:04:05.6Z a\nb"), 3)
	f.Fuzz(func(t *testing.T, p []byte, at int) {
		at = min(max(at, 0), len(p))
		whole, parts := linesOf(t, string(p)), linesOf(t, string(p[:at]), string(p[at:]))
		if len(p) < maxLine && !slices.Equal(whole, parts) {
			t.Errorf("%q in pieces is %q, whole %q", p, parts, whole)
		}
		for _, l := range whole {
			parseLine(0, []byte(l))
		}
	})
}

func TestALineHasItsTime(t *testing.T) {
	f := func(line, stamp, text string) {
		t.Helper()
		l := parseLine(3, []byte(line))
		if l.stamp() != stamp || l.text != text || l.source != 3 {
			t.Errorf("%q: %q %q", line, l.stamp(), l.text)
		}
	}
	f("2026-01-02T03:04:05.6Z hello  there", "2026-01-02T03:04:05.600000000Z", "hello  there")
	f("2026-01-02T03:04:05.123456789+02:00 x\r", "2026-01-02T01:04:05.123456789Z", "x")
	f("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000000Z", "")
	f("no time here", "", "no time here")
	f("", "", "")
	f("a\xffb", "", "a\uFFFDb")
}

func TestLinesThatWereSeenArePassedOver(t *testing.T) {
	r := resume{seen: position{10, 2}}
	got := []bool{r.isNew(9), r.isNew(10), r.isNew(10), r.isNew(10), r.isNew(9), r.isNew(11)}
	if !slices.Equal(got, []bool{false, false, false, true, true, true}) {
		t.Error(got)
	}
	fresh := resume{}
	if !fresh.isNew(1) || !fresh.isNew(0) {
		t.Error("a new log has nothing that was seen")
	}
}

func TestWhatABrowserHasIsRead(t *testing.T) {
	key, p, ok := parsePosition("u-1/main 2026-01-02T03:04:05.000000006Z 3")
	if !ok || key != "u-1/main" || p != (position{time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC).UnixNano(), 3}) {
		t.Error(key, p, ok)
	}
	for _, bad := range []string{"", "a b", "a now 1", "a 2026-01-02T03:04:05Z 0", "a 2026-01-02T03:04:05Z x"} {
		if _, _, ok := parsePosition(bad); ok {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestAnAddressSaysHowMuchIsWanted(t *testing.T) {
	f := func(query, want string) {
		t.Helper()
		v, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		q := ParseQuery(v)
		if got := q.Parameters("c", true); got.Encode() != "container=c&follow=true&"+want {
			t.Errorf("%q: %s", query, got.Encode())
		}
	}
	f("", "tailLines=1000&timestamps=true")
	f("since=tail5", "tailLines=5&timestamps=true")
	f("since=tail-5", "tailLines=1000&timestamps=true")
	f("since=5m", "sinceSeconds=300&timestamps=true")
	f("since=1ms", "tailLines=1000&timestamps=true")
	f("since=all&previous=1", "previous=true&timestamps=true")
	f("from=2026-01-02T03:04:05Z&since=5m", "sinceTime=2026-01-02T03%3A04%3A05Z&timestamps=true")
}

func TestLongLinesDoNotGather(t *testing.T) {
	s := &splitter{line: func([]byte) error { return nil }}
	piece := bytes.Repeat([]byte("x"), 32<<10)
	for range 100 {
		if _, err := s.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if cap(s.pending) > 4*maxLine {
		t.Errorf("%d bytes are kept of a line without an end", cap(s.pending))
	}
}
