package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Audit is what is recorded of requests, and where.
type Audit struct {
	PolicyFile string
	Log        AuditLog
	Webhook    AuditWebhook
	Journal    AuditJournal
}

// AuditJournal is the record of writes and refusals in the data folder.
type AuditJournal struct {
	On        bool
	Retention time.Duration
	// MaxSize is in megabytes.
	MaxSize int
}

// AuditLog is the log file of audit events.
type AuditLog struct {
	Path                        string
	Format                      string
	Version                     string
	MaxAge, MaxBackups, MaxSize int
	Compress                    bool
	Batch                       AuditBatch
	Truncate                    AuditTruncate
}

// AuditTruncate bounds events and what is sent at once, in bytes.
type AuditTruncate struct {
	On                         bool
	MaxBatchSize, MaxEventSize int
}

// AuditWebhook is the service that audit events are posted to.
type AuditWebhook struct {
	ConfigFile     string
	Version        string
	InitialBackoff time.Duration
	Batch          AuditBatch
	Truncate       AuditTruncate
}

// AuditBatch says how events get to where they go.
type AuditBatch struct {
	Mode                string
	BufferSize, MaxSize int
	MaxWait             time.Duration
	Throttle            bool
	QPS                 float32
	Burst               int
}

const auditVersion = "audit.k8s.io/v1"

var (
	auditModes   = []string{"batch", "blocking", "blocking-strict"}
	auditFormats = []string{"legacy", "json"}
)

func (o *Audit) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.PolicyFile, "audit-policy-file", "", "A file with the audit policy. Without it nothing is recorded.")
	l, w := &o.Log, &o.Webhook
	fs.StringVar(&l.Path, "audit-log-path", "", "The file that audit events are written to. '-' means standard output.")
	fs.StringVar(&l.Format, "audit-log-format", "json", "How events are written: json, one object a line, or legacy, a line of text.")
	fs.StringVar(&l.Version, "audit-log-version", auditVersion, "The API version of the events that are written.")
	fs.IntVar(&l.MaxAge, "audit-log-maxage", 366, "How many days old audit logs are kept. 0 means for ever.")
	fs.IntVar(&l.MaxBackups, "audit-log-maxbackup", 100, "How many old audit logs are kept. 0 means all.")
	fs.IntVar(&l.MaxSize, "audit-log-maxsize", 100, "The size in megabytes at which a new audit log is begun. 0 means never.")
	fs.BoolVar(&l.Compress, "audit-log-compress", false, "Compresses old audit logs with gzip.")
	l.Batch = AuditBatch{Mode: "blocking", BufferSize: 10000, MaxSize: 1, QPS: 0, Burst: 0}
	l.Batch.addFlags(fs, "log")
	l.Truncate.addFlags(fs, "log")
	fs.StringVar(&w.ConfigFile, "audit-webhook-config-file", "", "A kubeconfig of the service that audit events are posted to.")
	fs.StringVar(&w.Version, "audit-webhook-version", auditVersion, "The API version of the events that are posted.")
	fs.DurationVar(&w.InitialBackoff, "audit-webhook-initial-backoff", 10*time.Second, "How long to wait before a failed post is tried again.")
	w.Batch = AuditBatch{Mode: "batch", BufferSize: 10000, MaxSize: 400, MaxWait: 30 * time.Second, Throttle: true, QPS: 10, Burst: 15}
	w.Batch.addFlags(fs, "webhook")
	w.Truncate.addFlags(fs, "webhook")
	j := &o.Journal
	fs.BoolVar(&j.On, "audit-journal", true, "Keeps writes and refusals, and what the audit policy records, in the data folder, for the dashboard, 'pilothouse history' and /debug/audit.")
	fs.DurationVar(&j.Retention, "audit-journal-retention", 7*24*time.Hour, "How long the journal keeps an event. 0 means for ever.")
	fs.IntVar(&j.MaxSize, "audit-journal-maxsize", 256, "How many megabytes the journal takes; the oldest events go first.")
}

func (o *AuditBatch) addFlags(fs *pflag.FlagSet, plugin string) {
	name := func(rest string) string { return "audit-" + plugin + "-" + rest }
	fs.StringVar(&o.Mode, name("mode"), o.Mode, "batch: events are sent in the background; blocking: requests wait for it; blocking-strict: and fail when their first event cannot be kept.")
	fs.IntVar(&o.BufferSize, name("batch-buffer-size"), o.BufferSize, "How many events may wait in batch mode; more are lost.")
	fs.IntVar(&o.MaxSize, name("batch-max-size"), o.MaxSize, "How many events are sent at once in batch mode.")
	fs.DurationVar(&o.MaxWait, name("batch-max-wait"), o.MaxWait, "How long an event waits for others in batch mode.")
	fs.BoolVar(&o.Throttle, name("batch-throttle-enable"), o.Throttle, "Bounds how often batches are sent.")
	fs.Float32Var(&o.QPS, name("batch-throttle-qps"), o.QPS, "How many batches are sent a second on average.")
	fs.IntVar(&o.Burst, name("batch-throttle-burst"), o.Burst, "How many batches may be sent at once after a pause.")
}

func (o *AuditTruncate) addFlags(fs *pflag.FlagSet, plugin string) {
	name := func(rest string) string { return "audit-" + plugin + "-truncate-" + rest }
	fs.BoolVar(&o.On, name("enabled"), false, "Takes the objects out of events that are too large, and divides batches that are.")
	fs.IntVar(&o.MaxBatchSize, name("max-batch-size"), 10<<20, "How many bytes are sent at once. A batch that is larger is divided.")
	fs.IntVar(&o.MaxEventSize, name("max-event-size"), 100<<10, "How many bytes an event may have. A larger one loses its objects, and is lost when it still is too large.")
}

func (o *AuditTruncate) check(plugin string) error {
	flag := "--audit-" + plugin + "-truncate-"
	switch {
	case !o.On:
		return nil
	case o.MaxEventSize <= 0:
		return fmt.Errorf("%smax-event-size %d must be a positive number", flag, o.MaxEventSize)
	case o.MaxBatchSize < o.MaxEventSize:
		return fmt.Errorf("%smax-batch-size %d must be at least the event size %d", flag, o.MaxBatchSize, o.MaxEventSize)
	}
	return nil
}

func (o *Audit) check() error {
	for _, v := range []struct{ flag, value string }{{"log", o.Log.Version}, {"webhook", o.Webhook.Version}} {
		if v.value != auditVersion {
			return fmt.Errorf("--audit-%s-version must be %s", v.flag, auditVersion)
		}
	}
	if !slices.Contains(auditFormats, o.Log.Format) {
		return fmt.Errorf("--audit-log-format %q is none of %s", o.Log.Format, strings.Join(auditFormats, ", "))
	}
	for _, v := range []struct {
		flag  string
		value int
	}{{"maxage", o.Log.MaxAge}, {"maxbackup", o.Log.MaxBackups}, {"maxsize", o.Log.MaxSize}} {
		if v.value < 0 {
			return fmt.Errorf("--audit-log-%s %d can't be a negative number", v.flag, v.value)
		}
	}
	if o.Journal.Retention < 0 {
		return fmt.Errorf("--audit-journal-retention can't be negative")
	}
	if o.Journal.MaxSize < 32 {
		return fmt.Errorf("--audit-journal-maxsize %d must be at least 32", o.Journal.MaxSize)
	}
	if o.Webhook.InitialBackoff < 0 {
		return fmt.Errorf("--audit-webhook-initial-backoff can't be negative")
	}
	for plugin, t := range map[string]*AuditTruncate{"log": &o.Log.Truncate, "webhook": &o.Webhook.Truncate} {
		if err := t.check(plugin); err != nil {
			return err
		}
	}
	if err := o.Log.Batch.check("log"); err != nil {
		return err
	}
	return o.Webhook.Batch.check("webhook")
}

func (o *AuditBatch) check(plugin string) error {
	flag := "--audit-" + plugin + "-"
	switch {
	case !slices.Contains(auditModes, o.Mode):
		return fmt.Errorf("%smode %q is none of %s", flag, o.Mode, strings.Join(auditModes, ", "))
	case o.Mode != "batch":
		return nil
	case o.BufferSize <= 0:
		return fmt.Errorf("%sbatch-buffer-size %d must be a positive number", flag, o.BufferSize)
	case o.MaxSize <= 0:
		return fmt.Errorf("%sbatch-max-size %d must be a positive number", flag, o.MaxSize)
	case o.Throttle && o.QPS <= 0:
		return fmt.Errorf("%sbatch-throttle-qps %v must be a positive number", flag, o.QPS)
	case o.Throttle && o.Burst <= 0:
		return fmt.Errorf("%sbatch-throttle-burst %d must be a positive number", flag, o.Burst)
	}
	return nil
}
