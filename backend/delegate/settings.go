package delegate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/config"
	"pilothouse/backend/pki"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/klog/v2"
)

// Connect gives a client of the main server that a kubeconfig names.
func Connect(kubeconfig string) (*client.Client, error) {
	c, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	handler, err := Remote(c)
	if err != nil {
		return nil, err
	}
	return client.New(handler, nil, "pilothouse"), nil
}

// reviewTTL is how long the main server's answers about callers are kept; it is
// that of Kubernetes' delegating servers.
const reviewTTL = 10 * time.Second

// Configure makes a server ask the main one who callers are and what they may
// do, and believe it when it names them: it sets the options that say so, and
// writes the files that they name to dir. Without an answer, what was written
// before counts.
func Configure(ctx context.Context, o *config.Options, main *client.Client, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	trust := &corev1.ConfigMap{}
	saved := filepath.Join(dir, "trust.json")
	err := main.Get(ctx, corev1.SchemeGroupVersion.WithResource("configmaps"), metav1.NamespaceSystem, "extension-apiserver-authentication", trust)
	if err != nil {
		raw, old := os.ReadFile(saved)
		if old != nil || json.Unmarshal(raw, trust) != nil {
			return fmt.Errorf("the main server does not say whom to believe: %w", err)
		}
		klog.ErrorS(err, "The main server does not say whom to believe; what it said last counts")
	} else if raw, err := json.Marshal(trust); err != nil {
		return err
	} else if err := pki.WriteFile(saved, raw, 0o600); err != nil {
		return err
	}
	if err := believe(o, trust.Data, dir); err != nil {
		return err
	}
	return ask(o, dir)
}

// believe takes over whom the main server says to believe.
func believe(o *config.Options, trust map[string]string, dir string) error {
	ca := trust["requestheader-client-ca-file"]
	if ca == "" {
		return errors.New("the main server has no front proxy")
	}
	h := &o.Authn.RequestHeader
	h.ClientCAFile = filepath.Join(dir, "front-proxy-ca.crt")
	if err := pki.WriteFile(h.ClientCAFile, []byte(ca), 0o600); err != nil {
		return err
	}
	for key, into := range map[string]*[]string{
		"requestheader-allowed-names": &h.AllowedNames, "requestheader-username-headers": &h.UsernameHeaders, "requestheader-uid-headers": &h.UIDHeaders,
		"requestheader-group-headers": &h.GroupHeaders, "requestheader-extra-headers-prefix": &h.ExtraHeadersPrefixes,
	} {
		if trust[key] == "" {
			continue
		}
		if err := json.Unmarshal([]byte(trust[key]), into); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	if ca := trust["client-ca-file"]; ca != "" && o.Authn.ClientCAFile == "" {
		o.Authn.ClientCAFile = filepath.Join(dir, "client-ca.crt")
		return pki.WriteFile(o.Authn.ClientCAFile, []byte(ca), 0o600)
	}
	return nil
}

// ask sends reviews to the main server.
func ask(o *config.Options, dir string) error {
	review := func(name, path string) (string, error) {
		c, err := clientcmd.LoadFromFile(o.Extension.DelegateKubeconfig)
		if err != nil {
			return "", err
		}
		if err := clientcmdapi.FlattenConfig(c); err != nil {
			return "", err
		}
		for _, cluster := range c.Clusters {
			cluster.Server = strings.TrimSuffix(cluster.Server, "/") + path
		}
		raw, err := clientcmd.Write(*c)
		if err != nil {
			return "", err
		}
		file := filepath.Join(dir, name)
		return file, pki.WriteFile(file, raw, 0o600)
	}
	var err error
	t, z := &o.Authn.TokenWebhook, &o.Authz.Webhook
	if t.ConfigFile, err = review("tokenreviews.kubeconfig", "/apis/authentication.k8s.io/v1/tokenreviews"); err != nil {
		return err
	}
	if z.ConfigFile, err = review("subjectaccessreviews.kubeconfig", "/apis/authorization.k8s.io/v1/subjectaccessreviews"); err != nil {
		return err
	}
	t.Version, t.CacheTTL = "v1", reviewTTL
	o.Authz.Modes, z.Version, z.AuthorizedTTL, z.UnauthorizedTTL = []string{"Webhook"}, "v1", reviewTTL, reviewTTL
	// The loops of the main server work on what is here, too.
	o.Features.Controllers = []string{"-*"}
	return nil
}
