package node

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const stamp = "2026-11-25T12:00:0%d.000000001Z"

func logLines(lines ...string) string {
	var b strings.Builder
	for i, l := range lines {
		fmt.Fprintf(&b, stamp+" %s\n", i, l)
	}
	return b.String()
}

func TestLogOfAContainer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "0.log")
	content := logLines("stdout F one", "stderr F two", "stdout P thr", "stdout F ee", "stdout F ", "stdout F last")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(query, want string) {
		t.Helper()
		q := map[string]string{}
		for pair := range strings.SplitSeq(query, "&") {
			k, v, _ := strings.Cut(pair, "=")
			q[k] = v
		}
		o, err := parseLogOptions(func(k string) string { return q[k] }, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := readLog(t.Context(), file, o, &b, func() {}, func() bool { return false }); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Errorf("%s: %q, want %q", query, b.String(), want)
		}
	}
	f("", "one\ntwo\nthree\n\nlast\n")
	f("stream=Stderr", "two\n")
	f("stream=Stdout&tailLines=2", "\nlast\n")
	f("tailLines=0", "")
	f("tailLines=3", "three\n\nlast\n")
	f("tailLines=100", "one\ntwo\nthree\n\nlast\n")
	f("limitBytes=5", "one\nt")
	f("timestamps=true&tailLines=1", "2026-11-25T12:00:05.000000001Z last\n")
	f("sinceTime=2026-11-25T12:00:03Z&follow=true", "ee\n\nlast\n")
}

func TestLogOptionsThatAreNone(t *testing.T) {
	for _, q := range []string{"tailLines=-1", "limitBytes=0", "sinceSeconds=x", "sinceTime=now", "stream=Both"} {
		k, v, _ := strings.Cut(q, "=")
		if _, err := parseLogOptions(func(name string) string {
			if name == k {
				return v
			}
			return ""
		}, time.Now()); err == nil {
			t.Errorf("%s is taken", q)
		}
	}
}

func TestTailOverManyPieces(t *testing.T) {
	file := filepath.Join(t.TempDir(), "0.log")
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, stamp+" stdout F line %d %s\n", i%10, i, strings.Repeat("x", i%300))
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int64{1, 7, 999, 4999, 5000, 9999} {
		got, err := tailOf(file, n, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		want := min(n, 5000)
		if lines := strings.Count(got, "\n"); int64(lines) != want || !strings.HasPrefix(got, fmt.Sprintf("line %d ", 5000-want)) {
			t.Errorf("tail %d: %d lines from %.20q", n, lines, got)
		}
	}
}

// locked is a buffer for one writer and one reader.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

func TestAFollowedLogGoesOnAfterItWasPutAside(t *testing.T) {
	file := filepath.Join(t.TempDir(), "0.log")
	write := func(name, content string) {
		f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(content); err != nil {
			t.Fatal(err)
		}
	}
	write(file, logLines("stdout F one"))
	var out locked
	var mu sync.Mutex
	runs := true
	ended := make(chan error)
	go func() {
		ended <- readLog(context.Background(), file, logOptions{follow: true, tail: -1, limit: -1}, &out, func() {}, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return runs
		})
	}()
	eventually(t, "the first line", func() bool { return out.String() == "one\n" })
	write(file, logLines("stdout F two"))
	if err := os.Rename(file, file+".old"); err != nil {
		t.Fatal(err)
	}
	write(file+".old", logLines("stdout F three"))
	write(file, logLines("stdout F four"))
	eventually(t, "all lines", func() bool { return out.String() == "one\ntwo\nthree\nfour\n" })
	write(file, logLines("stdout F end"))
	mu.Lock()
	runs = false
	mu.Unlock()
	if err := <-ended; err != nil || out.String() != "one\ntwo\nthree\nfour\nend\n" {
		t.Errorf("%v, %q", err, out.String())
	}
}

func FuzzLogLine(f *testing.F) {
	f.Add([]byte("2026-11-25T12:00:00.1Z stdout F text"), int64(3), true)
	f.Add([]byte("x stderr P"), int64(-1), false)
	f.Fuzz(func(t *testing.T, line []byte, limit int64, stamps bool) {
		if limit < 1 {
			limit = -1
		}
		var b bytes.Buffer
		w := newLogWriter(logOptions{limit: limit, timestamps: stamps, since: time.Unix(0, 0)}, &b)
		for range 3 {
			if w.line(line) != nil {
				break
			}
		}
		if limit > 0 && int64(b.Len()) > limit {
			t.Errorf("%d bytes, the limit is %d", b.Len(), limit)
		}
	})
}
