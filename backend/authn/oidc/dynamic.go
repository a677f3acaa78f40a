package oidc

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backend/authn"
	"pilothouse/backend/follow"
	"pilothouse/backend/metrics"

	"k8s.io/klog/v2"
)

// readyWithin is how long new providers may take to answer before they take the
// place of the old ones all the same.
const readyWithin = time.Minute

// DynamicOptions say which providers there are.
type DynamicOptions struct {
	// Config is what the start found.
	Config *Config
	// Path is the file that it came from, to be followed; empty means that it
	// does not change.
	Path       string
	Algorithms []string
	OwnIssuers []string
	Now        func() time.Time
	// Retry is as in Options.
	Retry time.Duration
}

// Dynamic knows the tokens of all providers of a configuration, and follows its
// file.
type Dynamic struct {
	o       DynamicOptions
	current atomic.Pointer[providers]

	mu   sync.Mutex      // guards file and ctx
	file *follow.File    // nil when there is none to follow
	ctx  context.Context //nolint:containedctx // what providers run in: Run's
	wg   sync.WaitGroup
}

// providers are those of one configuration.
type providers struct {
	list   []*Authenticator
	tokens authn.TokenAuthenticator
	stop   context.CancelFunc
}

// NewDynamic gives a Dynamic. Providers are reached by Run.
func NewDynamic(o DynamicOptions) (*Dynamic, error) {
	d := &Dynamic{o: o}
	p, err := d.make(o.Config)
	if err != nil {
		return nil, err
	}
	if o.Path != "" {
		if d.file, err = follow.Open(o.Path); err != nil {
			return nil, err
		}
		applied(d.file.Content())
	}
	d.current.Store(p)
	return d, nil
}

func (d *Dynamic) make(c *Config) (*providers, error) {
	p := &providers{stop: func() {}}
	var list []authn.TokenAuthenticator
	for _, j := range c.JWT {
		a, err := New(Options{JWT: j, Algorithms: d.o.Algorithms, OwnIssuers: d.o.OwnIssuers, Now: d.o.Now, Retry: d.o.Retry})
		if err != nil {
			return nil, err
		}
		p.list, list = append(p.list, a), append(list, a)
	}
	p.tokens = authn.UnionTokens(list...)
	return p, nil
}

// AuthenticateToken asks the providers in the order of the configuration.
func (d *Dynamic) AuthenticateToken(ctx context.Context, token string, audiences []string) (*authn.Identity, error) {
	return d.current.Load().tokens.AuthenticateToken(ctx, token, audiences)
}

// Run reaches the providers and follows the file every so often, until ctx ends.
func (d *Dynamic) Run(ctx context.Context, every time.Duration) {
	d.mu.Lock()
	d.ctx = ctx
	d.start(d.current.Load())
	d.mu.Unlock()
	defer d.wg.Wait()
	if d.o.Path == "" {
		<-ctx.Done()
		return
	}
	follow.Every(ctx, every, d.Refresh)
}

// start runs providers; mu is held.
func (d *Dynamic) start(p *providers) {
	ctx, cancel := context.WithCancel(d.ctx)
	p.stop = cancel
	for _, a := range p.list {
		d.wg.Go(metrics.Guarded("authentication", func() { a.Run(ctx) }))
	}
}

// Refresh reads the file once; to be called after Run has begun. When it says
// something else than before, its providers take the place of those before as
// soon as they have answered. A file that cannot be used is logged.
func (d *Dynamic) Refresh() {
	d.mu.Lock()
	defer d.mu.Unlock()
	changed, err := d.file.Changed()
	if err != nil {
		klog.ErrorS(err, "Authentication configuration cannot be read, the one before stays")
		reloaded(nil, err)
		return
	}
	if !changed {
		return
	}
	next, err := d.parse(d.file.Content())
	if err != nil {
		klog.ErrorS(err, "Authentication configuration cannot be used, the one before stays", "file", d.o.Path)
		reloaded(nil, err)
		return
	}
	d.start(next)
	next.wait(d.ctx)
	old := d.current.Swap(next)
	old.stop()
	reloaded(d.file.Content(), nil)
	for _, a := range old.list {
		if !next.has(a.issuer()) {
			forget(a.issuer())
		}
	}
	klog.InfoS("Authentication configuration loaded", "file", d.o.Path, "providers", len(next.list))
}

func (d *Dynamic) parse(content []byte) (*providers, error) {
	c, err := Parse(content)
	if err != nil {
		return nil, err
	}
	if err := checkConfig(c, d.o.OwnIssuers); err != nil {
		return nil, err
	}
	return d.make(c)
}

func (p *providers) has(issuer string) bool {
	return slices.ContainsFunc(p.list, func(a *Authenticator) bool { return a.issuer() == issuer })
}

// wait waits until all providers have answered, but not for ever.
func (p *providers) wait(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for _, a := range p.list {
		select {
		case <-a.Reached():
		case <-ctx.Done():
			return
		}
	}
}
