// Package etcd is the storage engine over an etcd cluster (v3 API), for API
// servers that share one store. etcd's revisions are the resource versions, its
// transactions the compare-and-set, and its watch the one stream of events, so
// that several servers on one cluster see the same writes in the same order.
// Read engine.go first, then commit.go (writes) and follow.go (the stream).
package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backend/storage"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// How long etcd may take for one call, and for a write whose outcome a lost
// connection left open.
const (
	callTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second
)

// maxCall bounds a message to and from etcd, in bytes: the largest value, its
// state before, and room for the frame.
const maxCall = 2*storage.MaxValue + 1<<20

// pageSize is how many keys one read of a range asks for.
const pageSize = 500

// Options say which cluster and where in it.
type Options struct {
	// Endpoints are the addresses of the members: http://HOST:PORT or https://.
	Endpoints []string
	// Prefix is what all keys begin with.
	Prefix string
	// Files in PEM: the authority of the members' certificates, and the
	// certificate and key that this client shows. Empty ones are not used.
	CAFile, CertFile, KeyFile string
}

// Engine is a storage.Engine, a storage.Shared, a storage.Historian and a
// storage.Noting over an etcd cluster.
type Engine struct {
	client *clientv3.Client
	prefix string

	ctx    context.Context // of the stream of events
	cancel context.CancelFunc

	uses      sync.WaitGroup // calls that Close waits for
	revision  atomic.Int64   // the newest one that the sink was given
	compacted atomic.Int64
	watches   atomic.Int64 // how many were begun, for their names
	arrivals  arrivals
	leases    leases
	reading   rounds
	asking    turn         // of questions for the past
	written   atomic.Int64 // bytes that came with events

	mu       sync.Mutex // guards what follows
	closed   bool
	started  bool
	followed chan struct{} // closed when the stream has ended
	inFlight map[string][]*storage.Write
}

// errNotStarted is a broken caller's.
var errNotStarted = errors.New("storage: not started")

// Open connects to a cluster. It errs when no member answers in time, and with
// ErrFormat when a restore into the prefix was not finished.
func Open(ctx context.Context, o Options) (*Engine, error) {
	tls, err := o.tls()
	if err != nil {
		return nil, err
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints:            o.Endpoints,
		TLS:                  tls,
		DialTimeout:          callTimeout,
		DialKeepAliveTime:    20 * time.Second,
		DialKeepAliveTimeout: 10 * time.Second,
		MaxCallSendMsgSize:   maxCall,
		MaxCallRecvMsgSize:   1<<31 - 1, // a page of the largest values
		Logger:               quiet(),
	})
	if err != nil {
		return nil, fmt.Errorf("connect to etcd: %w", err)
	}
	e := &Engine{client: client, prefix: strings.TrimSuffix(o.Prefix, "/") + "/", inFlight: map[string][]*storage.Write{}, asking: make(turn, 1)}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	if err := e.locate(ctx); err != nil {
		e.Close() //nolint:errcheck // the first error counts
		return nil, fmt.Errorf("etcd at %s: %w", strings.Join(o.Endpoints, ","), err)
	}
	return e, nil
}

// locate finds out where the store stands.
func (e *Engine) locate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := e.client.Get(ctx, e.restoreKey())
	if err != nil {
		return err
	}
	if len(r.Kvs) > 0 {
		return fmt.Errorf("%w: a restore into it was not finished", storage.ErrFormat)
	}
	e.revision.Store(r.Header.Revision)
	oldest, err := e.oldest(ctx, r.Header.Revision)
	if err != nil {
		return err
	}
	e.compacted.Store(oldest)
	return nil
}

// oldest gives the compacted revision, 0 when there is none. etcd tells it only
// to who asks for less, without the number, so it is searched for.
func (e *Engine) oldest(ctx context.Context, newest int64) (int64, error) {
	low, high := int64(storage.FirstRevision), newest // high can be read
	for low < high {
		middle := low + (high-low)/2
		_, err := e.client.Get(ctx, e.restoreKey(), clientv3.WithRev(middle), clientv3.WithCountOnly())
		switch {
		case errors.Is(err, rpctypes.ErrCompacted):
			low = middle + 1
		case err != nil:
			return 0, err
		default:
			high = middle
		}
	}
	if high == storage.FirstRevision {
		return 0, nil
	}
	return high, nil
}

// key is where an object's key is in etcd.
func (e *Engine) key(key string) string { return e.prefix + key }

// restoreKey exists while a restore is going on. It is no object's: those have
// a slash.
func (e *Engine) restoreKey() string { return strings.TrimSuffix(e.prefix, "/") + ".restoring" }

// begin starts a call that Close waits for; end ends it.
func (e *Engine) begin() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return storage.ErrClosed
	}
	e.uses.Add(1)
	return nil
}

func (e *Engine) end() { e.uses.Done() }

// Position tells the newest revision whose events the sink was given, and the
// compacted one as far as this process knows.
func (e *Engine) Position() storage.Position {
	return storage.Position{Revision: e.revision.Load(), Compacted: e.compacted.Load()}
}

// Size is the size of the database of the first member that answers.
func (e *Engine) Size(ctx context.Context) (size int64, err error) {
	if err := e.begin(); err != nil {
		return 0, err
	}
	defer e.end()
	for _, endpoint := range e.client.Endpoints() {
		var r *clientv3.StatusResponse
		if r, err = e.client.Status(ctx, endpoint); err == nil {
			return r.DbSize, nil
		}
	}
	return 0, translate(err)
}

// Compact compacts the whole cluster, as kube-apiserver does.
func (e *Engine) Compact(ctx context.Context, revision int64) error {
	if err := e.begin(); err != nil {
		return err
	}
	defer e.end()
	if revision <= max(e.compacted.Load(), storage.FirstRevision) {
		return nil
	}
	if revision > e.revision.Load() {
		return storage.ErrFuture
	}
	_, err := e.client.Compact(ctx, revision)
	if err != nil && !errors.Is(err, rpctypes.ErrCompacted) { // by another server
		return translate(err)
	}
	e.compactedAt(revision)
	return nil
}

// Close ends the engine after the calls that are under way.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	followed := e.followed
	e.mu.Unlock()
	e.uses.Wait()
	e.cancel()
	if followed != nil {
		<-followed
	}
	return e.client.Close()
}

// translate gives storage's error for one of etcd's.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, rpctypes.ErrCompacted):
		return storage.ErrCompacted
	case errors.Is(err, rpctypes.ErrFutureRev):
		return storage.ErrFuture
	case errors.Is(err, rpctypes.ErrNoSpace):
		return storage.ErrNoSpace
	case errors.Is(err, rpctypes.ErrRequestTooLarge):
		return fmt.Errorf("%w for etcd (its --max-request-bytes)", storage.ErrTooLarge)
	}
	return fmt.Errorf("etcd: %w", err)
}
