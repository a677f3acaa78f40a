// Package terminal owns the shells that browsers have open in containers. A
// terminal is a command that runs over the API's exec or attach as the user who
// opened it; the browser looks at it over a websocket. When that breaks, or the
// page is loaded again, the command goes on for a while and the browser finds it
// again, without a byte lost: what the browser has not said to have seen is
// kept, and when that is much the command has to wait; what was typed is counted,
// so that the browser sends again what did not arrive. Read terminal.go first,
// then socket.go, table.go, dial.go and inside.go.
package terminal

import (
	"context"
	"encoding/json"
	"net/url"
	"regexp"
	"strconv"
	"sync"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/metrics"
	"pilothouse/backend/request"
)

const (
	// maxHeld is how many bytes wait for a browser; then the command waits.
	maxHeld = 256 << 10
	// maxTail is how much of what a browser has seen is kept for the time after
	// the page was loaded again.
	maxTail = 64 << 10
	// noiseLimit is the longest text that is taken for a complaint about a shell
	// that is not there.
	noiseLimit = 1 << 10
	// keys is how many messages of the browser wait for the command.
	keys = 64
	// signInterval is how often a browser hears of a command that reads nothing.
	signInterval = 2 * time.Second
)

// Channels of the API's protocol.
const (
	channelStdin  = 0
	channelStdout = 1
	channelStderr = 2
	channelError  = 3
	channelResize = 4
)

// Target is what a terminal runs in.
type Target struct {
	Namespace, Pod, Container string
	// Attach means the container's own process instead of a shell.
	Attach bool
	// TTY and Stdin are what the container's process has, for Attach.
	TTY, Stdin bool
	// Await waits for the container to run first.
	Await bool
}

// shells are tried one after the other until one is there. The first finds bash
// without a word where there is a shell at all.
var shells = [][]string{
	{"sh", "-c", `TERM=xterm-256color; export TERM; if command -v bash >/dev/null 2>&1; then exec bash; fi; exec sh`},
	{"bash"},
	{"ash"},
	{"/busybox/sh"},
	{"powershell.exe"},
	{"cmd.exe"},
}

// Terminal is one command.
type Terminal struct {
	ID     string
	owner  Owner // with orphan, guarded by the table
	orphan bool  // its session has expired
	ctx    context.Context
	target Target
	client *client.Client
	end    context.CancelFunc
	done   chan struct{} // closed when run has returned
	input  chan []byte

	entry sync.Mutex // held while something that was typed is handed on and counted

	mu      sync.Mutex // guards the fields below
	room    *sync.Cond
	out     []byte // from offset start on
	start   int64
	acked   int64
	typed   int64  // how many bytes were typed
	page    string // that looked last
	size    []byte
	outcome *Outcome
	viewer  *viewer
	left    time.Time // when the last viewer went
}

// run runs the command until it ends.
func (t *Terminal) run(ctx context.Context) {
	defer close(t.done)
	defer t.end()
	stop := context.AfterFunc(ctx, func() {
		defer metrics.Caught("terminal")
		t.mu.Lock()
		defer t.mu.Unlock()
		t.room.Broadcast()
	})
	defer stop()
	if t.target.Await {
		if o := t.await(ctx); o != nil {
			t.finish(*o)
			return
		}
	}
	if t.target.Attach {
		t.finish(t.command(ctx, nil))
		return
	}
	for i, shell := range shells {
		before := t.offset()
		o := t.command(ctx, shell)
		if ctx.Err() != nil || !t.isMissing(o, before) {
			t.finish(o)
			return
		}
		if i == len(shells)-1 {
			o.NoShell = true
			t.finish(o)
		}
		t.forget(before)
	}
}

func (t *Terminal) offset() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.start + int64(len(t.out))
}

// missing is how runtimes say that a command is not there.
var missing = regexp.MustCompile(`(?i)executable file not found|no such file or directory|: not found|command not found|cannot find the file|exec format error`)

// isMissing tells whether a shell did not begin because it is not there.
func (t *Terminal) isMissing(o Outcome, before int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	said := t.out[max(0, before-t.start):]
	if o.Code == 0 || o.Lost || o.refused || len(said) > noiseLimit {
		return false
	}
	if o.Code < 0 {
		return missing.MatchString(o.Message)
	}
	return t.typed == 0 && (o.Code == 126 || o.Code == 127 || o.Code == 128) && (len(said) == 0 || missing.Match(said))
}

// forget takes back what a shell that is not there has said, as far as no
// browser has it; else it clears the screen.
func (t *Terminal) forget(before int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.start+int64(len(t.out)) == before {
		return
	}
	if v := t.viewer; v == nil || v.sent <= before {
		t.out = t.out[:max(0, before-t.start)]
		return
	}
	t.out = append(t.out, "\x1bc"...)
	t.tell()
}

func (t *Terminal) finish(o Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.outcome = &o
	t.tell()
}

// command runs one command and gives how it ended.
func (t *Terminal) command(ctx context.Context, words []string) Outcome {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := dial(ctx, t.client, t.path(), t.parameters(words))
	if err != nil {
		o := outcomeOfError(err)
		o.refused = true
		return o
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	var typing sync.WaitGroup
	defer typing.Wait()
	defer cancel()
	typing.Go(metrics.Guarded("terminal", func() { t.typeInto(ctx, conn) }))
	var last []byte
	for {
		_, p, err := conn.ReadMessage()
		if err != nil {
			if last != nil {
				return outcomeOf(last)
			}
			return outcomeOfError(err)
		}
		if len(p) < 1 {
			continue
		}
		switch p[0] {
		case channelStdout, channelStderr:
			if !t.take(ctx, p[1:]) {
				return failed("The terminal was closed.")
			}
		case channelError:
			last = append(last, p[1:]...)
		}
	}
}

func (t *Terminal) path() string {
	sub := "exec"
	if t.target.Attach {
		sub = "attach"
	}
	return client.Path(pods, t.target.Namespace, t.target.Pod, sub)
}

func (t *Terminal) parameters(words []string) url.Values {
	q := url.Values{"stdout": {"true"}, "command": words}
	tty, stdin := true, true
	if t.target.Attach {
		tty, stdin = t.target.TTY, t.target.Stdin
		delete(q, "command")
	}
	if t.target.Container != "" {
		q.Set("container", t.target.Container)
	}
	q.Set("tty", strconv.FormatBool(tty))
	q.Set("stdin", strconv.FormatBool(stdin))
	q.Set("stderr", strconv.FormatBool(!tty))
	return q
}

// typeInto hands on what the browser sends.
func (t *Terminal) typeInto(ctx context.Context, conn *inside) {
	t.mu.Lock()
	size := t.size
	t.mu.Unlock()
	if size != nil && conn.WriteMessage(request.BinaryMessage, size) != nil {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-t.input:
			if conn.WriteMessage(request.BinaryMessage, p) != nil {
				return
			}
		}
	}
}

// take keeps what the command says until the browser has seen it. It waits while
// that is much; false means that the terminal has ended.
func (t *Terminal) take(ctx context.Context, p []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.start+int64(len(t.out))-t.acked >= maxHeld && ctx.Err() == nil {
		t.room.Wait()
	}
	if ctx.Err() != nil {
		return false
	}
	t.out = append(t.out, p...)
	t.trim()
	t.tell()
	return true
}

// trim forgets the oldest of what the browser has seen.
func (t *Terminal) trim() {
	if seen := t.acked - t.start; seen > 2*maxTail {
		t.out = append([]byte(nil), t.out[seen-maxTail:]...)
		t.start += seen - maxTail
	}
}

// tell wakes who looks at the terminal. The lock is held.
func (t *Terminal) tell() {
	if t.viewer != nil {
		select {
		case t.viewer.news <- struct{}{}:
		default:
		}
	}
}

// ack notes what the browser has seen.
func (t *Terminal) ack(offset int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if offset > t.acked && offset <= t.start+int64(len(t.out)) {
		t.acked = offset
		t.trim()
		t.room.Broadcast()
		t.tell()
	}
}

// enter hands what was typed to the command and counts it; false when the
// terminal or the look at it has ended, and then nothing was typed.
func (t *Terminal) enter(ctx context.Context, p []byte) bool {
	t.entry.Lock()
	defer t.entry.Unlock()
	if ctx.Err() != nil || !t.send(ctx, channelStdin, p) {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.typed += int64(len(p))
	return true
}

// send hands a message to the command; false when the terminal has ended.
func (t *Terminal) send(ctx context.Context, channel byte, p []byte) bool {
	framed := append([]byte{channel}, p...)
	for {
		select {
		case t.input <- framed:
			return true
		case <-t.done:
			return false
		case <-ctx.Done():
			return false
		case <-time.After(signInterval):
			t.sign() // the command does not read, and is not gone for that
		}
	}
}

// sign gives who looks a sign of life.
func (t *Terminal) sign() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.viewer != nil {
		t.viewer.pong = true
		t.tell()
	}
}

// resize tells the command the size of its screen.
func (t *Terminal) resize(ctx context.Context, columns, rows uint16) bool {
	p, err := json.Marshal(struct{ Width, Height uint16 }{columns, rows})
	if err != nil {
		return false
	}
	t.mu.Lock()
	t.size = append([]byte{channelResize}, p...)
	t.mu.Unlock()
	return t.send(ctx, channelResize, p)
}
