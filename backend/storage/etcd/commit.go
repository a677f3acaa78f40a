package etcd

import (
	"context"
	"errors"
	"slices"

	"pilothouse/backend/storage"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Commit applies one write and waits until its event has come back. When the
// connection is lost in the middle it asks again until etcd has said what
// became of the write, for writeTimeout at the most; after that the outcome is
// unknown and the error says so.
func (e *Engine) Commit(ctx context.Context, w *storage.Write) (int64, error) {
	if err := w.Check(); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := e.begin(); err != nil {
		return 0, err
	}
	defer e.end()
	stored := string(w.Value) // the digits in w's are changed when the event comes
	forget, err := e.expect(w)
	if err != nil {
		return 0, err
	}
	defer forget()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	revision, err := e.apply(ctx, w, stored)
	if err != nil {
		return 0, err
	}
	if err := e.arrivals.wait(ctx, &e.revision, revision); err != nil {
		return 0, err
	}
	forget()
	if hole := w.Hole; !w.Delete && hole != (storage.Hole{}) {
		w.Value, w.Hole = hole.Fill(w.Value, revision)
	}
	return revision, nil
}

// expect lets the stream of events know of a write, so that the event gets the
// write's attachment. The func takes that back; it may be called twice.
func (e *Engine) expect(w *storage.Write) (func(), error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.started {
		return nil, errNotStarted
	}
	e.inFlight[w.Key] = append(e.inFlight[w.Key], w)
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		rest := slices.DeleteFunc(e.inFlight[w.Key], func(o *storage.Write) bool { return o == w })
		if len(rest) == 0 {
			delete(e.inFlight, w.Key)
			return
		}
		e.inFlight[w.Key] = rest
	}, nil
}

// apply does the compare-and-set. It can be repeated: a key is only once at the
// expected revision, so a second one does not write again. A write whose answer
// was lost is known by its bytes.
func (e *Engine) apply(ctx context.Context, w *storage.Write, stored string) (int64, error) {
	key := e.key(w.Key)
	for lost := false; ; {
		r, id, err := e.attempt(ctx, w, key, stored)
		switch {
		case err == nil && r.Succeeded:
			return r.Header.Revision, nil
		case err == nil:
			var current *mvccpb.KeyValue
			if kvs := r.Responses[0].GetResponseRange().Kvs; len(kvs) > 0 {
				current = kvs[0]
			}
			return e.refused(w, current, stored, lost, r.Header.Revision)
		case errors.Is(err, rpctypes.ErrLeaseNotFound) && ctx.Err() == nil:
			e.leases.drop(w.TTL, id)
			continue
		case !undecided(err) || ctx.Err() != nil:
			return 0, translate(err)
		}
		lost = true
	}
}

// attempt asks etcd once, and tells the lease that the key is put under.
func (e *Engine) attempt(ctx context.Context, w *storage.Write, key, stored string) (*clientv3.TxnResponse, clientv3.LeaseID, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	id := clientv3.LeaseID(clientv3.NoLease)
	change := clientv3.OpDelete(key)
	if !w.Delete {
		if w.TTL > 0 {
			var err error
			if id, err = e.leases.of(ctx, e.client, w.TTL); err != nil {
				return nil, id, err
			}
		}
		change = clientv3.OpPut(key, stored, clientv3.WithLease(id))
	}
	changes := []clientv3.Op{change}
	if len(w.Note) > 0 {
		changes = append(changes, clientv3.OpPut(e.noteKey(w.Key), string(w.Note)))
	}
	r, err := e.client.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", w.Expected)).
		Then(changes...).
		Else(clientv3.OpGet(key)).
		Commit()
	return r, id, err
}

// Expires marks the engine as one of storage.Expiring: writes with a TTL are put
// under leases.
func (e *Engine) Expires() {}

// refused tells a conflict from a write whose answer was lost. revision is
// etcd's newest.
func (e *Engine) refused(w *storage.Write, current *mvccpb.KeyValue, stored string, lost bool, revision int64) (int64, error) {
	switch {
	case current == nil && lost && w.Delete:
		return revision, nil // it is gone, by this write or by one like it
	case current == nil:
		return 0, &storage.ConflictError{Key: w.Key, Expected: w.Expected}
	case lost && !w.Delete && string(current.Value) == stored:
		return current.ModRevision, nil
	}
	return 0, &storage.ConflictError{Key: w.Key, Expected: w.Expected, Current: current.ModRevision}
}

// undecided tells that a call may or may not have been carried out.
func undecided(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, rpctypes.ErrLeaderChanged) {
		return true
	}
	var known rpctypes.EtcdError
	code := status.Code(err)
	if errors.As(err, &known) {
		code = known.Code()
	}
	return code == codes.Unavailable || code == codes.DeadlineExceeded || code == codes.Unknown
}
