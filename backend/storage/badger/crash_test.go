package badger

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backend/storage"
)

// The crash test kills a process that writes, again and again over one folder,
// and looks whether everything that it acknowledged is there. The process is
// this test's own binary, told by crashFolder what it is.
const (
	crashFolder = "PILOTHOUSE_CRASH_FOLDER"
	crashRounds = "PILOTHOUSE_CRASH_ROUNDS"

	crashWriters = 32
	defaultCrash = 5
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashFolder); dir != "" {
		if err := writeUntilKilled(dir, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1) // the parent kills it before
	}
	os.Exit(m.Run())
}

// acknowledgement is one line of the writing process. seq counts the writes of
// a key over all rounds, and is in the value.
type acknowledgement struct {
	key      string
	revision int64
	seq      int
	deleted  bool
}

func (a acknowledgement) String() string {
	return fmt.Sprintf("%s %d %d %t\n", a.key, a.revision, a.seq, a.deleted)
}

// crashWrite is write number seq of a key: every fifth deletes, some values go
// to the value log.
func crashWrite(key string, seq int, expected int64) *storage.Write {
	size := 500 + seq%7*100
	if seq%11 == 3 {
		size = 20 << 10
	}
	head := fmt.Sprintf(`{"seq":%d,"metadata":{"resourceVersion":"`, seq)
	value := head + `"},"pad":"` + strings.Repeat("p", size) + `"}`
	return &storage.Write{
		Key: key, Value: []byte(value), Hole: storage.Hole{Offset: len(head)}, Expected: expected, Delete: seq%5 == 4,
	}
}

func seqOf(value []byte) int {
	digits, _, _ := strings.Cut(strings.TrimPrefix(string(value), `{"seq":`), ",")
	seq, err := strconv.Atoi(digits)
	if err != nil {
		return -1
	}
	return seq
}

// writeUntilKilled opens the folder and lets each writer write its own key,
// telling out after each acknowledgement.
func writeUntilKilled(dir string, out io.Writer) error {
	e, err := Open(Options{Dir: dir, sizes: small})
	if err != nil {
		return err
	}
	current := map[string]storage.Record{}
	if _, err := e.Load(context.Background(), func(r storage.Record) error {
		current[r.Key] = r
		return nil
	}); err != nil {
		return err
	}
	if err := e.Start(func([]storage.Event) {}); err != nil {
		return err
	}
	var writers sync.WaitGroup
	for i := range crashWriters {
		writers.Go(func() {
			r, live := current[fmt.Sprintf("k%02d", i)]
			seq := 0
			if live {
				seq = seqOf(r.Value) + 1
			}
			writeKey(e, out, fmt.Sprintf("k%02d", i), seq, r.Revision)
		})
	}
	writers.Wait()
	return nil
}

func writeKey(e *Engine, out io.Writer, key string, seq int, last int64) {
	for {
		w := crashWrite(key, seq, last)
		revision, err := e.Commit(context.Background(), w)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
		if _, err := io.WriteString(out, acknowledgement{key, revision, seq, w.Delete}.String()); err != nil {
			return
		}
		if last = revision; w.Delete {
			last = 0
		}
		if revision%1000 == 0 {
			if err := e.Compact(context.Background(), revision-500); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
		seq++
	}
}

func TestCrash(t *testing.T) {
	rounds := crashRoundsWanted(t)
	dir := t.TempDir()
	total := 0
	for round := range rounds {
		acknowledged := crashOnce(t, dir, round%4 == 3)
		total += len(acknowledged)
		checkCrashed(t, round, dir, acknowledged)
	}
	if total < rounds*crashWriters {
		t.Errorf("only %d acknowledgements in %d rounds: the test does not reach what it is for", total, rounds)
	}
	t.Logf("%d acknowledged writes survived %d kills", total, rounds)
}

// TestCrashAtFirst kills the process while it makes the folder.
func TestCrashAtFirst(t *testing.T) {
	for round := range crashRoundsWanted(t) {
		dir := t.TempDir()
		checkCrashed(t, round, dir, crashOnce(t, dir, true))
	}
}

func crashRoundsWanted(t *testing.T) int {
	text := os.Getenv(crashRounds)
	if text == "" {
		return defaultCrash
	}
	rounds, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return rounds
}

// crashOnce runs the writing process, kills it some time after its first
// acknowledgement, or early: while it opens the folder, and gives all of them.
func crashOnce(t *testing.T, dir string, early bool) []acknowledgement {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), self)
	child.Env = append(os.Environ(), crashFolder+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() { _ = child.Process.Kill() }
	if early {
		time.AfterFunc(rand.N(50*time.Millisecond), kill)
	}
	var all []acknowledgement
	lines := bufio.NewReader(out)
	for {
		text, err := lines.ReadString('\n')
		if err != nil {
			break // a line that was cut is no acknowledgement
		}
		var a acknowledgement
		if _, err := fmt.Sscan(text, &a.key, &a.revision, &a.seq, &a.deleted); err != nil {
			t.Errorf("line %q: %v", text, err)
		}
		if all = append(all, a); len(all) == 1 {
			time.AfterFunc(rand.N(150*time.Millisecond), kill)
		}
	}
	_ = child.Wait() // it was killed
	return all
}

// checkCrashed opens the folder and looks for every acknowledgement: in the
// history as long as it reaches, else in the state. A key may be one write
// further than was acknowledged.
func checkCrashed(t *testing.T, round int, dir string, acknowledged []acknowledgement) {
	t.Helper()
	e, err := Open(Options{Dir: dir, sizes: small})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	state := map[string]storage.Record{}
	position, err := e.Load(t.Context(), func(r storage.Record) error {
		if want := crashWrite(r.Key, seqOf(r.Value), 0).Commit(r.Revision); string(want.Value) != string(r.Value) {
			t.Errorf("round %d: %s at %d has a wrong value", round, r.Key, r.Revision)
		}
		state[r.Key] = r
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	history := map[int64]storage.Event{}
	since := max(position.Compacted, storage.FirstRevision)
	if err := e.History(t.Context(), since, func(ev storage.Event) error {
		history[ev.Revision] = ev
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	newest := map[string]acknowledgement{}
	for _, a := range acknowledged {
		if a.revision > newest[a.key].revision {
			newest[a.key] = a
		}
		if a.revision <= since {
			continue
		}
		if ev, ok := history[a.revision]; !ok || ev.Key != a.key || ev.Delete != a.deleted || !a.deleted && seqOf(ev.Value) != a.seq {
			t.Errorf("round %d: acknowledged %v, the history has %t %s delete %t", round, a, ok, ev.Key, ev.Delete)
		}
	}
	for key, a := range newest {
		r, live := state[key]
		same := live == !a.deleted && (!live || r.Revision == a.revision && seqOf(r.Value) == a.seq)
		next := crashWrite(key, a.seq+1, a.revision)
		further := live == !next.Delete && (!live || r.Revision > a.revision && seqOf(r.Value) == a.seq+1)
		if !same && !further {
			t.Errorf("round %d: acknowledged %v, the store has %t at %d, number %d", round, a, live, r.Revision, seqOf(r.Value))
		}
		if a.revision > position.Revision {
			t.Errorf("round %d: acknowledged %v, the store is at %d", round, a, position.Revision)
		}
	}
}
