package openapi

import (
	"context"
	"maps"
	"slices"
	"time"
)

// restAfterChange is how long documents have to stay as they are before parts
// are made ahead: definitions come in bunches. restFor is how much longer than a
// part took this rests after it.
const (
	restAfterChange = time.Second
	restFor         = 3
)

// Run makes the parts of the v2 document ahead until ctx ends, so that the first
// who asks does not wait for all of them. It leaves the processor to others most
// of the time.
func (s *Service) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.changed:
		}
		for quiet := false; !quiet; {
			select {
			case <-ctx.Done():
				return
			case <-s.changed:
			case <-time.After(restAfterChange):
				quiet = true
			}
		}
		s.makeAhead(ctx)
	}
}

func (s *Service) makeAhead(ctx context.Context) {
	s.mu.Lock()
	added := slices.Collect(maps.Values(s.added))
	s.mu.Unlock()
	if len(added) == 0 {
		return
	}
	b, err := s.apart()
	if err != nil {
		return // who asks hears of it
	}
	for _, a := range added {
		took := s.makeOne(b, a)
		select {
		case <-ctx.Done():
			return
		case <-time.After(restFor * took):
		}
	}
}

// makeOne makes a part that is still missing and still wanted.
func (s *Service) makeOne(b *builtins, a *addition) time.Duration {
	s.merging.Lock()
	defer s.merging.Unlock()
	s.mu.Lock()
	wanted := s.added[a.name] == a
	s.mu.Unlock()
	if !wanted || a.part != nil {
		return 0
	}
	began := time.Now()
	a.part = a.resolve(resolver{b.member})
	return time.Since(began)
}
