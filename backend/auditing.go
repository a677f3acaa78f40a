package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"pilothouse/backend/audit"
	"pilothouse/backend/config"
	"pilothouse/backend/request"
	"pilothouse/backend/server"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

// openAudit opens what records requests: the journal, and what a policy asks for.
// Without any of them requests do not pass its filters.
func (s *Server) openAudit() error {
	o := &s.options.Audit
	a := audit.New(audit.Options{Status: func(r *request.Request, err error) *metav1.Status {
		status, _ := server.ErrorStatus(r, err)
		return status
	}})
	if j := &o.Journal; j.On {
		journal, err := audit.OpenJournal(audit.JournalOptions{
			Dir: filepath.Join(s.options.Storage.DataDir, "audit"), MaxAge: j.Retention, MaxBytes: int64(j.MaxSize) << 20,
		})
		if err != nil {
			return err
		}
		a.Journal = journal
		s.audit = a // from here on Close closes the sinks
	}
	if o.PolicyFile == "" {
		if o.Log.Path != "" || o.Webhook.ConfigFile != "" {
			klog.InfoS("Nothing is audited: there is no --audit-policy-file")
		}
		return nil
	}
	policy, err := audit.LoadPolicy(o.PolicyFile)
	if err != nil {
		return fmt.Errorf("--audit-policy-file: %w", err)
	}
	a.Policy = policy
	if l := &o.Log; l.Path != "" {
		sink, err := audit.OpenLog(audit.LogOptions{
			Path: l.Path, Format: l.Format, MaxAge: l.MaxAge, MaxBackups: l.MaxBackups, MaxSize: l.MaxSize, Compress: l.Compress,
			Mode: l.Batch.Mode, Batch: batchOptions(&l.Batch, &l.Truncate),
		})
		if err != nil {
			return fmt.Errorf("--audit-log-path: %w", err)
		}
		a.Sinks = append(a.Sinks, truncated("log", sink, &l.Truncate))
	}
	s.audit = a // from here on Close closes the sinks
	if w := &o.Webhook; w.ConfigFile != "" {
		sink, err := audit.OpenWebhook(audit.WebhookOptions{
			ConfigFile: w.ConfigFile, Mode: w.Batch.Mode, InitialBackoff: w.InitialBackoff, Batch: batchOptions(&w.Batch, &w.Truncate),
		})
		if err != nil {
			return fmt.Errorf("--audit-webhook-config-file: %w", err)
		}
		a.Sinks = append(a.Sinks, truncated("webhook", sink, &w.Truncate))
	}
	return nil
}

// truncated bounds the events of a sink when the flags want it.
func truncated(plugin string, s audit.Sink, t *config.AuditTruncate) audit.Sink {
	if !t.On {
		return s
	}
	return audit.Truncate(plugin, s, audit.TruncateOptions{MaxEventSize: t.MaxEventSize})
}

func batchOptions(b *config.AuditBatch, t *config.AuditTruncate) audit.BatchOptions {
	maxBytes := 0
	if t.On {
		maxBytes = t.MaxBatchSize
	}
	return audit.BatchOptions{
		MaxBytes:   maxBytes,
		BufferSize: b.BufferSize, MaxSize: b.MaxSize, MaxWait: b.MaxWait, Throttle: b.Throttle, QPS: b.QPS, Burst: b.Burst,
	}
}

// auditFilters gives the filters that record requests, nil ones when none are
// recorded.
func (s *Server) auditFilters() (all, failure server.Filter) {
	if s.audit == nil || len(s.audit.Sinks) == 0 && s.audit.Journal == nil {
		return nil, nil
	}
	return s.audit.Filter, s.audit.Failure
}

// auditGrace is how long the last audit events may take to get where they go.
const auditGrace = 10 * time.Second

// closeAudit sends what waits; it comes after everything that makes requests.
func (s *Server) closeAudit() {
	if s.audit == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), auditGrace)
	defer cancel()
	if err := s.audit.Close(ctx); err != nil {
		klog.ErrorS(err, "Close the audit log")
	}
}

// auditPath answers questions for what the journal has.
const auditPath = "/debug/audit"

// AuditList is its answer, the newest first.
type AuditList struct {
	Events []audit.Entry `json:"events"`
}

// maxAuditList bounds what one question gets.
const maxAuditList = 5000

// serveAudit answers ?user= &verb= &group= &resource= &namespace= &name= &id=
// &q= &code= &refused=true &since= &until= &limit=.
func (s *Server) serveAudit(ctx context.Context, r *request.Request) (*request.Response, error) {
	v := r.Query()
	q := audit.Question{
		User: v.Get("user"), Verb: v.Get("verb"), Group: v.Get("group"), Resource: v.Get("resource"), Namespace: v.Get("namespace"),
		Name: v.Get("name"), ID: v.Get("id"), Text: v.Get("q"), Refused: v.Get("refused") == "true", Code: v.Get("code"),
	}
	if q.Code != "" && !audit.IsCode(q.Code) {
		return nil, apierrors.NewBadRequest("code must be a status code such as 403, or a class such as 4xx")
	}
	for name, into := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		if text := v.Get(name); text != "" {
			at, err := time.Parse(time.RFC3339Nano, text)
			if err != nil {
				return nil, apierrors.NewBadRequest(name + " must be a time as in RFC 3339")
			}
			*into = at
		}
	}
	if text := v.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxAuditList {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("limit must be between 1 and %d", maxAuditList))
		}
		q.Limit = n
	}
	found, err := s.audit.Journal.Find(ctx, q)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(AuditList{Events: append([]audit.Entry{}, found...)})
	if err != nil {
		return nil, err
	}
	return &request.Response{ContentType: "application/json", Body: append(body, '\n')}, nil
}
