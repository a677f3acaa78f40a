package rows

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/metrics"
	"pilothouse/web/lifetime"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// linger is how long a Source stays without anyone who looks at it, so that
// going back to a list finds it ready.
const linger = 30 * time.Second

// Pool holds the Sources that are in use. It is safe for concurrent use.
type Pool struct {
	ctx     context.Context
	running *lifetime.Group

	mu      sync.Mutex // guards the fields below
	sources map[poolKey]*Source
	linger  time.Duration
}

type poolKey struct {
	user string
	Key
}

// NewPool gives an empty Pool whose Sources end with ctx.
func NewPool(ctx context.Context) *Pool {
	return &Pool{ctx: ctx, running: lifetime.New(ctx), sources: map[poolKey]*Source{}, linger: linger}
}

// Wait returns when the Pool's ctx has ended, and every Source.
func (p *Pool) Wait() { p.running.Wait() }

// identity tells clients with different rights apart.
func identity(c *client.Client) string {
	u := c.User()
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(c.Header())) {
		b.WriteString(strconv.Quote(k) + ":")
		for _, v := range c.Header()[k] {
			b.WriteString(strconv.Quote(v))
		}
	}
	for _, part := range append([]string{u.Name, u.UID}, u.Groups...) {
		b.WriteString(strconv.Quote(part))
	}
	for _, k := range slices.Sorted(maps.Keys(u.Extra)) {
		b.WriteString(strconv.Quote(k) + "=")
		for _, v := range u.Extra[k] {
			b.WriteString(strconv.Quote(v))
		}
	}
	return b.String()
}

// Open gives the View of a query over the objects of key as c's user sees them.
// It waits until they have been listed; an error is why they could not be. The
// View is to be closed.
func (p *Pool) Open(ctx context.Context, c *client.Client, key Key, q Query) (*View, error) {
	s := p.acquire(c, key)
	select {
	case <-s.loaded:
	case <-ctx.Done():
		p.release(s)
		return nil, ctx.Err()
	}
	v, err := s.view(q)
	if err != nil {
		p.release(s)
		return nil, err
	}
	return v, nil
}

// Ready tells whether Open would not have to wait.
func (p *Pool) Ready(c *client.Client, key Key) bool {
	p.mu.Lock()
	s := p.sources[poolKey{identity(c), key}]
	p.mu.Unlock()
	if s == nil {
		return false
	}
	select {
	case <-s.loaded:
		return true
	default:
		return false
	}
}

func (p *Pool) acquire(c *client.Client, key Key) *Source {
	k := poolKey{identity(c), key}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sources[k]
	if s != nil && s.failed() && s.users == 0 {
		p.end(k, s) // ask again instead of showing an old refusal
		s = nil
	}
	if s == nil {
		s = &Source{pool: p, key: key, client: c, loaded: make(chan struct{}), rows: map[string]*Row{}, errs: map[string]error{}, views: map[string]*View{}}
		ctx, cancel := context.WithCancel(p.ctx)
		s.cancel = cancel
		p.sources[k] = s
		if !p.running.Go(metrics.Guarded("dashboard", func() { s.run(ctx) })) {
			s.state.Err = p.ctx.Err()
			close(s.loaded)
		}
	}
	s.users++
	if s.idle != nil {
		s.idle.Stop()
		s.idle = nil
	}
	return s
}

func (s *Source) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Err != nil
}

func (p *Pool) end(k poolKey, s *Source) {
	s.cancel()
	delete(p.sources, k)
}

func (p *Pool) release(s *Source) {
	k := poolKey{identity(s.client), s.key}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.users--; s.users > 0 {
		return
	}
	s.idle = time.AfterFunc(p.linger, func() {
		defer metrics.Caught("dashboard")
		p.mu.Lock()
		defer p.mu.Unlock()
		if s.users == 0 && p.sources[k] == s {
			p.end(k, s)
		}
	})
}

// First gives the first rows of a list as the API orders them, without a
// Source: a page can be shown before all its objects have been read. total is
// the number of all objects.
func First(ctx context.Context, c *client.Client, key Key, limit int64) (columns []Column, list []*Row, total int, err error) {
	return Pick(ctx, c, key, "", limit)
}

// Page makes one list request in the table form.
func Page(ctx context.Context, c *client.Client, key Key, o metav1.ListOptions) (*table, error) {
	q := query(o)
	if key.Extra != "" {
		if _, err := parseExtra(key.Extra); err != nil {
			return nil, err
		}
		q.Set("includeObject", "Object")
	}
	raw, err := c.Bytes(ctx, client.Call{Method: "GET", Path: client.Path(key.GVR, key.Namespace, "", ""), Query: q, Accept: accept})
	if err != nil {
		return nil, err
	}
	return decodeWith(raw, key.Extra)
}

func query(o metav1.ListOptions) url.Values {
	q := url.Values{}
	for name, value := range map[string]string{
		"fieldSelector": o.FieldSelector, "labelSelector": o.LabelSelector, "resourceVersion": o.ResourceVersion, "continue": o.Continue,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if o.Limit > 0 {
		q.Set("limit", itoa(o.Limit))
	}
	return q
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// One gives the row of a single object.
func One(ctx context.Context, c *client.Client, key Key, name string) ([]Column, *Row, error) {
	raw, err := c.Bytes(ctx, client.Call{Method: "GET", Path: client.Path(key.GVR, key.Namespace, name, ""), Accept: accept})
	if err != nil {
		return nil, nil, err
	}
	t, err := decode(raw)
	if err != nil {
		return nil, nil, err
	}
	if len(t.Rows) == 0 {
		return t.Columns, &Row{Namespace: key.Namespace, Name: name}, nil
	}
	return t.Columns, t.Rows[0].row(hands(key.GVR, t.Columns)), nil
}

// Pick gives at most limit rows that selectors choose, once, with the number of
// all that they choose.
func Pick(ctx context.Context, c *client.Client, key Key, labels string, limit int64) (columns []Column, list []*Row, total int, err error) {
	t, err := Page(ctx, c, key, metav1.ListOptions{FieldSelector: key.FieldSelector, LabelSelector: labels, Limit: limit})
	if err != nil {
		return nil, nil, 0, err
	}
	hands := hands(key.GVR, t.Columns)
	for i := range t.Rows {
		list = append(list, t.Rows[i].row(hands))
	}
	return t.Columns, list, len(list) + int(t.Metadata.RemainingItemCount), nil
}
