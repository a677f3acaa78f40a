package backend

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/pki"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

// The ConfigMap in which API servers that extend this one read whom to believe;
// its name and keys are Kubernetes'.
const trustName = "extension-apiserver-authentication"

// proxyCertificate is how this server proves itself to API servers that extend
// it.
func (s *Server) proxyCertificate() (tls.Certificate, error) {
	h := s.options.Authn.RequestHeader
	if h.ProxyClientCertFile == "" {
		return tls.X509KeyPair(s.pki.FrontProxy.CertPEM, s.pki.FrontProxy.KeyPEM)
	}
	cert, err := tls.LoadX509KeyPair(h.ProxyClientCertFile, h.ProxyClientKeyFile)
	if err != nil {
		return cert, fmt.Errorf("--proxy-client-cert-file: %w", err)
	}
	return cert, nil
}

// trust is what the ConfigMap says: the authorities of users, and those and the
// headers of front proxies: the settings', or this server's own.
func (s *Server) trust() (map[string]string, error) {
	o := s.options.Authn
	clients := string(s.pki.CA.CertPEM)
	if o.ClientCAFile != "" {
		more, err := os.ReadFile(o.ClientCAFile)
		if err != nil {
			return nil, err
		}
		clients += string(more)
	}
	h := o.RequestHeader
	proxies := string(s.pki.FrontProxyCA.CertPEM)
	if h.ClientCAFile != "" {
		content, err := os.ReadFile(h.ClientCAFile)
		if err != nil {
			return nil, err
		}
		proxies = string(content)
	} else {
		h.AllowedNames, h.UsernameHeaders, h.UIDHeaders = []string{pki.FrontProxyName}, []string{"X-Remote-User"}, []string{"X-Remote-Uid"}
		h.GroupHeaders, h.ExtraHeadersPrefixes = []string{"X-Remote-Group"}, []string{"X-Remote-Extra-"}
	}
	return map[string]string{
		"client-ca-file":                     clients,
		"requestheader-client-ca-file":       proxies,
		"requestheader-allowed-names":        list(h.AllowedNames),
		"requestheader-username-headers":     list(h.UsernameHeaders),
		"requestheader-uid-headers":          list(h.UIDHeaders),
		"requestheader-group-headers":        list(h.GroupHeaders),
		"requestheader-extra-headers-prefix": list(h.ExtraHeadersPrefixes),
	}, nil
}

func list(values []string) string {
	if values == nil {
		values = []string{}
	}
	b, err := json.Marshal(values)
	if err != nil {
		panic("BUG: a list of strings cannot be encoded")
	}
	return string(b)
}

// publishTrust keeps the ConfigMap until ctx ends.
func (s *Server) publishTrust(ctx context.Context, every time.Duration) {
	c := client.New(s.chain, request.Server, "pilothouse")
	for {
		if err := s.writeTrust(ctx, c); err != nil && ctx.Err() == nil {
			klog.ErrorS(err, "ConfigMap cannot be kept", "configMap", klog.KRef(metav1.NamespaceSystem, trustName))
		}
		timer := time.NewTimer(every)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

func (s *Server) writeTrust(ctx context.Context, c *client.Client) error {
	want, err := s.trust()
	if err != nil {
		return err
	}
	// Only writes go the way of requests, and into the audit log.
	has := &corev1.ConfigMap{}
	o, err := s.registry.Store("", "configmaps").Get(ctx, metav1.NamespaceSystem, trustName, registry.GetOptions{})
	if err == nil {
		err = scheme.DecodeStored(o.Raw, has)
	}
	configMaps := corev1.SchemeGroupVersion.WithResource("configmaps")
	switch {
	case apierrors.IsNotFound(err):
		return c.Create(ctx, configMaps, metav1.NamespaceSystem, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: trustName, Namespace: metav1.NamespaceSystem}, Data: want,
		})
	case err != nil:
		return err
	case maps.Equal(has.Data, want):
		return nil
	}
	has.Data = want
	return c.Update(ctx, configMaps, has)
}
