package sealed

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"pilothouse/backend/metrics"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/install"
	"k8s.io/apiserver/pkg/apis/apiserver/validation"
)

// maxFile bounds the configuration, in bytes.
const maxFile = 1 << 20

// kmsTimeout is how long a key service may take when nothing else is said.
const kmsTimeout = 3 * time.Second

// Load reads and checks a file with an EncryptionConfiguration
// (apiserver.config.k8s.io/v1), in YAML or JSON. Errors are one line and have no
// keys in them. Its key services are asked when Begin is called.
func Load(path string) (*Chains, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c, err := Parse(content)
	if err != nil {
		return nil, fmt.Errorf("read %s: %s", path, strings.Join(strings.Fields(err.Error()), " "))
	}
	return c, nil
}

// Parse is Load of what is in a file.
func Parse(content []byte) (*Chains, error) {
	c, err := decode(content)
	if err != nil {
		return nil, err
	}
	out := &Chains{}
	for _, r := range c.Resources {
		of := &chain{}
		for _, p := range r.Providers {
			list, err := out.providers(&p)
			if err != nil {
				out.End()
				return nil, err
			}
			of.providers = append(of.providers, list...)
		}
		out.rules = append(out.rules, rule{r.Resources, of})
	}
	return out, nil
}

func decode(content []byte) (*apiserver.EncryptionConfiguration, error) {
	switch {
	case len(content) == 0:
		return nil, errors.New("an empty file")
	case len(content) > maxFile:
		return nil, fmt.Errorf("more than %d bytes", maxFile)
	}
	known := runtime.NewScheme()
	install.Install(known)
	obj, err := runtime.Decode(serializer.NewCodecFactory(known, serializer.EnableStrict).UniversalDecoder(), content)
	if err != nil {
		return nil, err
	}
	c, ok := obj.(*apiserver.EncryptionConfiguration)
	if !ok {
		return nil, fmt.Errorf("expected EncryptionConfiguration, got %T", obj)
	}
	for _, r := range c.Resources {
		for _, p := range r.Providers {
			if p.KMS != nil && p.KMS.APIVersion == "v1" {
				return nil, fmt.Errorf("the key service %s: version v1 of the interface is not supported, v2 is", p.KMS.Name)
			}
		}
	}
	return c, validation.ValidateEncryptionConfiguration(c, true).ToAggregate()
}

// providers gives the providers of an entry: one for each key.
func (c *Chains) providers(p *apiserver.ProviderConfiguration) ([]Provider, error) {
	switch {
	case p.AESGCM != nil:
		return keys(p.AESGCM.Keys, newAESGCM)
	case p.AESCBC != nil:
		return keys(p.AESCBC.Keys, newAESCBC)
	case p.Secretbox != nil:
		return keys(p.Secretbox.Keys, newSecretbox)
	case p.KMS != nil:
		timeout := kmsTimeout
		if p.KMS.Timeout != nil {
			timeout = p.KMS.Timeout.Duration
		}
		k, err := newKMS(p.KMS.Name, p.KMS.Endpoint, timeout)
		if err != nil {
			return nil, err
		}
		c.services = append(c.services, k)
		return []Provider{k}, nil
	}
	return []Provider{identity{}}, nil
}

func keys(list []apiserver.Key, of func(name string, secret []byte) (Provider, error)) ([]Provider, error) {
	var out []Provider
	for _, k := range list {
		secret, err := base64.StdEncoding.DecodeString(k.Secret)
		if err != nil {
			return nil, fmt.Errorf("the secret of key %s is not in base64", k.Name)
		}
		p, err := of(k.Name, secret)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", k.Name, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// Begin asks the key services, and goes on asking until ctx ends or End. It errs
// when one of them cannot be used.
func (c *Chains) Begin(ctx context.Context) error {
	ctx, c.stop = context.WithCancel(ctx)
	errs := make([]error, len(c.services))
	var wait sync.WaitGroup
	for i, k := range c.services {
		wait.Go(metrics.Guarded("encryption", func() { errs[i] = k.refresh(ctx) }))
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		c.End()
		return err
	}
	for _, k := range c.services {
		go metrics.Guarded("encryption", func() { k.run(ctx) })()
	}
	return nil
}

// End lets go of the key services.
func (c *Chains) End() {
	if c.stop != nil {
		c.stop()
	}
	for _, k := range c.services {
		k.conn.Close() //nolint:errcheck // nothing is left to do with it
	}
}

// Healthy tells what is wrong with the key services.
func (c *Chains) Healthy() error {
	if c == nil {
		return nil
	}
	errs := make([]error, len(c.services))
	for i, k := range c.services {
		errs[i] = k.healthy()
	}
	return errors.Join(errs...)
}
