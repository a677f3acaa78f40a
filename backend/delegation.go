package backend

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/delegate"
	"pilothouse/backend/request"

	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// delegateTimeout is how long the main server may take to say whom to believe.
const delegateTimeout = 30 * time.Second

// openDelegate makes this server one that serves some groups for another, when
// the options say so.
func (s *Server) openDelegate() error {
	o := s.options
	if o.Extension.DelegateKubeconfig == "" {
		return nil
	}
	var err error
	if s.main, err = delegate.Connect(o.Extension.DelegateKubeconfig); err != nil {
		return fmt.Errorf("--delegate-kubeconfig: %w", err)
	}
	ctx, cancel := context.WithTimeout(s.ctx, delegateTimeout)
	defer cancel()
	if err := delegate.Configure(ctx, o, s.main, filepath.Join(o.Storage.DataDir, "delegate")); err != nil {
		return fmt.Errorf("--delegate-kubeconfig: %w", err)
	}
	return nil
}

// runDelegate follows the main server until ctx ends.
func (s *Server) runDelegate(ctx context.Context) {
	namespace, name, port := s.options.Extension.Service()
	delegate.New(delegate.Options{
		Main: s.main, Own: client.New(s.chain, request.Server, "pilothouse"), Registry: s.registry,
		Serves:   s.options.Extension.ServesGroup,
		Service:  apiregistrationv1.ServiceReference{Namespace: namespace, Name: name, Port: &port},
		CABundle: s.pki.CA.CertPEM,
	}).Run(ctx)
}
