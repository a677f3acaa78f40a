// Package backend owns the assembly: it makes a whole API server out of the
// other packages, starts it and stops it. What there is of each kind (engines,
// authenticators, authorizers) is listed in lists.go. Read backend.go first,
// then lists.go and paths.go.
package backend

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"pilothouse/backend/admission/quota"
	"pilothouse/backend/aggregator"
	"pilothouse/backend/audit"
	"pilothouse/backend/client"
	"pilothouse/backend/config"
	"pilothouse/backend/controllers"
	"pilothouse/backend/controllers/apiaddress"
	"pilothouse/backend/crd"
	"pilothouse/backend/flowcontrol"
	"pilothouse/backend/health"
	"pilothouse/backend/history"
	"pilothouse/backend/kubelet"
	"pilothouse/backend/life"
	"pilothouse/backend/metrics"
	"pilothouse/backend/openapi"
	"pilothouse/backend/pki"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/server"
	"pilothouse/backend/storage"
	"pilothouse/backend/tracing"
	"pilothouse/web"

	"k8s.io/klog/v2"
)

// Server is a whole API server. Order of use: New, Run; or New, Close.
type Server struct {
	options *config.Options

	// stored is the engine as it stores values; engine opens what is sealed.
	stored, engine storage.Engine
	encryption     encryption
	// fresh tells that there was nothing in storage.
	fresh    bool
	registry *registry.Registry
	crds     *crd.Manager
	// main is the server for which this one serves some groups; nil when there
	// is none.
	main *client.Client
	// aggregator has the API servers that extend this one.
	aggregator *aggregator.Manager
	// documents are those of OpenAPI.
	documents *openapi.Service
	// tokens is what reviews of tokens use; authentication fills it in.
	tokens   *registry.Tokens
	access   *registry.Access
	streams  *registry.Streams
	kubelets *kubelet.Client
	// node is the one in this process; nil without.
	node           *embedded
	authentication *authentication
	authorization  *authorization
	// flow lets requests take turns; nil when it is off.
	flow *flowcontrol.Controller
	// audit records requests; nil without a policy.
	audit *audit.Auditor
	// life remembers requests; nil when it is off. spans sends OpenTelemetry spans.
	life  *life.Recorder
	spans *tracing.Tracer
	// timeline knows when revisions were written; nil without a retention.
	timeline *history.Timeline
	// quota has the accounts of ResourceQuotas.
	quota     *quota.Ledger
	serving   *pki.Serving
	pki       *pki.PKI
	health    *health.Health
	listeners listeners
	http      *server.Server
	// address keeps this server among the endpoints of the service kubernetes.
	address   *apiaddress.Keeper
	dashboard *web.Dashboard
	// chain answers requests from inside the process: all filters and the API.
	chain request.Handler

	// background is what runs beside the listeners until stop is called.
	background sync.WaitGroup
	stop       context.CancelFunc
	ctx        context.Context
}

// New opens the data folder, loads what is in it and listens; nothing is served
// before Run. Its errors are for the person who started the server: each says
// in one line what is in the way.
func New(o *config.Options) (_ *Server, err error) {
	s := &Server{options: o, health: health.New()}
	s.ctx, s.stop = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	for _, step := range []func() error{
		s.listen,          // first: a port that is taken is the most likely trouble
		s.openStorage,     // second: it holds the lock of the folder
		s.openDelegate,    // before the keys: it may bring authorities
		s.openKeys,        //
		s.loadRegistry,    //
		s.assemble,        // everything that a request passes
		s.bootstrap,       // the objects that every cluster has
		s.openNode,        //
		s.writeKubeconfig, // last: whoever waits for the file can use it
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Server) openStorage() (err error) {
	if s.stored, err = openEngine(s.ctx, &s.options.Storage); err != nil {
		return storageTrouble(&s.options.Storage, err)
	}
	s.engine, err = s.wrap(s.stored)
	return err
}

// storageTrouble says in a user's words why the storage does not open.
func storageTrouble(o *config.Storage, err error) error {
	dataDir := o.DataDir
	switch {
	case o.Etcd.InUse():
		return err // it names the cluster
	case errors.Is(err, storage.ErrLocked):
		return fmt.Errorf("the data folder %s is in use by another pilothouse", dataDir)
	case errors.Is(err, storage.ErrFormat):
		return fmt.Errorf("the data folder %s was written by a newer pilothouse", dataDir)
	}
	return fmt.Errorf("open the data folder %s: %w", dataDir, err)
}

func (s *Server) openKeys() (err error) {
	o := s.options
	dir := o.Serving.CertDir
	if dir == "" {
		dir = filepath.Join(o.Storage.DataDir, "pki")
	}
	if s.pki, err = pki.Open(dir, time.Now); err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	names, ips, err := servingNames(o)
	if err != nil {
		return err
	}
	s.serving, err = s.pki.Serving(pki.ServingOptions{
		CertFile: o.Serving.CertFile, KeyFile: o.Serving.KeyFile, ClientCAFile: o.Authn.ClientCAFile,
		ProxyCAFile: o.Authn.RequestHeader.ClientCAFile, Names: names, IPs: ips,
	})
	if err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	return nil
}

func (s *Server) writeKubeconfig() error {
	b, err := s.serving.Kubeconfig(s.URL(), s.listeners.host())
	if err != nil {
		return err
	}
	return pki.WriteFile(s.KubeconfigPath(), b, 0o600)
}

// Run serves until ctx ends, then stops within the grace period. ready is
// called once, when requests are answered.
func (s *Server) Run(ctx context.Context, ready func()) error {
	defer s.Close()
	served := s.serve()
	s.runBackground()
	s.waitForHooks(ctx)
	ready()
	select {
	case <-ctx.Done():
	case err := <-served:
		if err != nil {
			return fmt.Errorf("serve: %w", err)
		}
		return errors.New("serve: a listener was closed")
	}
	s.shutdown()
	return nil
}

// serve starts answering on all listeners. The channel gets what they end with.
func (s *Server) serve() <-chan error {
	served := make(chan error, 2)
	s.background.Go(func() {
		served <- metrics.Protected("server", func() error { return s.http.ServeTLS(s.listeners.secure) })
	})
	if s.listeners.dashboard != nil {
		s.background.Go(func() {
			served <- metrics.Protected("server", func() error { return s.http.ServeDashboard(s.listeners.dashboard) })
		})
	}
	return served
}

// certificateInterval is how often certificate files are looked at.
const certificateInterval = 5 * time.Second

// leftBehind is how much longer than storage that expires keys itself the loop
// for events waits: for those that a restore brought, which have no lease.
const leftBehind = 10 * time.Minute

// keep runs something beside the listeners until the server stops, whatever
// happens in it.
func (s *Server) keep(what string, run func()) { s.background.Go(metrics.Kept(s.ctx, what, run)) }

func (s *Server) runBackground() {
	s.keep("certificates", func() { s.serving.Run(s.ctx, certificateInterval) })
	s.keep("authentication", func() { s.authentication.run(s.ctx, certificateInterval) })
	s.keep("authorization", func() { s.authorization.configured.Run(s.ctx, certificateInterval) })
	s.keep("certificates", func() { s.publishTrust(s.ctx, certificateInterval) })
	if s.options.Storage.EncryptionReload {
		s.keep("encryption", func() { s.encryption.follow(s.ctx, certificateInterval) })
	}
	s.keep("compaction", func() {
		if err := storage.RunCompaction(s.ctx, s.engine, s.compaction()); err != nil {
			klog.ErrorS(err, "Compaction has stopped")
		}
	})
	if s.timeline != nil {
		s.keep("history", func() { s.timeline.Run(s.ctx) })
	}
	if s.flow != nil {
		s.keep("flow control", func() { s.flow.Run(s.ctx) })
	}
	s.keep("custom resources", func() { s.crds.Run(s.ctx) }) //nolint:errcheck // it ends with the context
	s.keep("aggregator", func() { s.aggregator.Run(s.ctx) })
	s.keep("openapi", func() { s.documents.Run(s.ctx) })
	if s.main != nil {
		s.keep("delegate", func() { s.runDelegate(s.ctx) })
	}
	s.keep("controller", func() { s.address.Run(s.ctx) })
	s.runNode()
	loops, err := controllers.Select(controllers.All(), s.options.Features.Controllers)
	if err != nil {
		klog.ErrorS(err, "Controllers do not run") // New has checked the names
		return
	}
	eventTTL := s.options.Features.EventTTL
	if _, ok := s.engine.(storage.Expiring); ok && eventTTL > 0 {
		eventTTL += leftBehind
	}
	deps := controllers.Deps{
		Client: client.New(s.chain, nil, "pilothouse"), Registry: s.registry, Clock: time.Now,
		RootCA: func() []byte { return s.pki.CA.CertPEM }, CA: s.pki.CA, Quota: s.quota,
		Token: s.authentication.secretToken, Remote: s.aggregator.Groups, EventTTL: eventTTL,
	}
	if s.options.Authn.EnableBootstrapToken {
		deps.Server = "https://" + s.advertised()
	}
	s.keep("controller", func() {
		if _, shared := s.engine.(storage.Shared); shared {
			controllers.RunElected(s.ctx, deps, loops)
			return
		}
		controllers.Run(s.ctx, deps, loops)
	})
}

// shutdown ends watches with their last chunk and waits for requests in flight
// as long as the grace period lasts.
func (s *Server) shutdown() {
	klog.InfoS("Stopping")
	s.health.Stopping()
	ctx, cancel := context.WithTimeout(context.Background(), s.options.General.ShutdownGrace)
	defer cancel()
	s.address.Leave(ctx)
	s.dashboard.Finish(ctx)
	if err := s.http.Shutdown(ctx); err != nil {
		klog.ErrorS(err, "Requests were cut off", "grace", s.options.General.ShutdownGrace)
	}
}

// Close ends everything and closes the storage: first whoever makes requests, then
// what records them, then what they read and write. It is idempotent.
func (s *Server) Close() {
	s.stop()
	if s.http != nil {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		s.http.Shutdown(ended) //nolint:errcheck // what is left is cut off
	}
	s.listeners.close()
	s.waitForBackground()
	s.closeAudit()
	s.closeTracing()
	if s.stored != nil {
		if err := s.stored.Close(); err != nil {
			klog.ErrorS(err, "Close storage")
		}
	}
	if s.registry != nil {
		s.registry.Close()
	}
}

// backgroundGrace is how long controllers, the dashboard and the like may take to
// end.
const backgroundGrace = 10 * time.Second

func (s *Server) waitForBackground() {
	ended := make(chan struct{})
	go metrics.Guarded("server", func() {
		if s.dashboard != nil {
			s.dashboard.Close() // it asks the API, too
		}
		s.background.Wait()
		close(ended)
	})()
	select {
	case <-ended:
	case <-time.After(backgroundGrace):
		klog.InfoS("Background work does not end, the storage is closed without it", "after", backgroundGrace)
	}
}

// URL is the address of the API.
func (s *Server) URL() string { return "https://" + s.listeners.secureAddress() }

// DashboardURL is the address of the dashboard, empty when there is none.
func (s *Server) DashboardURL() string {
	if s.listeners.dashboard == nil {
		return ""
	}
	return "http://" + s.listeners.dashboard.Addr().String() + "/"
}

// KubeconfigPath is where the administrator's kubeconfig is.
func (s *Server) KubeconfigPath() string {
	path := filepath.Join(s.options.Storage.DataDir, "admin.kubeconfig")
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// Handler answers requests from inside the process as one from the network is
// answered; the request's User says who asks.
func (s *Server) Handler() request.Handler { return s.chain }

// Registry is the live table.
func (s *Server) Registry() *registry.Registry { return s.registry }

func makeFolder(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("--data-dir: %w", err)
	}
	return nil
}
