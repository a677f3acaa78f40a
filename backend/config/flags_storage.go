package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Storage is where the server keeps its objects.
type Storage struct {
	// DataDir is the folder of everything that the server keeps.
	DataDir string
	Etcd    Etcd
	// HistoryRetention and HistorySize, in megabytes, bound the versions of objects
	// that are kept besides the newest; without a retention they go as in
	// kube-apiserver, after five to ten minutes.
	HistoryRetention time.Duration
	HistorySize      int
	// EncryptionConfig is the file that says what is sealed in storage; empty
	// for nothing. EncryptionReload follows it.
	EncryptionConfig string
	EncryptionReload bool
}

// Etcd is a cluster that holds the objects instead of the data folder.
type Etcd struct {
	// Servers are the members' addresses, empty for none.
	Servers []string
	// Prefix is what keys begin with.
	Prefix string
	// Files in PEM.
	CAFile, CertFile, KeyFile string
}

// InUse tells whether objects are in etcd.
func (o *Etcd) InUse() bool { return len(o.Servers) > 0 }

// AddFlags adds the flags of storage alone, for commands that need no more.
func (o *Storage) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.DataDir, "data-dir", "pilothouse-data", "The folder of everything that the server keeps: objects, certificates, kubeconfig.")
	o.Etcd.addFlags(fs)
}

// Check tells what is wrong with the flags.
func (o *Storage) Check() error { return o.check() }

func (o *Storage) addFlags(fs *pflag.FlagSet) {
	o.AddFlags(fs)
	fs.DurationVar(&o.HistoryRetention, "history-retention", 24*time.Hour, "How long old versions of objects and deleted ones are kept, in the data folder or in etcd. 0 keeps them for some minutes, as kube-apiserver does.")
	fs.IntVar(&o.HistorySize, "history-maxsize", 512, "How many megabytes of old versions are kept; the oldest go first. 0 is no limit.")
	fs.StringVar(&o.EncryptionConfig, "encryption-provider-config", "", "File with an EncryptionConfiguration: which resources are encrypted in storage, and with what.")
	fs.BoolVar(&o.EncryptionReload, "encryption-provider-config-automatic-reload", false, "Takes what --encryption-provider-config says anew when it has changed.")
}

func (o *Etcd) addFlags(fs *pflag.FlagSet) {
	fs.StringSliceVar(&o.Servers, "etcd-servers", nil, "Keeps objects in this etcd cluster, http(s)://HOST:PORT of its members, instead of the data folder; several servers may share it.")
	fs.StringVar(&o.Prefix, "etcd-prefix", "/pilothouse", "What the keys in etcd begin with.")
	fs.StringVar(&o.CAFile, "etcd-cafile", "", "The authority of etcd's certificates, a PEM file.")
	fs.StringVar(&o.CertFile, "etcd-certfile", "", "The certificate to show to etcd, a PEM file.")
	fs.StringVar(&o.KeyFile, "etcd-keyfile", "", "The key of --etcd-certfile, a PEM file.")
}

func (o *Storage) check() error {
	if o.DataDir == "" {
		return errors.New("--data-dir must not be empty")
	}
	if o.HistoryRetention < 0 || o.HistorySize < 0 {
		return errors.New("--history-retention and --history-maxsize must not be negative")
	}
	return o.Etcd.check()
}

func (o *Etcd) check() error {
	for _, server := range o.Servers {
		u, err := url.Parse(server)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("--etcd-servers: %q is not http(s)://HOST:PORT", server)
		}
	}
	switch {
	case o.InUse() && !strings.HasPrefix(o.Prefix, "/"):
		return fmt.Errorf("--etcd-prefix=%s: must begin with a slash", o.Prefix)
	case (o.CertFile == "") != (o.KeyFile == ""):
		return errors.New("--etcd-certfile and --etcd-keyfile go together")
	case !o.InUse() && (o.CAFile != "" || o.CertFile != ""):
		return errors.New("--etcd-cafile, --etcd-certfile and --etcd-keyfile need --etcd-servers")
	}
	return nil
}
