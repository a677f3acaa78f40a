package backend

import (
	"context"
	"fmt"
	"time"

	"pilothouse/backend/audit"
	"pilothouse/backend/config"
	"pilothouse/backend/request"
	"pilothouse/backend/server"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

// openAudit opens what records requests; without a policy or without a place for
// events nothing does, and requests do not pass its filters.
func (s *Server) openAudit() error {
	o := &s.options.Audit
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
	a := audit.New(audit.Options{Policy: policy, Status: func(r *request.Request, err error) *metav1.Status {
		status, _ := server.ErrorStatus(r, err)
		return status
	}})
	if l := &o.Log; l.Path != "" {
		sink, err := audit.OpenLog(audit.LogOptions{
			Path: l.Path, Format: l.Format, MaxAge: l.MaxAge, MaxBackups: l.MaxBackups, MaxSize: l.MaxSize, Compress: l.Compress,
			Mode: l.Batch.Mode, Batch: batchOptions(&l.Batch),
		})
		if err != nil {
			return fmt.Errorf("--audit-log-path: %w", err)
		}
		a.Sinks = append(a.Sinks, sink)
	}
	s.audit = a // from here on Close closes the sinks
	if w := &o.Webhook; w.ConfigFile != "" {
		sink, err := audit.OpenWebhook(audit.WebhookOptions{
			ConfigFile: w.ConfigFile, Mode: w.Batch.Mode, InitialBackoff: w.InitialBackoff, Batch: batchOptions(&w.Batch),
		})
		if err != nil {
			return fmt.Errorf("--audit-webhook-config-file: %w", err)
		}
		a.Sinks = append(a.Sinks, sink)
	}
	return nil
}

func batchOptions(b *config.AuditBatch) audit.BatchOptions {
	return audit.BatchOptions{
		BufferSize: b.BufferSize, MaxSize: b.MaxSize, MaxWait: b.MaxWait, Throttle: b.Throttle, QPS: b.QPS, Burst: b.Burst,
	}
}

// auditFilters gives the filters that record requests, nil ones when none are
// recorded.
func (s *Server) auditFilters() (all, failure server.Filter) {
	if s.audit == nil || len(s.audit.Sinks) == 0 {
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
