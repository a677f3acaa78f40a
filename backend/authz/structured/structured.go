// Package structured owns the AuthorizationConfiguration: which authorizers
// there are and in which order, read from a file that is followed while the
// server runs, or made from flags. Its format and checks are Kubernetes'. Read
// structured.go first, then dynamic.go.
package structured

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/install"
	"k8s.io/apiserver/pkg/apis/apiserver/validation"
	authorizationcel "k8s.io/apiserver/pkg/authorization/cel"
)

// Config is an AuthorizationConfiguration.
type Config = apiserver.AuthorizationConfiguration

// Webhook is the type of authorizer of which there may be several.
const Webhook = string(apiserver.TypeWebhook)

// Load reads and checks a file with an AuthorizationConfiguration, in YAML or
// JSON and any version. kinds are the types that it may have besides Webhook.
func Load(path string, kinds []string) (*Config, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c, err := Parse(content, kinds)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return c, nil
}

// Parse is Load of what is in a file. Errors are one line.
func Parse(content []byte, kinds []string) (*Config, error) {
	c, err := decode(content)
	if err == nil {
		err = check(c, kinds)
	}
	if err != nil {
		return nil, errors.New(strings.Join(strings.Fields(err.Error()), " "))
	}
	return c, nil
}

// decode reads a configuration; unknown fields are errors.
func decode(content []byte) (*Config, error) {
	if len(content) == 0 {
		return nil, errors.New("an empty file")
	}
	known := runtime.NewScheme()
	install.Install(known)
	obj, err := runtime.Decode(serializer.NewCodecFactory(known, serializer.EnableStrict).UniversalDecoder(), content)
	if err != nil {
		return nil, err
	}
	c, ok := obj.(*Config)
	if !ok {
		return nil, fmt.Errorf("expected AuthorizationConfiguration, got %T", obj)
	}
	return c, nil
}

func check(c *Config, kinds []string) error {
	known := sets.New(append([]string{Webhook}, kinds...)...)
	faults := validation.ValidateAuthorizationConfiguration(compiler(), nil, c, known, sets.New(Webhook))
	for i, a := range c.Authorizers {
		if a.Webhook != nil && a.Webhook.ConnectionInfo.Type == apiserver.AuthorizationWebhookConnectionInfoTypeInCluster {
			faults = append(faults, field.NotSupported(field.NewPath("authorizers").Index(i).Child("webhook", "connectionInfo", "type"),
				a.Webhook.ConnectionInfo.Type, []string{apiserver.AuthorizationWebhookConnectionInfoTypeKubeConfigFile}))
		}
	}
	return faults.ToAggregate()
}

func compiler() authorizationcel.Compiler { return authorizationcel.NewDefaultCompiler() }

// Flags are the authorization flags.
type Flags struct {
	Modes                          []string
	WebhookFile, WebhookVersion    string
	AuthorizedTTL, UnauthorizedTTL time.Duration
}

// defaultWebhook is the name of the webhook of the flags.
const defaultWebhook = "default"

// FromFlags gives what the flags, which were checked, mean.
func FromFlags(f Flags) *Config {
	c := &Config{}
	for _, mode := range f.Modes {
		a := apiserver.AuthorizerConfiguration{Type: apiserver.AuthorizerType(mode), Name: strings.ToLower(mode)}
		if mode == Webhook {
			a.Name = defaultWebhook
			a.Webhook = &apiserver.WebhookConfiguration{
				AuthorizedTTL: metav1.Duration{Duration: f.AuthorizedTTL}, CacheAuthorizedRequests: true,
				UnauthorizedTTL: metav1.Duration{Duration: f.UnauthorizedTTL}, CacheUnauthorizedRequests: true,
				SubjectAccessReviewVersion: f.WebhookVersion,
				FailurePolicy:              apiserver.FailurePolicyNoOpinion,
				ConnectionInfo: apiserver.WebhookConnectionInfo{
					Type: apiserver.AuthorizationWebhookConnectionInfoTypeKubeConfigFile, KubeConfigFile: &f.WebhookFile,
				},
			}
		}
		c.Authorizers = append(c.Authorizers, a)
	}
	return c
}

// typesOf are the types of a configuration in order, each once.
func typesOf(c *Config) []string {
	var out []string
	for _, a := range c.Authorizers {
		if t := string(a.Type); !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}
