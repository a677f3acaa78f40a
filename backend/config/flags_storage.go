package config

import (
	"errors"

	"github.com/spf13/pflag"
)

// Storage is where the server keeps its objects.
type Storage struct {
	// DataDir is the folder of everything that the server keeps.
	DataDir string
}

func (o *Storage) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.DataDir, "data-dir", "pilothouse-data", "The folder of everything that the server keeps: objects, certificates, kubeconfig.")
}

func (o *Storage) check() error {
	if o.DataDir == "" {
		return errors.New("--data-dir must not be empty")
	}
	return nil
}
