package config

import (
	"errors"
	"time"

	"pilothouse/backend/logging"

	"github.com/spf13/pflag"
)

// General is what belongs to no other group.
type General struct {
	ConfigFile string
	// ShutdownGrace bounds how long the server takes to stop.
	ShutdownGrace time.Duration
	Version       bool
}

func (o *General) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.ConfigFile, "config", "", "A YAML file of settings with the names of these flags. A flag and the environment win over it.")
	fs.DurationVar(&o.ShutdownGrace, "shutdown-grace", 20*time.Second, "How long requests in flight are waited for when the server stops.")
	fs.BoolVar(&o.Version, "version", false, "Prints the version and exits.")
	logging.AddFlags(fs)
}

func (o *General) check() error {
	if o.ShutdownGrace < 0 {
		return errors.New("--shutdown-grace can not be negative value")
	}
	return nil
}
