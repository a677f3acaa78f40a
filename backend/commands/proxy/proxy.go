// Package proxy is `pilothouse proxy`: it serves the API of a server on this
// machine without authentication, as the user of a kubeconfig, by the rules of
// kubectl proxy: on loopback, for the hosts, paths and methods that its filter
// accepts. Browsers are logged into the dashboard as that user. It works with
// any Kubernetes API server; it imports nothing of the server's. Read proxy.go
// first, then filter.go and browser.go.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/proxy"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
	"k8s.io/klog/v2"
)

// Options are the flags of kubectl proxy.
type Options struct {
	// Config is the server, and who to be to it.
	Config *rest.Config
	// Address and Port are where to serve; 0 is any free port. UnixSocket is a
	// path to serve on instead.
	Address    string
	Port       int
	UnixSocket string
	// APIPrefix is where the API is served, StaticPrefix where the files of the
	// folder StaticDir are; no files without one.
	APIPrefix, StaticPrefix, StaticDir string
	// AppendServerPath keeps the path of the server's URL in front.
	AppendServerPath bool
	// The rules of the filter; see DefaultAcceptHosts.
	AcceptHosts, AcceptPaths, RejectPaths, RejectMethods string
	DisableFilter                                        bool
	// Keepalive is the time between signs of life on an open connection, 0 for
	// the system's.
	Keepalive time.Duration
}

// shutdownTimeout is how long requests may take when the proxy ends.
const shutdownTimeout = 2 * time.Second

// Run serves until ctx ends. ready is told the address.
func Run(ctx context.Context, o Options, ready func(address string)) error {
	handler, err := New(o)
	if err != nil {
		return err
	}
	l, err := listen(&o)
	if err != nil {
		return err
	}
	s := &http.Server{Handler: handler, ReadHeaderTimeout: 30 * time.Second, ErrorLog: nil}
	stop := context.AfterFunc(ctx, func() {
		late, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		if s.Shutdown(late) != nil {
			s.Close()
		}
	})
	defer stop()
	ready(l.Addr().String())
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func listen(o *Options) (net.Listener, error) {
	if o.UnixSocket != "" {
		// A socket that an earlier proxy left behind.
		if info, err := os.Lstat(o.UnixSocket); err == nil && info.Mode()&os.ModeSocket != 0 {
			if c, err := net.Dial("unix", o.UnixSocket); err == nil {
				c.Close()
				return nil, fmt.Errorf("--unix-socket: %s is in use", o.UnixSocket)
			}
			if err := os.Remove(o.UnixSocket); err != nil {
				return nil, err
			}
		}
		l, err := net.Listen("unix", o.UnixSocket)
		if err != nil {
			return nil, err
		}
		if err := os.Chmod(o.UnixSocket, 0o600); err != nil {
			l.Close()
			return nil, err
		}
		return l, nil
	}
	return net.Listen("tcp", net.JoinHostPort(o.Address, strconv.Itoa(o.Port)))
}

// New gives what answers requests.
func New(o Options) (http.Handler, error) {
	f, err := newFilter(&o)
	if err != nil {
		return nil, err
	}
	to, err := target(&o)
	if err != nil {
		return nil, err
	}
	o.Config.NextProtos = []string{"http/1.1"} // upgrades are HTTP/1.1's
	if o.Keepalive > 0 {
		o.Config.Dial = (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: o.Keepalive}).DialContext
	}
	round, err := rest.TransportFor(o.Config)
	if err != nil {
		return nil, err
	}
	upgrade, err := upgradeTransport(o.Config)
	if err != nil {
		return nil, err
	}
	b := &browser{to: to, round: round}
	api := proxy.NewUpgradeAwareHandler(to, b, false, false, responder{})
	api.UpgradeTransport = upgrade
	api.UseRequestLocation = true
	api.UseLocationHost = true
	api.AppendLocationPath = o.AppendServerPath
	mux := http.NewServeMux()
	prefix := "/" + strings.Trim(o.APIPrefix, "/")
	if prefix == "/" {
		mux.Handle("/", b.handler(api))
	} else {
		mux.Handle(prefix+"/", http.StripPrefix(prefix, b.handler(api)))
	}
	if o.StaticDir != "" {
		at := "/" + strings.Trim(o.StaticPrefix, "/") + "/"
		mux.Handle(at, http.StripPrefix(at, http.FileServer(http.Dir(o.StaticDir))))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !f.accepts(r) {
			klog.V(3).InfoS("Rejected", "method", r.Method, "path", r.URL.Path, "host", r.Host)
			http.Error(w, http.StatusText(http.StatusForbidden), http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	}), nil
}

// target is the server's address.
func target(o *Options) (*url.URL, error) {
	host := o.Config.Host
	if !strings.Contains(host, "://") {
		host = "https://" + host
	}
	u, err := url.Parse(host)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
	}
	return u, nil
}

// upgradeTransport adds credentials to requests that take their connection over.
func upgradeTransport(c *rest.Config) (proxy.UpgradeRequestRoundTripper, error) {
	t, err := c.TransportConfig()
	if err != nil {
		return nil, err
	}
	secure, err := transport.TLSConfigFor(t)
	if err != nil {
		return nil, err
	}
	plain := &http.Transport{TLSClientConfig: secure, DialContext: c.Dial}
	wrapped, err := transport.HTTPWrappersForConfig(t, proxy.MirrorRequest)
	if err != nil {
		return nil, err
	}
	return proxy.NewUpgradeRequestRoundTripper(plain, wrapped), nil
}

// responder answers when the server cannot be asked.
type responder struct{}

// Error says what is wrong.
func (responder) Error(w http.ResponseWriter, r *http.Request, err error) {
	klog.ErrorS(err, "Request was not sent on", "method", r.Method, "path", r.URL.Path)
	http.Error(w, err.Error(), http.StatusBadGateway)
}
