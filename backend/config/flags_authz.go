package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Authz is how it is decided who may do what.
type Authz struct {
	Modes []string
}

// AuthorizationModes are the values that --authorization-mode takes.
var AuthorizationModes = []string{"AlwaysAllow", "AlwaysDeny", "Node", "RBAC"}

func (o *Authz) addFlags(fs *pflag.FlagSet) {
	fs.StringSliceVar(&o.Modes, "authorization-mode", []string{"Node", "RBAC"}, "Ordered list of what decides about requests, comma-separated: "+strings.Join(AuthorizationModes, ", ")+".")
}

func (o *Authz) check() error {
	if len(o.Modes) == 0 {
		return fmt.Errorf("--authorization-mode needs at least one of %s", strings.Join(AuthorizationModes, ", "))
	}
	for i, m := range o.Modes {
		if !slices.Contains(AuthorizationModes, m) {
			return fmt.Errorf("--authorization-mode %q is none of %s", m, strings.Join(AuthorizationModes, ", "))
		}
		if slices.Contains(o.Modes[:i], m) {
			return fmt.Errorf("--authorization-mode has %s twice", m)
		}
	}
	return nil
}

// Has tells whether a mode is on.
func (o *Authz) Has(mode string) bool { return slices.Contains(o.Modes, mode) }
