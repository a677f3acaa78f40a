package backend

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"pilothouse/backend/health"
	"pilothouse/backend/storage"
	"pilothouse/backend/storage/sealed"

	"k8s.io/klog/v2"
)

// encryption is how values are sealed in storage.
type encryption struct {
	path    string
	content []byte // of the file, as it was read last
	engine  *sealed.Engine
	current *sealed.Chains
}

// wrap gives the engine that seals what inner keeps. Without a configuration it
// seals nothing, and says so of what was sealed before.
func (s *Server) wrap(inner storage.Engine) (_ storage.Engine, err error) {
	e := &s.encryption
	if e.path = s.options.Storage.EncryptionConfig; e.path != "" {
		if e.current, e.content, err = e.load(s.ctx); err != nil {
			return nil, fmt.Errorf("--encryption-provider-config: %w", err)
		}
		s.health.Add(health.Check{Name: "kms-providers", Run: func(context.Context) error { return e.engine.Healthy() }}, "healthz", "readyz")
	}
	outer, engine := sealed.Wrap(inner, e.current)
	e.engine = engine
	return outer, nil
}

// load reads the file and reaches its key services.
func (e *encryption) load(ctx context.Context) (*sealed.Chains, []byte, error) {
	content, err := os.ReadFile(e.path)
	if err != nil {
		return nil, nil, err
	}
	chains, err := sealed.Parse(content)
	if err == nil {
		err = chains.Begin(ctx)
	}
	if err != nil {
		return nil, content, fmt.Errorf("%s: %w", e.path, err)
	}
	return chains, content, nil
}

// follow takes what the file says anew, until ctx ends. A file that cannot be
// used is logged, and what was before stays.
func (e *encryption) follow(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			e.refresh(ctx)
		}
	}
}

func (e *encryption) refresh(ctx context.Context) {
	if content, err := os.ReadFile(e.path); err == nil && bytes.Equal(content, e.content) {
		return
	}
	chains, content, err := e.load(ctx)
	if err == nil {
		if err = e.engine.Use(chains); err != nil {
			chains.End()
		}
	}
	if content != nil {
		e.content = content
	}
	if err != nil {
		klog.ErrorS(err, "Encryption configuration cannot be used, the one before stays")
		return
	}
	e.current.End()
	e.current = chains
	klog.InfoS("Encryption configuration was read anew", "file", e.path)
}
