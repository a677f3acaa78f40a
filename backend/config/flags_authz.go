package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Authz is how it is decided who may do what.
type Authz struct {
	Modes []string
	// ConfigFile is an AuthorizationConfiguration, which says all that the other
	// flags do and more.
	ConfigFile string
	Webhook    AuthzWebhook

	flags []*pflag.Flag // those that do not go with ConfigFile
}

// AuthzWebhook is the service that the mode Webhook asks.
type AuthzWebhook struct {
	ConfigFile, Version            string
	AuthorizedTTL, UnauthorizedTTL time.Duration
}

// AuthorizationModes are the values that --authorization-mode takes.
var AuthorizationModes = []string{"AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook"}

func (o *Authz) addFlags(fs *pflag.FlagSet) {
	fs.StringSliceVar(&o.Modes, "authorization-mode", []string{"Node", "RBAC"}, "Ordered list of what decides about requests, comma-separated: "+strings.Join(AuthorizationModes, ", ")+".")
	fs.StringVar(&o.ConfigFile, "authorization-config", "", "File with an AuthorizationConfiguration: what decides about requests, webhooks with conditions among it. It is followed while the server runs. Not together with --authorization-mode and the --authorization-webhook-* flags.")
	fs.StringVar(&o.Webhook.ConfigFile, "authorization-webhook-config-file", "", "kubeconfig file of the service that --authorization-mode=Webhook asks with SubjectAccessReviews.")
	fs.StringVar(&o.Webhook.Version, "authorization-webhook-version", "v1beta1", "The version of SubjectAccessReview that the service is sent: v1 or v1beta1.")
	fs.DurationVar(&o.Webhook.AuthorizedTTL, "authorization-webhook-cache-authorized-ttl", 5*time.Minute, "How long the service's answers are kept that allow something.")
	fs.DurationVar(&o.Webhook.UnauthorizedTTL, "authorization-webhook-cache-unauthorized-ttl", 30*time.Second, "How long the service's other answers are kept.")
	o.flags = nil
	for _, name := range []string{
		"authorization-mode", "authorization-webhook-config-file", "authorization-webhook-version",
		"authorization-webhook-cache-authorized-ttl", "authorization-webhook-cache-unauthorized-ttl",
	} {
		o.flags = append(o.flags, fs.Lookup(name))
	}
}

func (o *Authz) check() error {
	if o.ConfigFile != "" {
		return o.checkAlone()
	}
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
	return o.Webhook.check(o.Has("Webhook"))
}

// checkAlone checks that no flag says what the file says.
func (o *Authz) checkAlone() error {
	for _, f := range o.flags {
		if f.Changed {
			return fmt.Errorf("--authorization-config and --%s cannot be used together", f.Name)
		}
	}
	return nil
}

func (o *AuthzWebhook) check(on bool) error {
	switch {
	case on && o.ConfigFile == "":
		return errors.New("--authorization-mode Webhook needs --authorization-webhook-config-file")
	case !on && o.ConfigFile != "":
		return errors.New("--authorization-webhook-config-file needs --authorization-mode Webhook")
	case o.Version != "v1" && o.Version != "v1beta1":
		return fmt.Errorf("--authorization-webhook-version %q is neither v1 nor v1beta1", o.Version)
	case o.AuthorizedTTL < 0 || o.UnauthorizedTTL < 0:
		return errors.New("--authorization-webhook-cache-authorized-ttl and --authorization-webhook-cache-unauthorized-ttl must not be negative")
	}
	return nil
}

// Has tells whether a mode is on.
func (o *Authz) Has(mode string) bool { return slices.Contains(o.Modes, mode) }
