package backend

import (
	"context"
	"fmt"
	"time"

	"pilothouse/backend/follow"
	"pilothouse/backend/health"
	"pilothouse/backend/storage"
	"pilothouse/backend/storage/sealed"

	"k8s.io/klog/v2"
)

// encryption is how values are sealed in storage.
type encryption struct {
	path    string
	file    *follow.File // nil without a path
	engine  *sealed.Engine
	current *sealed.Chains
}

// wrap gives the engine that seals what inner keeps. Without a configuration it
// seals nothing, and says so of what was sealed before.
func (s *Server) wrap(inner storage.Engine) (_ storage.Engine, err error) {
	e := &s.encryption
	if e.path = s.options.Storage.EncryptionConfig; e.path != "" {
		if e.file, err = follow.Open(e.path); err == nil {
			e.current, err = e.load(s.ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("--encryption-provider-config: %w", err)
		}
		s.health.Add(health.Check{Name: "kms-providers", Run: func(context.Context) error { return e.engine.Healthy() }}, "healthz", "readyz")
	}
	outer, engine := sealed.Wrap(inner, e.current)
	e.engine = engine
	return outer, nil
}

// load takes what the file says and reaches its key services.
func (e *encryption) load(ctx context.Context) (*sealed.Chains, error) {
	chains, err := sealed.Parse(e.file.Content())
	if err == nil {
		err = chains.Begin(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.path, err)
	}
	return chains, nil
}

// follow takes what the file says anew, until ctx ends. A file that cannot be
// used is logged, and what was before stays.
func (e *encryption) follow(ctx context.Context, every time.Duration) {
	follow.Every(ctx, every, func() { e.refresh(ctx) })
}

func (e *encryption) refresh(ctx context.Context) {
	changed, err := e.file.Changed()
	if err == nil && !changed {
		return
	}
	var chains *sealed.Chains
	if err == nil {
		chains, err = e.load(ctx)
	}
	if err == nil {
		if err = e.engine.Use(chains); err != nil {
			chains.End()
		}
	}
	if err != nil {
		klog.ErrorS(err, "Encryption configuration cannot be used, the one before stays")
		return
	}
	e.current.End()
	e.current = chains
	klog.InfoS("Encryption configuration was read anew", "file", e.path)
}
