package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"pilothouse/backend/storage"
	engine "pilothouse/backend/storage/etcd"
)

// cutter is a wire to a member that can be cut: all connections through it
// break at once, and new ones go through.
type cutter struct {
	net.Listener
	to string

	mu    sync.Mutex // guards conns
	conns map[net.Conn]bool
}

func newCutter(t *testing.T, member string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: l, to: strings.TrimPrefix(member, "http://"), conns: map[net.Conn]bool{}}
	t.Cleanup(func() { l.Close(); c.cut() })
	go c.serve()
	return c
}

func (c *cutter) serve() {
	for {
		in, err := c.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", c.to)
		if err != nil {
			in.Close()
			continue
		}
		c.mu.Lock()
		c.conns[in], c.conns[out] = true, true
		c.mu.Unlock()
		for from, to := range map[net.Conn]net.Conn{in: out, out: in} {
			go func() {
				io.Copy(to, from) //nolint:errcheck // however it ends
				from.Close()
				to.Close()
			}()
		}
	}
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		conn.Close()
	}
	clear(c.conns)
}

// TestLostAnswers cuts the wire to etcd again and again under writers that count
// up one key each: every write is done once, whether its answer came or not.
func TestLostAnswers(t *testing.T) {
	wire := newCutter(t, startMember(t))
	e, err := engine.Open(t.Context(), engine.Options{Endpoints: []string{"http://" + wire.Addr().String()}, Prefix: "/pilothouse"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.Load(t.Context(), func(storage.Record) error { return nil }); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	written := map[string]int{} // how often each key was, by the events
	if err := e.Start(func(events []storage.Event) {
		mu.Lock()
		defer mu.Unlock()
		for _, ev := range events {
			if ev.Key != "" {
				written[ev.Key]++
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	const writers, cuts = 8, 30
	stop := make(chan struct{})
	var wg sync.WaitGroup
	counts := make([]int, writers)
	for id := range writers {
		wg.Go(func() {
			for at := int64(0); ; {
				select {
				case <-stop:
					return
				default:
				}
				w := &storage.Write{Key: fmt.Sprintf("w/%d", id), Value: fmt.Appendf(nil, `{"n":%d}`, counts[id]), Expected: at}
				revision, err := e.Commit(context.Background(), w)
				if err != nil {
					t.Errorf("writer %d, write %d: %v", id, counts[id], err)
					return
				}
				at = revision
				counts[id]++
			}
		})
	}
	total := func() (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, k := range written {
			n += k
		}
		return n
	}
	for range cuts {
		before := total()
		wire.cut()
		eventually(t, "writes after a cut", func() error {
			if total() == before {
				return errors.New("none")
			}
			return nil
		})
	}
	close(stop)
	wg.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := e.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	for id, n := range counts {
		if got := written[fmt.Sprintf("w/%d", id)]; got != n {
			t.Errorf("writer %d was told of %d writes, %d events came", id, n, got)
		}
	}
}
