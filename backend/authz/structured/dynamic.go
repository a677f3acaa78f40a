package structured

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pilothouse/backend/authz"
	"pilothouse/backend/authz/webhook"
	"pilothouse/backend/follow"
	"pilothouse/backend/metrics"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/validation"
	"k8s.io/klog/v2"
)

var (
	reloads = metrics.Register(prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "apiserver_authorization_config_controller_automatic_reloads_total",
		Help: "Total number of automatic reloads of authorization configuration split by status.",
	}, []string{"status"}))
	reloadedAt = metrics.Register(prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "apiserver_authorization_config_controller_automatic_reload_last_timestamp_seconds",
		Help: "Timestamp of the last automatic reload of authorization configuration split by status.",
	}, []string{"status"}))
)

// Options say which authorizers there are.
type Options struct {
	// Config is what the start found.
	Config *Config
	// Path is the file that it came from, to be followed; empty means that it
	// does not change.
	Path string
	// Kinds make the authorizers of the types besides Webhook. One is made when a
	// configuration first has its type, and stays.
	Kinds map[string]func() (authz.Authorizer, error)
	// Pause is webhook.Options'.
	Pause time.Duration
}

// Dynamic asks the authorizers of a configuration in its order, and follows its
// file.
type Dynamic struct {
	o       Options
	current atomic.Pointer[union]

	mu   sync.Mutex   // guards file and made
	file *follow.File // nil when there is none to follow
	made map[string]authz.Authorizer
}

// union is the authorizers of one configuration.
type union struct {
	authz.Authorizer
	types []string
}

// New gives a Dynamic. Errors are one line.
func New(o Options) (*Dynamic, error) {
	d := &Dynamic{o: o, made: map[string]authz.Authorizer{}}
	u, err := d.make(o.Config)
	if err != nil {
		return nil, err
	}
	if o.Path != "" {
		if d.file, err = follow.Open(o.Path); err != nil {
			return nil, err
		}
	}
	d.current.Store(u)
	return d, nil
}

// Authorize asks the authorizers in order.
func (d *Dynamic) Authorize(ctx context.Context, a *authz.Attributes) (authz.Decision, string, error) {
	return d.current.Load().Authorize(ctx, a)
}

// Types are the types of authorizers that are asked just now, in order.
func (d *Dynamic) Types() []string { return d.current.Load().types }

func (d *Dynamic) make(c *Config) (*union, error) {
	var list []authz.Authorizer
	for _, one := range c.Authorizers {
		a, err := d.authorizer(one)
		if err != nil {
			return nil, err
		}
		list = append(list, authz.Counted(string(one.Type), one.Name, a))
	}
	return &union{authz.Union(list...), typesOf(c)}, nil
}

func (d *Dynamic) authorizer(c apiserver.AuthorizerConfiguration) (authz.Authorizer, error) {
	if c.Type == apiserver.TypeWebhook {
		return d.webhook(c)
	}
	kind := string(c.Type)
	if a, ok := d.made[kind]; ok {
		return a, nil
	}
	a, err := d.o.Kinds[kind]()
	if err != nil {
		return nil, err
	}
	d.made[kind] = a
	return a, nil
}

func (d *Dynamic) webhook(c apiserver.AuthorizerConfiguration) (authz.Authorizer, error) {
	w := c.Webhook
	o := webhook.Options{
		Name: c.Name, File: *w.ConnectionInfo.KubeConfigFile, Version: w.SubjectAccessReviewVersion, Timeout: w.Timeout.Duration, Pause: d.o.Pause,
	}
	if w.CacheAuthorizedRequests {
		o.AuthorizedTTL = w.AuthorizedTTL.Duration
	}
	if w.CacheUnauthorizedRequests {
		o.UnauthorizedTTL = w.UnauthorizedTTL.Duration
	}
	if w.FailurePolicy == apiserver.FailurePolicyDeny {
		o.OnError = authz.Deny
	}
	if len(w.MatchConditions) > 0 {
		conditions, faults := validation.ValidateAndCompileMatchConditions(compiler(), w.MatchConditions)
		if err := faults.ToAggregate(); err != nil {
			return nil, err
		}
		o.Conditions = conditions
	}
	a, err := webhook.New(o)
	if err != nil {
		return nil, fmt.Errorf("authorizer %s: %w", c.Name, err)
	}
	return a, nil
}

// Run follows the file every so often, until ctx ends.
func (d *Dynamic) Run(ctx context.Context, every time.Duration) {
	if d.o.Path == "" {
		return
	}
	follow.Every(ctx, every, d.Refresh)
}

// Refresh reads the file once. When it says something else than before, its
// authorizers take the place of those before at once. A file that cannot be used
// is logged, and what was before stays.
func (d *Dynamic) Refresh() {
	d.mu.Lock()
	defer d.mu.Unlock()
	changed, err := d.file.Changed()
	if err != nil {
		klog.ErrorS(err, "Authorization configuration cannot be read, the one before stays")
		return
	}
	if !changed {
		return
	}
	next, err := d.parse(d.file.Content())
	status := "success"
	if err != nil {
		status = "failure"
		klog.ErrorS(err, "Authorization configuration cannot be used, the one before stays", "file", d.o.Path)
	} else {
		d.current.Store(next)
		klog.InfoS("Authorization configuration was read anew", "file", d.o.Path, "types", next.types)
	}
	reloads.WithLabelValues(status).Inc()
	reloadedAt.WithLabelValues(status).SetToCurrentTime()
}

func (d *Dynamic) parse(content []byte) (*union, error) {
	c, err := Parse(content, d.kinds())
	if err != nil {
		return nil, err
	}
	if err := d.keepsTypes(c); err != nil {
		return nil, err
	}
	return d.make(c)
}

// keepsTypes checks that a new configuration has all types but Webhook that the
// start had: a slip in the file must not turn RBAC off.
func (d *Dynamic) keepsTypes(c *Config) error {
	var missing []string
	types := typesOf(c)
	for _, t := range typesOf(d.o.Config) {
		if t != Webhook && !slices.Contains(types, t) {
			missing = append(missing, t)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("authorizers: %s must stay in the file until the next start", strings.Join(missing, ", "))
	}
	return nil
}

func (d *Dynamic) kinds() []string {
	var out []string
	for kind := range d.o.Kinds {
		out = append(out, kind)
	}
	return out
}
