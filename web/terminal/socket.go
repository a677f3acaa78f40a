package terminal

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/request"
	"pilothouse/web/messages"
)

// Bounds of a browser's socket.
const (
	maxMessage   = 1 << 20
	writeTimeout = 15 * time.Second
	// readTimeout is how long a browser may be silent: it asks for a sign of life
	// every 15 seconds.
	readTimeout = 60 * time.Second
	// window is how many bytes are on their way to a browser at most.
	window = maxHeld
	// piece is the most bytes of one message.
	piece = 64 << 10
	// closeWait is how long a browser has to answer a goodbye.
	closeWait = 2 * time.Second
	// aliveInterval is how often the session is asked about.
	aliveInterval = 20 * time.Second
)

// Codes that a socket closes with; those from 4000 on are an application's own.
const (
	closeSession = 4401 // the session has ended
	closeTaken   = 4409 // another window looks at this terminal now
)

// viewer is a browser that looks at a terminal.
type viewer struct {
	sent int64
	pong bool // the browser asked for a sign of life
	news chan struct{}
	gone context.CancelFunc
	why  int // the code to close with

	language *messages.Language
}

// hello is the first message to a browser.
type hello struct {
	ID string `json:"id"`
	// Offset is that of the next byte. It is more than the browser asked for when
	// what it has missed is not kept any more, and less when it is a new page.
	Offset int64 `json:"offset"`
	// Typed is how many bytes were typed so far. Those that the page had sent
	// beyond them have not arrived, when it is the Same that looked last.
	Typed int64 `json:"typed"`
	Same  bool  `json:"same,omitempty"`
	// Container is where the command runs.
	Container string `json:"container,omitempty"`
}

// words is what a browser says besides what is typed.
type words struct {
	Ack  int64      `json:"ack"`
	Size *[2]uint16 `json:"size"`
	Ping bool       `json:"ping"`
	// Close ends the command.
	Close bool `json:"close"`
}

// Look is how a browser comes to a terminal.
type Look struct {
	// Offset is that of the first byte it wants; a negative one means the first
	// that is kept.
	Offset int64
	// Page names the page to itself, so that it is known again.
	Page string
}

// Serve has a browser look at a terminal. alive tells whether the session goes
// on. The browser is told in the language of ctx.
func (t *Table) Serve(ctx context.Context, k *Terminal, conn request.Socket, look Look, alive func() bool) {
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v := &viewer{news: make(chan struct{}, 1), gone: cancel, language: messages.From(ctx)}
	first := k.look(v, look)
	defer k.leave(v)
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer cancel()
		defer metrics.Caught("terminal")
		t.listen(ctx, k, v, conn)
	}()
	if writeJSON(conn, first) == nil {
		k.show(ctx, v, conn, alive)
	}
	k.mu.Lock()
	code := v.why
	k.mu.Unlock()
	if code == 0 {
		code = request.CloseNormal
	}
	_ = conn.WriteControl(request.CloseMessage, request.ClosingWith(code, ""), time.Now().Add(time.Second))
	cancel()
	// Closing a connection on which something was not read takes back what is
	// still on its way to the browser, so its goodbye is waited for.
	late := time.AfterFunc(closeWait, func() { conn.Close() })
	<-read
	late.Stop()
}

// look makes v the only one who looks.
func (k *Terminal) look(v *viewer, look Look) hello {
	k.mu.Lock()
	k.takeOver()
	k.mu.Unlock()
	// What the other is just handing on is counted first.
	k.entry.Lock()
	defer k.entry.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.takeOver() // from one that came meanwhile
	same := k.page == look.Page && look.Page != ""
	k.viewer, k.page = v, look.Page
	offset, end := look.Offset, k.start+int64(len(k.out))
	if offset < k.start || offset > end {
		offset = k.start
	}
	v.sent = offset
	k.acked = max(k.start, min(k.acked, offset))
	v.news <- struct{}{}
	return hello{ID: k.ID, Offset: offset, Typed: k.typed, Same: same, Container: k.target.Container}
}

// takeOver takes the terminal from who looks at it. The lock is held.
func (k *Terminal) takeOver() {
	if old := k.viewer; old != nil {
		old.why = closeTaken
		old.gone()
	}
}

func (k *Terminal) leave(v *viewer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.viewer == v {
		k.viewer, k.left = nil, time.Now()
	}
}

// show sends what the command says, and at the end how it ended.
func (k *Terminal) show(ctx context.Context, v *viewer, conn request.Socket, alive func() bool) {
	ask := time.NewTicker(aliveInterval)
	defer ask.Stop()
	for {
		select {
		case <-ctx.Done():
			if !alive() {
				k.because(v, closeSession)
			}
			return
		case <-ask.C:
			if !alive() {
				k.because(v, closeSession)
				return
			}
		case <-v.news:
			if k.hasEnded() && !alive() { // it was ended with the session
				k.because(v, closeSession)
				return
			}
			if more := k.pass(v, conn); !more {
				return
			}
		}
	}
}

func (k *Terminal) because(v *viewer, code int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if v.why == 0 {
		v.why = code
	}
}

// pass sends what there is, as far as the browser has room for it.
func (k *Terminal) pass(v *viewer, conn request.Socket) (more bool) {
	for {
		k.mu.Lock()
		from := v.sent - k.start
		n := min(int64(len(k.out))-from, piece, k.acked+window-v.sent)
		var p []byte
		if n > 0 {
			p = append(p, k.out[from:from+n]...)
			v.sent += n
		}
		outcome, pong, typed := k.outcome, v.pong, k.typed
		v.pong = false
		all := v.sent == k.start+int64(len(k.out))
		k.mu.Unlock()
		if pong && writeJSON(conn, map[string]any{"pong": true, "typed": typed}) != nil {
			return false
		}
		if len(p) > 0 {
			_ = conn.SetWriteDeadline(time.Now().Add(writeTimeout))
			if conn.WriteMessage(request.BinaryMessage, p) != nil {
				return false
			}
			continue
		}
		if outcome != nil && all {
			_ = writeJSON(conn, map[string]any{"ended": outcome.in(v.language)})
			return false
		}
		return true
	}
}

// Refuse tells a browser that there is no terminal to look at, and why.
func Refuse(ctx context.Context, conn request.Socket, why *Outcome) error {
	return writeJSON(conn, map[string]any{"ended": why.in(messages.From(ctx))})
}

func writeJSON(conn request.Socket, v any) error {
	_ = conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	p, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return conn.WriteMessage(request.TextMessage, p)
}

var errNonsense = errors.New("not a message of a terminal")

// listen takes what the browser sends until it is gone.
func (t *Table) listen(ctx context.Context, k *Terminal, v *viewer, conn request.Socket) {
	conn.SetReadLimit(maxMessage)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(readTimeout))
		kind, p, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if ctx.Err() != nil {
			continue // its goodbye is waited for
		}
		if kind == request.BinaryMessage {
			if !k.enter(ctx, p) && ctx.Err() == nil {
				return
			}
			continue
		}
		if t.obey(ctx, k, v, p) != nil {
			return
		}
	}
}

func (t *Table) obey(ctx context.Context, k *Terminal, v *viewer, p []byte) error {
	var r words
	if json.Unmarshal(p, &r) != nil {
		return errNonsense
	}
	if r.Ack > 0 {
		k.ack(r.Ack)
	}
	if r.Size != nil && r.Size[0] > 0 && r.Size[1] > 0 && !k.resize(ctx, r.Size[0], r.Size[1]) {
		return errNonsense
	}
	if r.Close {
		t.Close(k)
		return errNonsense
	}
	if r.Ping {
		k.sign()
	}
	return nil
}
