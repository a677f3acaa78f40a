package sealed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// sealedPrefix is what every sealed value begins with; no JSON does.
const sealedPrefix = "k8s:enc:"

func isSealed(value []byte) bool { return bytes.HasPrefix(value, []byte(sealedPrefix)) }

// plainLabel is the label of what is not sealed.
const plainLabel = "identity"

// Provider seals and opens values. The key that a value is stored under is given
// to both: a value under another key than it was sealed for does not open.
type Provider interface {
	// Prefix is what its values begin with, to tell who may open them; "" is the
	// provider that seals nothing.
	Prefix() string
	// Label names what new values are sealed with now.
	Label() string
	// Seal gives what comes after the prefix.
	Seal(ctx context.Context, key string, plain []byte) ([]byte, error)
	// Open is given what comes after the prefix; label is what Label was when it
	// was sealed.
	Open(ctx context.Context, key string, sealed []byte) (plain []byte, label string, err error)
}

// chain are the providers of a resource: the first one seals, all of them open.
// A nil one seals nothing and opens nothing.
type chain struct{ providers []Provider }

// seals tells whether new values are sealed.
func (c *chain) seals() bool { return c != nil && c.providers[0].Prefix() != "" }

// label names what new values are sealed with.
func (c *chain) label() string {
	if c == nil {
		return plainLabel
	}
	return c.providers[0].Label()
}

// opens tells whether values of a label can be opened.
func (c *chain) opens(label string) bool {
	if c == nil {
		return label == plainLabel
	}
	for _, p := range c.providers {
		if p.Prefix() == "" && label == plainLabel || p.Prefix() != "" && strings.HasPrefix(label, p.Prefix()) {
			return true
		}
	}
	return false
}

func (c *chain) seal(ctx context.Context, key string, plain []byte) (sealed []byte, label string, err error) {
	p := c.providers[0]
	body, err := p.Seal(ctx, key, plain)
	if err != nil {
		return nil, "", fmt.Errorf("seal %s with %s: %w", key, p.Label(), err)
	}
	return append([]byte(p.Prefix()), body...), p.Label(), nil
}

// Errors of opening.
var (
	errNoProvider = errors.New("no provider of the --encryption-provider-config opens it")
	errPlain      = errors.New("it is not sealed, and the providers of its resource in the --encryption-provider-config have no identity")
)

func (c *chain) open(ctx context.Context, key string, value []byte) (plain []byte, label string, err error) {
	if c == nil {
		return nil, "", errNoProvider
	}
	err = errNoProvider
	if !isSealed(value) {
		err = errPlain
	}
	for _, p := range c.providers {
		prefix := []byte(p.Prefix())
		switch {
		case len(prefix) == 0 && !isSealed(value):
			return value, plainLabel, nil
		case len(prefix) == 0 || !bytes.HasPrefix(value, prefix):
			continue
		}
		var failed error
		if plain, label, failed = p.Open(ctx, key, value[len(prefix):]); failed == nil {
			return plain, label, nil
		}
		err = fmt.Errorf("%s: %w", prefix, failed)
	}
	return nil, "", err
}

// Chains are the chains of all resources. A nil one has none.
type Chains struct {
	rules    []rule
	services []*kms
	stop     context.CancelFunc
	known    sync.Map // of a key's GROUP/RESOURCE to its *chain
}

// rule gives resources a chain.
type rule struct {
	resources []string // RESOURCE, RESOURCE.GROUP, *.GROUP, *. or *.*
	chain     *chain
}

// of gives the chain of a key's resource, nil when it has none.
func (c *Chains) of(key string) *chain {
	if c == nil {
		return nil
	}
	group, rest, _ := strings.Cut(key, "/")
	resource, _, _ := strings.Cut(rest, "/")
	name := key[:len(group)+min(len(rest), 1)+len(resource)]
	if known, ok := c.known.Load(name); ok {
		return known.(*chain)
	}
	found := c.find(group, resource)
	c.known.Store(strings.Clone(name), found)
	return found
}

// find gives the chain of the first rule that names a resource.
func (c *Chains) find(group, resource string) *chain {
	if group == "core" {
		group = ""
	}
	name := resource
	if group != "" {
		name += "." + group
	}
	for _, r := range c.rules {
		for _, of := range r.resources {
			if of == name || of == "*."+group || of == "*.*" {
				return r.chain
			}
		}
	}
	return nil
}
