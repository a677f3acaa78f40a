// Package apitest runs a whole server inside a test: a temporary data folder
// with Badger, free ports, an administrator and whoever else the test names.
// Behaviour that a client can see is tested with it, over the network, as a
// client sees it. Read apitest.go first, then requests.go.
package apitest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backend"
	"pilothouse/backend/config"
)

// stopWithin is how long a server may take to stop at the end of a test.
const stopWithin = time.Minute

// User is somebody that a server knows by a token.
type User struct {
	Name   string
	Groups []string
}

// Options change a server from its defaults.
type Options struct {
	// Users get tokens; the token of a user is "token-" and the name. The
	// administrator needs none.
	Users []User
	// Change changes the settings before the start.
	Change func(o *config.Options)
	// DataDir is the folder of an earlier server of the same test; empty means
	// a new one.
	DataDir string
}

// Server is a running server.
type Server struct {
	*backend.Server
	t       testing.TB
	dataDir string
	admin   *http.Client // shows the administrator's certificate
	others  *http.Client // shows none
	close   func()
}

// Start starts a server, which is stopped when the test ends.
func Start(t testing.TB, options ...Options) *Server {
	t.Helper()
	var o Options
	if len(options) > 0 {
		o = options[0]
	}
	if o.DataDir == "" {
		o.DataDir = t.TempDir()
	}
	c := config.Default()
	c.Storage.DataDir = o.DataDir
	c.Serving.SecurePort = 0
	c.Serving.DashboardAddress = "127.0.0.1:0"
	c.General.ShutdownGrace = 5 * time.Second
	if len(o.Users) > 0 {
		c.Authn.TokenAuthFile = writeTokens(t, o.Users)
	}
	if o.Change != nil {
		o.Change(c)
	}
	b, err := backend.New(c)
	if err != nil {
		t.Fatalf("start the server: %v", err)
	}
	s := &Server{Server: b, t: t, dataDir: o.DataDir}
	s.run()
	t.Cleanup(s.Stop)
	s.makeClients()
	return s
}

// run serves until Stop and waits until it does.
func (s *Server) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- s.Run(ctx, func() { close(ready) }) }()
	<-ready
	s.close = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				s.t.Errorf("the server ended: %v", err)
			}
		case <-time.After(stopWithin):
			s.t.Errorf("the server did not stop within %v", stopWithin)
		}
	})
}

// Stop stops the server and waits for it. It is idempotent.
func (s *Server) Stop() {
	if s.admin != nil {
		s.admin.CloseIdleConnections()
		s.others.CloseIdleConnections()
	}
	s.close()
}

// DataDir is the server's folder, for another server after this one was
// stopped.
func (s *Server) DataDir() string { return s.dataDir }

func (s *Server) makeClients() {
	s.t.Helper()
	dir := filepath.Join(s.dataDir, "pki")
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		s.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "admin.crt"), filepath.Join(dir, "admin.key"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.admin = &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}}, MaxIdleConnsPerHost: 32,
	}}
	s.others = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 32}}
}

func writeTokens(t testing.TB, users []User) string {
	t.Helper()
	var lines strings.Builder
	for _, u := range users {
		fmt.Fprintf(&lines, "token-%s,%s,uid-%s,%q\n", u.Name, u.Name, u.Name, strings.Join(u.Groups, ","))
	}
	path := filepath.Join(t.TempDir(), "tokens.csv")
	if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
