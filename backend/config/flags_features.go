package config

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"
)

// Features are what is served and what runs.
type Features struct {
	AllowPrivileged bool
	Profiling       bool
	// RuntimeConfig turns groups and versions on and off: "apps/v1": "false".
	RuntimeConfig map[string]string
	// Controllers are those that run: names, "*" for all, "-name" for all but it.
	Controllers []string
	// EventTTL is how long events are kept after their last write; zero keeps
	// them.
	EventTTL time.Duration
	// RequestsKept is how many reads, writes and notable requests each are
	// remembered; 0 remembers none.
	RequestsKept int
	// SlowRequest is from when on the steps of a request are logged; zero is never.
	SlowRequest time.Duration
	// TracingConfigFile is a TracingConfiguration; empty exports no spans.
	TracingConfigFile string
}

func (o *Features) addFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.AllowPrivileged, "allow-privileged", false, "Lets pods have privileged containers.")
	fs.BoolVar(&o.Profiling, "profiling", true, "Serves profiles at /debug/pprof/.")
	fs.StringToStringVar(&o.RuntimeConfig, "runtime-config", nil, "Turns API versions on or off: GROUP/VERSION=true or =false, api/all=..., api/beta=..., api/legacy=...")
	fs.StringSliceVar(&o.Controllers, "controllers", []string{"*"}, "The controllers that run: '*' for all, 'name' for one, '-name' for all but it; none when empty.")
	fs.DurationVar(&o.EventTTL, "event-ttl", time.Hour, "How long events are kept; 0 keeps them.")
	fs.IntVar(&o.RequestsKept, "requests-kept", 1024, "How many reads, writes and notable (slow, refused, failed) requests each are kept in memory for /debug/requests; 0 keeps none.")
	fs.DurationVar(&o.SlowRequest, "slow-request-threshold", 500*time.Millisecond, "Requests that take at least this long log a trace of their steps; 0 logs none.")
	fs.StringVar(&o.TracingConfigFile, "tracing-config-file", "", "A file with a TracingConfiguration of apiserver.config.k8s.io: where OpenTelemetry spans are sent, and of how many requests.")
}

func (o *Features) check() error {
	for key, value := range o.RuntimeConfig {
		if value != "" && value != "true" && value != "false" {
			return fmt.Errorf("--runtime-config %s=%s: the value must be true or false", key, value)
		}
	}
	if o.RequestsKept < 0 || o.RequestsKept > 1<<20 {
		return fmt.Errorf("--requests-kept=%d: must be between 0 and %d", o.RequestsKept, 1<<20)
	}
	if o.SlowRequest < 0 {
		return fmt.Errorf("--slow-request-threshold=%s: must not be negative", o.SlowRequest)
	}
	if o.EventTTL < 0 {
		return fmt.Errorf("--event-ttl=%s: must not be negative", o.EventTTL)
	}
	return nil
}
