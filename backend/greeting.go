package backend

import (
	"fmt"
	"strings"

	"pilothouse/backend/version"
)

// Greeting says, once the server is ready, where everything is.
func (s *Server) Greeting() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Pilothouse is ready (Kubernetes %s).\n", version.GitVersion)
	fmt.Fprintf(&b, "  API         %s\n", s.URL())
	if url := s.LoginURL(); url != "" {
		fmt.Fprintf(&b, "  Dashboard   %s  (logs in once, within 15 minutes)\n", url)
	}
	fmt.Fprintf(&b, "  kubeconfig  %s\n", s.KubeconfigPath())
	if s.node != nil {
		fmt.Fprintf(&b, "  Node        %s, %s: %s\n", s.node.name, s.node.choice.Backend, s.node.choice.Why)
	}
	return b.String()
}
