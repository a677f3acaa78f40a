package config

import (
	"errors"

	"github.com/spf13/pflag"
)

// Admission is which admission plugins look at writes, and their settings.
type Admission struct {
	// Enable and Disable change the default set of plugins.
	Enable, Disable []string
	// ConfigFile is an AdmissionConfiguration with settings by plugin.
	ConfigFile string
	// NotReadyTolerationSeconds and UnreachableTolerationSeconds are how long
	// pods stay on a node that fails, unless they say so themselves.
	NotReadyTolerationSeconds, UnreachableTolerationSeconds int64
}

func (o *Admission) addFlags(fs *pflag.FlagSet) {
	fs.StringSliceVar(&o.Enable, "enable-admission-plugins", nil, "Admission plugins that are called besides those that are on by default.")
	fs.StringSliceVar(&o.Disable, "disable-admission-plugins", nil, "Admission plugins that are not called although they are on by default.")
	fs.StringVar(&o.ConfigFile, "admission-control-config-file", "", "File with an AdmissionConfiguration: settings of admission plugins.")
	fs.Int64Var(&o.NotReadyTolerationSeconds, "default-not-ready-toleration-seconds", 300, "Seconds that pods tolerate a node that is not ready, unless they say so themselves.")
	fs.Int64Var(&o.UnreachableTolerationSeconds, "default-unreachable-toleration-seconds", 300, "Seconds that pods tolerate a node that is unreachable, unless they say so themselves.")
}

func (o *Admission) check() error {
	if o.NotReadyTolerationSeconds < 0 || o.UnreachableTolerationSeconds < 0 {
		return errors.New("--default-not-ready-toleration-seconds and --default-unreachable-toleration-seconds must not be negative")
	}
	return nil
}
