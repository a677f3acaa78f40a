// Package live owns the one websocket of a browser tab: the handshake, the
// subscriptions that the tab has open, and the pace at which they are sent. A
// subscription keeps no queue: when the tab takes the next message, the
// subscription compares what the tab has with what there is. So a tab that
// takes nothing costs nothing, and is dropped after writeTimeout. What can be
// subscribed to is the caller's. Read socket.go first, then handshake.go.
package live

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/request"
	"pilothouse/web/messages"

	"k8s.io/klog/v2"
)

// Bounds of one socket.
const (
	maxMessage       = 64 << 10
	maxSubscriptions = 32
	maxWindow        = 400
	writeTimeout     = 15 * time.Second
	pingInterval     = 20 * time.Second
	readTimeout      = 3 * pingInterval
	// pace is the time that each message takes of a tab: changes wait for it, so
	// that a tab gets 20 messages a second, answers to its requests among them.
	// These are sent at once, and changes wait for maxDelay at most.
	pace        = 50 * time.Millisecond
	maxDelay    = 4 * pace
	openTimeout = 20 * time.Second
)

// What a tab is told by the code that its socket closes with; codes from 4000 on
// are an application's own.
const (
	closeSession  = 4401 // its session has ended
	closeIdentity = 4410 // its session acts as someone else now
)

// Subscription is one live part of a page.
type Subscription interface {
	// Next gives the next message, a JSON object, or nil when there is nothing
	// new. An error ends the subscription.
	Next() ([]byte, error)
	Move(from, size int, anchor string)
	Close()
}

// Request is what a tab asks for.
type Request struct {
	Do     string `json:"do"` // open, move, close; ping asks for any answer
	ID     int    `json:"id"`
	Kind   string `json:"kind"`
	URL    string `json:"url"`
	From   int    `json:"from"`
	Size   int    `json:"size"`
	Anchor string `json:"anchor"`
	// Have are the rows that the tab has already, each "UID VERSION", in their
	// order, and Shape the columns in which it shows them.
	Have  []string `json:"have"`
	Shape string   `json:"shape"`
}

// Tab is who is at the other end.
type Tab struct {
	// Open opens what a request asks for.
	Open func(ctx context.Context, r Request, wake func()) (Subscription, error)
	// Explain makes of an error what the tab shows.
	Explain func(err error) any
	// Alive tells whether the session goes on; Done is closed when it ends, Changed
	// when it acts as someone else.
	Alive         func() bool
	Done, Changed <-chan struct{}
}

// socket is a connection to a tab. Its loop goroutine owns everything but
// requests, dirty and opened.
type socket struct {
	tab  Tab
	conn request.Socket
	subs map[int]*sub
	// next is when changes may be sent again.
	next time.Time

	requests chan Request
	opened   chan opened
	woken    chan struct{}
	waiting  sync.WaitGroup

	mu    sync.Mutex // guards dirty
	dirty map[int]bool
}

// sub is an open subscription, or one that is being opened.
type sub struct {
	Subscription
	cancel context.CancelFunc
	// generation tells the opens of one id apart.
	generation int
	request    Request
}

type opened struct {
	id, generation int
	sub            Subscription
	err            error
}

// serve talks to the tab until one of them has enough.
func serve(ctx context.Context, conn request.Socket, tab Tab) {
	ctx, cancel := context.WithCancel(ctx)
	s := &socket{
		tab: tab, conn: conn, subs: map[int]*sub{}, requests: make(chan Request), opened: make(chan opened),
		woken: make(chan struct{}, 1), dirty: map[int]bool{},
	}
	s.waiting.Go(metrics.Guarded("dashboard", func() {
		defer cancel()
		s.read(ctx)
	}))
	err := s.loop(ctx)
	cancel()
	s.goodbye(err)
	conn.Close()
	for _, one := range s.subs {
		one.close()
	}
	s.waiting.Wait()
}

var (
	errSession  = errors.New("the session has ended")
	errIdentity = errors.New("the session acts as someone else")
)

func (s *socket) goodbye(err error) {
	code, text := request.CloseGoingAway, ""
	switch {
	case errors.Is(err, errSession):
		code, text = closeSession, err.Error()
	case errors.Is(err, errIdentity):
		code, text = closeIdentity, err.Error()
	}
	message := request.ClosingWith(code, text)
	s.conn.WriteControl(request.CloseMessage, message, time.Now().Add(time.Second)) //nolint:errcheck // it may be gone
}

// read takes the tab's requests. While the loop is busy it waits, and so does
// the tab.
func (s *socket) read(ctx context.Context) {
	s.conn.SetReadLimit(maxMessage)
	alive := func(string) error { return s.conn.SetReadDeadline(time.Now().Add(readTimeout)) }
	s.conn.SetPongHandler(alive)
	if alive("") != nil {
		return
	}
	for {
		kind, raw, err := s.conn.ReadMessage()
		if err != nil {
			return
		}
		var r Request
		if kind != request.TextMessage || json.Unmarshal(raw, &r) != nil {
			klog.V(2).InfoS("Live socket sent what is no request")
			return
		}
		select {
		case s.requests <- r:
		case <-ctx.Done():
			return
		}
	}
}

func (s *socket) loop(ctx context.Context) error {
	ping := time.NewTicker(pingInterval)
	defer ping.Stop()
	var later <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.tab.Done:
			return errSession
		case <-s.tab.Changed:
			return errIdentity
		case <-ping.C:
			if !s.tab.Alive() {
				return errSession
			}
			if err := s.conn.WriteControl(request.PingMessage, nil, time.Now().Add(writeTimeout)); err != nil {
				return err
			}
		case r := <-s.requests:
			if err := s.take(ctx, r); err != nil {
				return err
			}
		case o := <-s.opened:
			if err := s.install(o); err != nil {
				return err
			}
		case <-s.woken:
			if later == nil {
				later = time.After(max(0, time.Until(s.next)))
			}
		case <-later:
			later = nil
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
}

// take does what the tab asks for.
func (s *socket) take(ctx context.Context, r Request) error {
	r.From, r.Size = max(r.From, 0), min(max(r.Size, 1), maxWindow)
	one := s.subs[r.ID]
	switch {
	case r.Do == "open":
		return s.open(ctx, r)
	case r.Do == "ping":
		return s.write(0, map[string]any{"pong": true})
	case one == nil:
	case r.Do == "close":
		delete(s.subs, r.ID)
		one.close()
	case r.Do == "move":
		if one.Subscription == nil {
			one.request = r // while it is being opened
			return nil
		}
		one.Move(r.From, r.Size, r.Anchor)
		return s.send(r.ID)
	}
	return nil
}

// open begins a subscription in place of the one of its id. It may have to wait
// for data, so it does not hold the others up.
func (s *socket) open(ctx context.Context, r Request) error {
	generation := 0
	if old := s.subs[r.ID]; old != nil {
		generation = old.generation + 1
		old.close()
		delete(s.subs, r.ID)
	}
	if len(s.subs) >= maxSubscriptions {
		return s.write(r.ID, map[string]any{"error": s.tab.Explain(errTooMany)})
	}
	limited, cancel := context.WithTimeout(ctx, openTimeout)
	s.subs[r.ID] = &sub{cancel: cancel, generation: generation, request: r}
	s.waiting.Go(metrics.Guarded("dashboard", func() {
		defer cancel()
		o := opened{id: r.ID, generation: generation}
		o.sub, o.err = s.tab.Open(limited, r, func() { s.wake(r.ID) })
		select {
		case s.opened <- o:
		case <-ctx.Done():
			if o.sub != nil {
				o.sub.Close()
			}
		}
	}))
	return nil
}

var errTooMany = messages.Errorf("this tab has too many live parts open")

func (s *socket) install(o opened) error {
	one := s.subs[o.id]
	if one == nil || one.generation != o.generation {
		if o.sub != nil {
			o.sub.Close()
		}
		return nil
	}
	if o.err != nil {
		delete(s.subs, o.id)
		return s.write(o.id, map[string]any{"error": s.tab.Explain(o.err)})
	}
	one.Subscription = o.sub
	if r := one.request; r.Do == "move" {
		one.Move(r.From, r.Size, r.Anchor)
	}
	return s.send(o.id)
}

func (one *sub) close() {
	one.cancel()
	if one.Subscription != nil {
		one.Subscription.Close()
	}
}

// wake notes that a subscription may have something; it may be called from
// anywhere.
func (s *socket) wake(id int) {
	s.mu.Lock()
	s.dirty[id] = true
	s.mu.Unlock()
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

func (s *socket) flush() error {
	s.mu.Lock()
	dirty := s.dirty
	s.dirty = map[int]bool{}
	s.mu.Unlock()
	for id := range dirty {
		if err := s.send(id); err != nil {
			return err
		}
	}
	return nil
}

// send sends what a subscription has.
func (s *socket) send(id int) error {
	one := s.subs[id]
	if one == nil || one.Subscription == nil {
		return nil
	}
	m, err := one.Next()
	if err != nil {
		delete(s.subs, id)
		one.close()
		return s.write(id, map[string]any{"error": s.tab.Explain(err)})
	}
	if m == nil {
		return nil
	}
	return s.writeRaw(id, m)
}

func (s *socket) write(id int, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.writeRaw(id, raw)
}

// writeRaw sends a message, a JSON object, with its subscription's id.
func (s *socket) writeRaw(id int, m []byte) error {
	now := time.Now()
	if s.next.Before(now) {
		s.next = now
	}
	if s.next = s.next.Add(pace); s.next.Sub(now) > maxDelay {
		s.next = now.Add(maxDelay)
	}
	if err := s.conn.SetWriteDeadline(now.Add(writeTimeout)); err != nil {
		return err
	}
	w, err := s.conn.NextWriter(request.TextMessage)
	if err != nil {
		return err
	}
	head := `{"id":` + strconv.Itoa(id) + `,`
	if _, err := w.Write(append([]byte(head), m[1:]...)); err != nil {
		return err
	}
	return w.Close()
}
