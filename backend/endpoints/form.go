package endpoints

import (
	"strconv"
	"strings"
	"sync"

	"pilothouse/backend/scheme"
)

// formCache remembers what Accept headers mean: there are few different ones.
type formCache struct {
	mu    sync.RWMutex
	known map[formKey]scheme.MediaType
}

type formKey struct {
	accept string
	offer  scheme.Offer
}

// Bounds of a formCache.
const (
	maxForms      = 512
	maxFormHeader = 512
)

// negotiate is scheme.Negotiate with a memory.
func (c *formCache) negotiate(accept string, o scheme.Offer) (scheme.MediaType, error) {
	switch accept {
	case "", "*/*", scheme.MediaJSON:
		return scheme.MediaType{Type: scheme.MediaJSON}, nil
	}
	key := formKey{accept, o}
	c.mu.RLock()
	m, ok := c.known[key]
	c.mu.RUnlock()
	if ok {
		return m, nil
	}
	m, err := scheme.Negotiate(accept, o)
	if err != nil || len(accept) > maxFormHeader {
		return m, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) >= maxForms {
		c.known = map[formKey]scheme.MediaType{}
	}
	c.known[key] = m
	return m, nil
}

// pretty tells whether JSON is to be indented: when the client says so, and for
// clients that show it to people.
func (c *call) pretty() bool {
	if c.form.Type != scheme.MediaJSON {
		return false
	}
	if c.form.Pretty {
		return true
	}
	// Most requests have no such parameter; finding that out must not parse
	// the query.
	if strings.Contains(c.r.RawQuery, "pretty") {
		if p := c.r.Query().Get("pretty"); p != "" {
			yes, _ := strconv.ParseBool(p)
			return yes
		}
	}
	agent := c.r.Header.Get("User-Agent")
	return strings.HasPrefix(agent, "curl") || strings.HasPrefix(agent, "Wget") || strings.HasPrefix(agent, "Mozilla/5.0")
}
