package backend

import (
	"path/filepath"

	"pilothouse/backend/audit"
	"pilothouse/backend/endpoints"
	"pilothouse/backend/history"
	"pilothouse/backend/storage"
)

// openTimeline opens what knows when revisions were written.
func (s *Server) openTimeline() (err error) {
	o := &s.options.Storage
	if _, ok := s.engine.(storage.Historian); !ok || o.HistoryRetention == 0 {
		return nil
	}
	s.timeline, err = history.OpenTimeline(history.TimelineOptions{
		Path: filepath.Join(o.DataDir, "timeline"), Engine: s.engine, MaxAge: o.HistoryRetention, MaxBytes: int64(o.HistorySize) << 20,
	})
	return err
}

// compaction says which revisions storage keeps.
func (s *Server) compaction() storage.CompactionPolicy {
	policy := storage.DefaultCompaction
	if s.timeline != nil {
		policy.Until = s.timeline.Until
	}
	return policy
}

// past tells about the past; nil when nobody does.
func (s *Server) past() endpoints.Past {
	if s.timeline == nil {
		return nil
	}
	var journal *audit.Journal
	if s.audit != nil {
		journal = s.audit.Journal
	}
	notes, _ := s.engine.(storage.Noting)
	return history.New(history.Options{
		Timeline: s.timeline, Journal: journal, Requests: s.life, Notes: notes, Server: s.name(), Authorizer: s.authorization,
	})
}
