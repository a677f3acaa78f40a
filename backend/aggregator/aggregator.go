// Package aggregator owns the API servers that extend this one: APIServices
// that name a Service. It looks whether they can be reached, sends the requests
// for their group versions on to them with the caller's identity, and merges
// their discovery and OpenAPI documents into this server's. It also keeps the
// APIServices of what this server has itself. It imports no transport. Read
// aggregator.go first, then targets.go, available.go and proxy.go.
package aggregator

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/discovery"
	"pilothouse/backend/metrics"
	"pilothouse/backend/openapi"
	"pilothouse/backend/registry"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// APIService is what this package is about.
type APIService = apiregistrationv1.APIService

var apiServices = apiregistrationv1.SchemeGroupVersion.WithResource("apiservices")

// Options are what a Manager works with.
type Options struct {
	Registry *registry.Registry
	// Client writes APIServices.
	Client *client.Client
	// OpenAPI gets the documents of other servers; nil leaves them out.
	OpenAPI *openapi.Service
	// Certificate is the client certificate by which other servers know this
	// one; it is asked for at every handshake. Nil shows none.
	Certificate func() (tls.Certificate, error)
	// Hidden tells the headers that this server believes front proxies, besides
	// the usual ones: no client may send them on.
	Hidden func(header string) bool
	Clock  registry.Clock
}

// Manager keeps what other servers serve in step with the APIServices.
type Manager struct {
	o                                  Options
	services, endpoints, slices, store *registry.Store
	queue                              workqueue.TypedRateLimitingInterface[string]

	// current is replaced as a whole, by the observers of stores: one at a time.
	current atomic.Pointer[targets]
	// dirty wakes the loop that registers what this server has itself.
	dirty chan struct{}
	// registered is closed after that loop's first round.
	registered chan struct{}

	mu sync.Mutex
	// known are all APIServices, by name.
	known map[string]record
	// documents are those of other servers, by APIService.
	documents map[string]*documents
	// generation is another one whenever discovery is.
	generation atomic.Int64
	groups     atomic.Pointer[groups]
}

// How often a server is asked again: one that answers, and one that does not.
const (
	recheckEvery = 30 * time.Second
	retryFirst   = 50 * time.Millisecond
	retryMost    = 30 * time.Second
)

// New gives a Manager that knows the APIServices that there are, and every
// change of them before its writer is told.
func New(o Options) (*Manager, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Hidden == nil {
		o.Hidden = func(string) bool { return false }
	}
	m := &Manager{
		o:     o,
		dirty: make(chan struct{}, 1), registered: make(chan struct{}),
		known: map[string]record{}, documents: map[string]*documents{},
		queue: metrics.NewQueue("AvailableConditionController", workqueue.NewTypedItemExponentialFailureRateLimiter[string](retryFirst, retryMost)),
	}
	m.current.Store(&targets{})
	for resource, into := range map[schema.GroupResource]**registry.Store{
		apiServices.GroupResource():                             &m.store,
		{Resource: "services"}:                                  &m.services,
		{Resource: "endpoints"}:                                 &m.endpoints,
		{Group: "discovery.k8s.io", Resource: "endpointslices"}: &m.slices,
	} {
		if *into = o.Registry.Store(resource.Group, resource.Resource); *into == nil {
			return nil, fmt.Errorf("aggregator: %s are not served", resource)
		}
	}
	m.store.Observe(m.follow)
	m.services.Observe(m.followService)
	m.endpoints.Observe(m.followService)
	m.slices.Observe(m.followSlice)
	return m, nil
}

// Registered is closed once every group version of this server's own has an
// APIService.
func (m *Manager) Registered() <-chan struct{} { return m.registered }

// workers is how many servers are looked at at a time: one that does not answer
// holds up a worker for some seconds.
const workers = 8

// Run looks at the servers, and registers what this one has itself, until ctx
// ends.
func (m *Manager) Run(ctx context.Context) {
	stop := context.AfterFunc(ctx, m.queue.ShutDown)
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(metrics.Guarded("aggregator", func() { m.keepRegistered(ctx) }))
	for range workers {
		wg.Go(metrics.Guarded("aggregator", func() {
			for {
				name, shut := m.queue.Get()
				if shut {
					return
				}
				m.work(ctx, name)
			}
		}))
	}
}

func (m *Manager) work(ctx context.Context, name string) {
	defer m.queue.Done(name)
	defer func() {
		if p := recover(); p != nil {
			metrics.CaughtPanic(p, "aggregator")
			m.queue.AddRateLimited(name)
		}
	}()
	err := m.sync(ctx, name)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		klog.V(2).InfoS("APIService is looked at again", "name", name, "err", err)
		m.queue.AddRateLimited(name)
	default:
		m.queue.Forget(name)
		if m.current.Load().byName[name] != nil {
			m.queue.AddAfter(name, recheckEvery)
		}
	}
}

// sync looks at one APIService and what its server says. An error is tried again.
func (m *Manager) sync(ctx context.Context, name string) error {
	t := m.current.Load().byName[name]
	if t == nil {
		m.forget(name)
		return m.makeLocal(ctx, name)
	}
	condition := m.check(ctx, t)
	if err := m.writeCondition(ctx, name, condition); err != nil {
		return err
	}
	if condition.Status != apiregistrationv1.ConditionTrue {
		m.markStale(name)
		return fmt.Errorf("%s: %s", condition.Reason, condition.Message)
	}
	return m.refreshDocuments(ctx, t)
}

// lookAgain makes a server be looked at now, however long it has failed.
func (m *Manager) lookAgain(name string) {
	m.queue.Forget(name)
	m.queue.Add(name)
}

// wake makes the loop of registrations look again.
func (m *Manager) wake() {
	select {
	case m.dirty <- struct{}{}:
	default:
	}
}

// Groups gives the groups that other servers serve, and a number that is another
// one whenever they have changed; it is discovery's Config.Remote.
func (m *Manager) Groups() ([]discovery.RemoteGroup, int64) {
	generation := m.generation.Load()
	if g := m.groups.Load(); g != nil && g.generation == generation {
		return g.list, generation
	}
	g := &groups{list: m.makeGroups(), generation: generation}
	m.groups.Store(g)
	return g.list, generation
}
