package backend

import (
	"context"
	"fmt"
	"time"

	"pilothouse/backend/server"
	"pilothouse/backend/tracing"

	"k8s.io/klog/v2"
)

// openTracing begins to export spans when a configuration asks for it.
func (s *Server) openTracing() (server.Filter, error) {
	path := s.options.Features.TracingConfigFile
	if path == "" {
		return nil, nil
	}
	c, err := tracing.LoadConfig(path)
	if err != nil {
		return nil, fmt.Errorf("--tracing-config-file: %w", err)
	}
	if s.spans, err = tracing.Open(context.Background(), c, s.advertised()); err != nil {
		return nil, fmt.Errorf("--tracing-config-file: %w", err)
	}
	return s.spans.Filter, nil
}

// spansGrace is how long the last spans may take to get where they go.
const spansGrace = 2 * time.Second

func (s *Server) closeTracing() {
	if s.spans == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), spansGrace)
	defer cancel()
	if err := s.spans.Close(ctx); err != nil {
		klog.ErrorS(err, "Spans are lost")
	}
}
