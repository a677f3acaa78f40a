package quota

import (
	"context"
	"errors"
	"slices"
	"time"

	"pilothouse/backend/registry"
	"pilothouse/backend/scheme"
	"pilothouse/backend/watchcache"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

type object = watchcache.Object

// account is one quota while charges are made to it.
type account struct {
	quota   *corev1.ResourceQuota
	changed bool
}

// settleAttempts is how often a quota is read again that somebody else writes
// at the same time, settleTime how long all of a batch may take.
const (
	settleAttempts = 16
	settleTime     = 10 * time.Second
)

var (
	errUndecided = apierrors.NewInternalError(errors.New("resource quota evaluation timed out"))
	errChanged   = errors.New("the quota has been changed by somebody else")
)

// settle decides about a batch of work. The caller's end does not end it: others
// wait for its result, too.
func (l *Ledger) settle(ctx context.Context, ns string, s *space, batch []*work) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	recount := slices.ContainsFunc(batch, func(w *work) bool { return w.charge == nil })
	var left []string // the quotas that are to be tried again, nil for all
	for attempt := 0; attempt < settleAttempts && (attempt == 0 || len(left) > 0); attempt++ {
		accounts, err := l.accounts(ns)
		if err != nil {
			fail(batch, apierrors.NewInternalError(err))
			return
		}
		if attempt > 0 {
			accounts = slices.DeleteFunc(accounts, func(a *account) bool { return !slices.Contains(left, a.quota.Name) })
		}
		l.count(ns, s, accounts, recount)
		charged := l.chargeAll(batch, accounts, attempt)
		if left, err = l.write(ctx, accounts); err != nil {
			fail(batch, err)
			return
		}
		if attempt > 0 && charged != nil {
			l.tellStale(ns) // refused now, but written to other quotas before
		}
	}
	if len(left) > 0 {
		fail(batch, apierrors.NewInternalError(errChanged))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range batch {
		if w.err == errUndecided {
			w.err = nil
		}
		if w.err == nil && w.charge != nil && !w.charge.a.DryRun {
			s.inFlight[w.charge] = true
		}
	}
}

func fail(batch []*work, err error) {
	for _, w := range batch {
		if w.err == nil || w.err == errUndecided {
			w.err = err
		}
	}
}

// chargeAll checks each charge that is not refused yet, and adds what fits to
// the accounts. It gives the last refusal.
func (l *Ledger) chargeAll(batch []*work, accounts []*account, attempt int) (refused error) {
	for _, w := range batch {
		if w.charge == nil || w.err != errUndecided {
			continue
		}
		limited := w.charge.limited
		if attempt > 0 {
			limited = nil // has been checked against all quotas
		}
		if err := w.charge.to(accounts, limited); err != nil {
			w.err, refused = err, err
		}
	}
	return refused
}

// write writes the accounts that have changed and gives the names of those that
// somebody else has written meanwhile. A quota that is gone needs nothing.
func (l *Ledger) write(ctx context.Context, accounts []*account) (left []string, err error) {
	for _, a := range accounts {
		if !a.changed {
			continue
		}
		switch err := l.writeStatus(ctx, a); {
		case errors.Is(err, errChanged):
			left = append(left, a.quota.Name)
		case err != nil && !apierrors.IsNotFound(err):
			return nil, err
		}
	}
	return left, nil
}

func (l *Ledger) writeStatus(ctx context.Context, a *account) error {
	store := l.store()
	if store == nil {
		return nil
	}
	strategy := statusStrategy(store.Resource())
	_, err := store.Update(ctx, a.quota.Namespace, a.quota.Name, registry.UpdateOptions{
		Strategy: strategy,
		Transform: func(_ context.Context, current scheme.Object) (scheme.Object, error) {
			q := current.(*corev1.ResourceQuota)
			if q.ResourceVersion != a.quota.ResourceVersion {
				return nil, errChanged
			}
			live := q.DeepCopy()
			q.Status = *a.quota.Status.DeepCopy()
			if l.o.Track == nil {
				return q, nil
			}
			return l.o.Track(store.Resource(), "v1", "status", live, q, "kube-apiserver")
		},
	})
	return err
}

func statusStrategy(r *registry.Resource) *registry.Strategy {
	for i := range r.Subresources {
		if r.Subresources[i].Name == "status" {
			return r.Subresources[i].Strategy
		}
	}
	return nil
}

// count brings the accounts up to date whose limits are newer than their
// numbers; all of them when a recount is asked for.
func (l *Ledger) count(ns string, s *space, accounts []*account, all bool) {
	var stale []*account
	for _, a := range accounts {
		if all || a.quota.Status.Hard == nil || a.quota.Status.Used == nil || !equality.Semantic.DeepEqual(a.quota.Spec.Hard, a.quota.Status.Hard) {
			stale = append(stale, a)
		}
	}
	if len(stale) == 0 {
		return
	}
	flying := l.flying(ns, s)
	used := l.usage(ns, stale, flying)
	if slices.ContainsFunc(flying, func(c *charge) bool { return l.visible(ns, c) }) {
		l.tellStale(ns) // it came while the objects were counted: perhaps it is in there twice
	}
	for i, a := range stale {
		status := corev1.ResourceQuotaStatus{Hard: a.quota.Spec.Hard.DeepCopy(), Used: used[i]}
		if status.Hard == nil {
			status.Hard = corev1.ResourceList{}
		}
		if !equality.Semantic.DeepEqual(status.Hard, a.quota.Status.Hard) || !equal(status.Used, a.quota.Status.Used) || a.quota.Status.Used == nil {
			a.quota.Status, a.changed = status, true
		}
	}
}
