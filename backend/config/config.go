// Package config owns what can be set from outside: flags with kube-apiserver's
// names, a YAML file and environment variables of the same names. One file per
// group of settings (flags_*.go), each a struct with its flags and its checks.
// It imports nothing of the server. Read config.go first.
package config

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
	"sigs.k8s.io/yaml"
)

// Options are all settings of the server.
type Options struct {
	Serving  Serving
	Authn    Authn
	Authz    Authz
	Limits   Limits
	Services Services
	Storage  Storage
	Features Features
	General  General
	Kubelet  Kubelet
	Node     Node

	Extension Extension

	Admission Admission
	Audit     Audit
}

// group is one struct of settings.
type group interface {
	addFlags(fs *pflag.FlagSet)
	// check gives what is wrong with the settings, naming the flag.
	check() error
}

func (o *Options) groups() []group {
	return []group{
		&o.Serving,
		&o.Authn,
		&o.Authz,
		&o.Limits,
		&o.Services,
		&o.Storage,
		&o.Features,
		&o.General,
		&o.Kubelet,
		&o.Node,
		&o.Extension,
		&o.Admission,
		&o.Audit,
	}
}

// AddFlags adds all flags to fs. It also sets every option to its default.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	for _, g := range o.groups() {
		g.addFlags(fs)
	}
	addIgnored(fs)
}

// Default gives the options that no flag changes.
func Default() *Options {
	o := &Options{}
	o.AddFlags(pflag.NewFlagSet("", pflag.ContinueOnError))
	return o
}

// Complete takes the environment and the configuration file in and checks
// everything. A flag wins over the environment, and that over the file. fs is
// the parsed set that AddFlags was called with.
func (o *Options) Complete(fs *pflag.FlagSet, environ []string) error {
	if err := applyEnvironment(fs, environ); err != nil {
		return err
	}
	if o.General.ConfigFile != "" {
		if err := applyFile(fs, o.General.ConfigFile); err != nil {
			return err
		}
	}
	fs.VisitAll(func(f *pflag.Flag) {
		if v, ok := f.Value.(*ignored); ok && v.set {
			klog.InfoS("A flag of kube-apiserver has no effect here", "flag", "--"+f.Name)
		}
	})
	return o.Check()
}

// Check gives the first thing that is wrong with the options.
func (o *Options) Check() error {
	for _, g := range o.groups() {
		if err := g.check(); err != nil {
			return err
		}
	}
	return nil
}

// EnvironmentPrefix begins the names of environment variables that set flags:
// PILOTHOUSE_SECURE_PORT is --secure-port.
const EnvironmentPrefix = "PILOTHOUSE_"

// applyEnvironment sets flags that were not given. A variable that no flag has
// the name of is logged: it may be for another program.
func applyEnvironment(fs *pflag.FlagSet, environ []string) error {
	byName := map[string]*pflag.Flag{}
	fs.VisitAll(func(f *pflag.Flag) {
		byName[EnvironmentPrefix+strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))] = f
	})
	for _, line := range environ {
		name, value, _ := strings.Cut(line, "=")
		if !strings.HasPrefix(name, EnvironmentPrefix) {
			continue
		}
		f := byName[name]
		if f == nil {
			klog.InfoS("An environment variable sets no flag", "name", name)
			continue
		}
		if f.Changed {
			continue
		}
		if err := fs.Set(f.Name, value); err != nil {
			return fmt.Errorf("environment %s: %w", name, err)
		}
	}
	return nil
}

// applyFile sets flags that neither the command line nor the environment has
// set from a YAML file of name: value.
func applyFile(fs *pflag.FlagSet, path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	values := map[string]any{}
	if err := yaml.UnmarshalStrict(b, &values); err != nil {
		return fmt.Errorf("--config %s: %s", path, oneLine(err))
	}
	for name, value := range values {
		f := fs.Lookup(name)
		if f == nil || name == "config" {
			return fmt.Errorf("--config %s: there is no setting %q", path, name)
		}
		if f.Changed {
			continue
		}
		text, err := flagText(value)
		if err == nil {
			err = fs.Set(name, text)
		}
		if err != nil {
			return fmt.Errorf("--config %s: %w", path, err)
		}
	}
	return nil
}

// flagText writes a YAML value as it would stand on the command line.
func flagText(value any) (string, error) {
	switch v := value.(type) {
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			var err error
			if parts[i], err = flagText(e); err != nil {
				return "", err
			}
		}
		return strings.Join(parts, ","), nil
	case map[string]any:
		var parts []string
		for k, e := range v {
			text, err := flagText(e)
			if err != nil {
				return "", err
			}
			parts = append(parts, k+"="+text)
		}
		return strings.Join(parts, ","), nil
	case float64:
		if v == float64(int64(v)) {
			return fmt.Sprint(int64(v)), nil
		}
		return fmt.Sprint(v), nil
	case nil:
		return "", errors.New("a setting without a value")
	}
	return fmt.Sprint(value), nil
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
