package authn

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backend/metrics/metricstest"
	"pilothouse/backend/request"
)

// counted is a TokenAuthenticator that counts how often it is asked.
type counted struct {
	asked  atomic.Int64
	answer func(token string) (*Identity, error)
}

func (c *counted) AuthenticateToken(_ context.Context, token string, audiences []string) (*Identity, error) {
	c.asked.Add(1)
	id, err := c.answer(token)
	if id != nil {
		id.Audiences = audiences
	}
	return id, err
}

func named(name string) func(string) (*Identity, error) {
	return func(string) (*Identity, error) { return &Identity{User: &request.User{Name: name}}, nil }
}

// clock is a time that a test moves.
type clock struct{ now time.Time }

func (c *clock) time() time.Time { return c.now }

func newClock() *clock { return &clock{time.Unix(1_700_000_000, 0)} }

func ask(t *testing.T, a TokenAuthenticator, token string, audiences ...string) *Identity {
	t.Helper()
	id, err := a.AuthenticateToken(context.Background(), token, audiences)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestCacheKeepsTheUserOfAToken(t *testing.T) {
	now, next := newClock(), &counted{answer: named("alice")}
	c := NewCache(next, CacheOptions{Known: 10 * time.Second, Now: now.time})
	first := ask(t, c, "t")
	if !first.User.InGroup(request.GroupAuthenticated) {
		t.Error("not in system:authenticated")
	}
	now.now = now.now.Add(9 * time.Second)
	if ask(t, c, "t") != first || next.asked.Load() != 1 {
		t.Errorf("asked %d times", next.asked.Load())
	}
	now.now = now.now.Add(time.Second)
	if again := ask(t, c, "t"); again.User != first.User || next.asked.Load() != 2 {
		t.Errorf("after its time the token was asked about %d times, same user %v", next.asked.Load(), again.User == first.User)
	}
	next.answer = named("bob")
	now.now = now.now.Add(10 * time.Second)
	if again := ask(t, c, "t"); again.User.Name != "bob" {
		t.Errorf("%v", again.User)
	}
}

func TestCacheTellsQuestionsApart(t *testing.T) {
	next := &counted{answer: named("alice")}
	c := NewCache(next, CacheOptions{Known: time.Minute})
	for _, q := range []struct {
		token     string
		audiences []string
	}{{"ab", nil}, {"ab", []string{}}, {"ab", []string{"c"}}, {"abc", nil}, {"a", []string{"bc"}}, {"ab", []string{"c", ""}}, {"ab", []string{"", "c"}}} {
		before := next.asked.Load()
		if _, err := c.AuthenticateToken(context.Background(), q.token, q.audiences); err != nil || next.asked.Load() != before+1 {
			t.Errorf("%q %q: was taken for another question", q.token, q.audiences)
		}
	}
}

func TestCacheKeepsNoErrors(t *testing.T) {
	next := &counted{answer: func(string) (*Identity, error) { return nil, errors.New("out of order") }}
	c := NewCache(next, CacheOptions{Known: time.Minute, Unknown: time.Minute})
	for range 2 {
		if id, err := c.AuthenticateToken(context.Background(), "t", nil); id != nil || err == nil {
			t.Errorf("%v %v", id, err)
		}
	}
	next.answer = named("alice")
	if ask(t, c, "t") == nil {
		t.Error("a token stayed unknown after an error")
	}
}

func TestCacheOfTheUnknown(t *testing.T) {
	nobody := func(string) (*Identity, error) { return nil, nil }
	now, next := newClock(), &counted{answer: nobody}
	c := NewCache(next, CacheOptions{Known: time.Minute, Unknown: time.Second, Now: now.time})
	ask(t, c, "t")
	if ask(t, c, "t") != nil || next.asked.Load() != 1 {
		t.Errorf("asked %d times", next.asked.Load())
	}
	now.now = now.now.Add(time.Second)
	next.answer = named("alice")
	if ask(t, c, "t") == nil {
		t.Error("unknown for too long")
	}
	next.answer = nobody
	now.now = now.now.Add(time.Minute)
	if ask(t, c, "t") != nil || ask(t, c, "t") != nil {
		t.Error("known for too long")
	}
	without := NewCache(next, CacheOptions{Known: time.Minute})
	before := next.asked.Load()
	ask(t, without, "t")
	ask(t, without, "t")
	if next.asked.Load() != before+2 {
		t.Error("kept an unknown token without being told to")
	}
}

func TestCacheIsBounded(t *testing.T) {
	next := &counted{answer: func(token string) (*Identity, error) {
		if token[0] == 'x' {
			return nil, nil
		}
		return &Identity{User: &request.User{Name: token}}, nil
	}}
	c := NewCache(next, CacheOptions{Known: time.Hour, Unknown: time.Hour})
	for i := range 2 * cacheShards * shardRoom {
		key := c.key(fmt.Sprint("k", i), nil)
		c.put(&key, &Identity{User: &request.User{}})
		key = c.key(fmt.Sprint("x", i), nil)
		c.put(&key, nil)
	}
	for i := range c.shards {
		if s := &c.shards[i]; len(s.known) > shardRoom || len(s.unknown) > shardRoom {
			t.Fatalf("shard %d has %d and %d entries", i, len(s.known), len(s.unknown))
		}
	}
}

func TestCacheForgetsWhatIsLongOver(t *testing.T) {
	now := newClock()
	c := NewCache(&counted{answer: named("alice")}, CacheOptions{Known: time.Second, Now: now.time})
	for i := range 100 {
		ask(t, c, fmt.Sprint(i))
	}
	now.now = now.now.Add(time.Hour)
	for i := range 1000 {
		ask(t, c, fmt.Sprint("new", i))
	}
	total := 0
	for i := range c.shards {
		total += len(c.shards[i].known)
	}
	if total > 1000 {
		t.Errorf("%d entries", total)
	}
}

func TestCacheSharesOneQuestion(t *testing.T) {
	begun, answer := make(chan struct{}), make(chan struct{})
	next := &counted{answer: func(string) (*Identity, error) {
		close(begun)
		<-answer
		return &Identity{User: &request.User{Name: "alice"}}, nil
	}}
	c := NewCache(next, CacheOptions{Known: time.Minute})
	var wg sync.WaitGroup
	wg.Go(func() { ask(t, c, "t") })
	<-begun
	for range 7 {
		wg.Go(func() { ask(t, c, "t") })
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.AuthenticateToken(gone, "t", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that is gone waited: %v", err)
	}
	close(answer)
	wg.Wait()
	if next.asked.Load() != 1 {
		t.Errorf("asked %d times", next.asked.Load())
	}
}

func TestCacheSurvivesAPanic(t *testing.T) {
	next := &counted{answer: func(string) (*Identity, error) { panic("bug") }}
	c := NewCache(next, CacheOptions{Known: time.Minute})
	if id, err := c.AuthenticateToken(context.Background(), "t", nil); id != nil || err == nil {
		t.Errorf("%v %v", id, err)
	}
}

func TestUsersAreInterned(t *testing.T) {
	var s Users
	make := func() *request.User {
		return &request.User{Name: "a", UID: "1", Groups: []string{"x", "y"}, Extra: map[string][]string{"k": {"v"}, "l": {"w"}}}
	}
	first := s.Intern(make())
	if s.Intern(make()) != first {
		t.Error("equal users are two")
	}
	for _, change := range []func(*request.User){
		func(u *request.User) { u.Name = "b" },
		func(u *request.User) { u.UID = "2" },
		func(u *request.User) { u.Groups = []string{"xy"} },
		func(u *request.User) { u.Groups = []string{"y", "x"} },
		func(u *request.User) { u.Extra["k"] = []string{"v", ""} },
		func(u *request.User) { delete(u.Extra, "l") },
	} {
		u := make()
		change(u)
		if s.Intern(u) == first {
			t.Errorf("%+v was taken for another user", u)
		}
	}
	for i := range 2 * maxUsers {
		s.Intern(&request.User{Name: fmt.Sprint(i)})
	}
	if len(s.all) > maxUsers {
		t.Errorf("%d users", len(s.all))
	}
}

func TestTheCacheIsCounted(t *testing.T) {
	before := metricstest.Read(t)
	c := NewCache(tokens, CacheOptions{Known: time.Hour})
	for _, token := range []string{"good", "good", "good", "expired", "other"} {
		c.AuthenticateToken(t.Context(), token, nil) //nolint:errcheck // only counted
	}
	before.Grown(t,
		`authentication_token_cache_request_total{status="hit"} 2`, `authentication_token_cache_request_total{status="miss"} 3`,
		`authentication_token_cache_fetch_total{status="ok"} 2`, `authentication_token_cache_fetch_total{status="error"} 1`,
		`authentication_token_cache_active_fetch_count{status="in_flight"} 0`, `authentication_token_cache_active_fetch_count{status="blocked"} 0`,
	)
}

func BenchmarkCachedToken(b *testing.B) {
	token := make([]byte, 900) // about what a service account's has
	for i := range token {
		token[i] = byte('a' + i%26)
	}
	c := NewCache(&counted{answer: named("alice")}, CacheOptions{Known: time.Hour})
	r := with("Authorization", "Bearer "+string(token))
	a := Bearer(c)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if u, err := a.Authenticate(ctx, r); u == nil || err != nil {
			b.Fatal(err)
		}
	}
}
