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
}

func (o *Features) addFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.AllowPrivileged, "allow-privileged", false, "Lets pods have privileged containers.")
	fs.BoolVar(&o.Profiling, "profiling", true, "Serves profiles at /debug/pprof/.")
	fs.StringToStringVar(&o.RuntimeConfig, "runtime-config", nil, "Turns API versions on or off: GROUP/VERSION=true or =false, api/all=..., api/beta=..., api/legacy=...")
	fs.StringSliceVar(&o.Controllers, "controllers", []string{"*"}, "The controllers that run: '*' for all, 'name' for one, '-name' for all but it.")
	fs.DurationVar(&o.EventTTL, "event-ttl", time.Hour, "How long events are kept; 0 keeps them.")
}

func (o *Features) check() error {
	for key, value := range o.RuntimeConfig {
		if value != "" && value != "true" && value != "false" {
			return fmt.Errorf("--runtime-config %s=%s: the value must be true or false", key, value)
		}
	}
	if o.EventTTL < 0 {
		return fmt.Errorf("--event-ttl=%s: must not be negative", o.EventTTL)
	}
	return nil
}
