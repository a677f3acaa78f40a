package authn

import (
	"context"
	"net"
	"sync"
	"time"

	"pilothouse/backend/request"
)

// Failed credentials are answered at this rate to one address, after a burst
// that programs with an old token may need.
const (
	failureRate  = 20 // a second
	failureBurst = 100
	// mostDelay bounds how long a refusal is held back.
	mostDelay = 2 * time.Second
	// maxAddresses bounds how many addresses are told apart.
	maxAddresses = 4096
)

// SlowFailures holds refusals back when an address sends wrong credentials at a
// high rate. It never holds back who is known: nobody can lock out others
// behind the same address.
func SlowFailures(a Authenticator, now func() time.Time) Authenticator {
	t := &throttle{now: now, failures: map[string]*failures{}}
	return Func(func(ctx context.Context, r *request.Request) (*request.User, error) {
		user, err := a.Authenticate(ctx, r)
		if err != nil {
			if d := t.delay(hostOf(r.RemoteAddr)); d > 0 {
				sleep(ctx, d)
			}
		}
		return user, err
	})
}

func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

type throttle struct {
	now func() time.Time

	mu       sync.Mutex
	failures map[string]*failures // by address
}

// failures is a bucket that fills with each failure and empties with time.
type failures struct {
	level float64
	at    time.Time
}

// delay notes a failure and gives how long its answer is to wait.
func (t *throttle) delay(address string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	f := t.failures[address]
	if f == nil {
		if len(t.failures) >= maxAddresses {
			t.forget(now)
		}
		f = &failures{at: now}
		t.failures[address] = f
	}
	f.level = f.leveled(now) + 1
	f.at = now
	if f.level <= failureBurst {
		return 0
	}
	return min(mostDelay, time.Duration((f.level-failureBurst)/failureRate*float64(time.Second)))
}

// leveled is what is left of the level by now.
func (f *failures) leveled(now time.Time) float64 {
	return min(failureBurst+failureRate*mostDelay.Seconds(), max(0, f.level-now.Sub(f.at).Seconds()*failureRate))
}

// forget drops the addresses that have calmed down, or all when none has.
func (t *throttle) forget(now time.Time) {
	for address, f := range t.failures {
		if f.leveled(now) < 1 {
			delete(t.failures, address)
		}
	}
	if len(t.failures) >= maxAddresses {
		clear(t.failures)
	}
}
