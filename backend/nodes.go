package backend

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/metrics"
	"pilothouse/backend/node"
	"pilothouse/backend/node/backends"

	"k8s.io/klog/v2"
)

// embedded is the node in this process.
type embedded struct {
	agent  *node.Agent
	choice *backends.Choice
	name   string
	// names are what the API server may call it; listener is where it really is.
	names    []string
	listener net.Listener
}

// openNode makes the node in this process, if there is to be one.
func (s *Server) openNode() error {
	o := &s.options.Node
	if o.Backend == "none" {
		return nil
	}
	dir := filepath.Join(s.options.Storage.DataDir, "node")
	if err := makeFolder(dir); err != nil {
		return err
	}
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	hostname := hostName()
	name := nodeName(o.Name, hostname)
	address, listens := o.Address, o.Address
	if address == "" {
		address, listens = nodeAddress(), "127.0.0.1"
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(listens, "0"))
	if err != nil {
		return fmt.Errorf("the node's kubelet API: %w", err)
	}
	s.node = &embedded{name: name, names: []string{name, hostname, address}, listener: listener}
	config, callers, err := s.kubeletTLS(hostname, address)
	if err != nil {
		return err
	}
	if s.node.choice, err = backends.Open(o, dir, time.Now); err != nil {
		return err
	}
	c := s.node.choice
	s.node.agent, err = node.New(node.Options{
		Name: name, Client: client.New(s.chain, node.User(name), node.Agents), Proxier: client.New(s.chain, node.ProxyUser(), node.Proxies), API: s.listeners.secureAddress(),
		Runtime: c.Runtime, Backend: c.Backend, Why: c.Why, Dir: dir,
		Address: address, Hostname: hostname, Listener: listener, TLS: config, Callers: callers, Clock: time.Now, MaxPods: c.MaxPods, Capacity: c.Capacity,
	})
	return err
}

// kubeletTLS gives the serving certificate of the node's kubelet, and who may
// use it: the API server.
func (s *Server) kubeletTLS(hostname, address string) (*tls.Config, []string, error) {
	serving, err := s.pki.NodeServing("kubelet", s.node.name, []string{s.node.name, hostname, "localhost"}, []net.IP{net.ParseIP(address), net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, nil, fmt.Errorf("certificates: %w", err)
	}
	pair, err := tls.X509KeyPair(serving.CertPEM, serving.KeyPEM)
	if err != nil {
		return nil, nil, fmt.Errorf("certificates: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.pki.CA.Cert)
	callers := []string{kubeletUser}
	if file := s.options.Kubelet.ClientCertificate; file != "" {
		own, err := tls.LoadX509KeyPair(file, s.options.Kubelet.ClientKey)
		if err != nil {
			return nil, nil, fmt.Errorf("--kubelet-client-certificate: %w", err)
		}
		callers = []string{own.Leaf.Subject.CommonName}
		if s.options.Authn.ClientCAFile != "" {
			pem, err := os.ReadFile(s.options.Authn.ClientCAFile)
			if err != nil {
				return nil, nil, fmt.Errorf("--client-ca-file: %w", err)
			}
			roots.AppendCertsFromPEM(pem)
		}
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientCAs: roots}, callers, nil
}

// runNode is the node's life.
func (s *Server) runNode() {
	if s.node == nil {
		return
	}
	s.background.Go(func() {
		defer metrics.Caught("node")
		if err := s.node.agent.Run(s.ctx); err != nil && !errors.Is(err, context.Canceled) {
			klog.ErrorS(err, "The node has ended", "node", s.node.name)
		}
	})
}

// dialNode connects to the node in this process wherever its address leads, and
// to all others by theirs.
func (s *Server) dialNode(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	if s.node != nil {
		real := s.node.listener.Addr().String()
		host, port, _ := net.SplitHostPort(address)
		if _, own, _ := net.SplitHostPort(real); port == own && slices.Contains(s.node.names, host) {
			return d.DialContext(ctx, network, real)
		}
	}
	return d.DialContext(ctx, network, address)
}

func hostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "localhost"
	}
	return strings.ToLower(name)
}

// nodeName gives a Node's name: the host's, as far as that is one.
func nodeName(wanted, hostname string) string {
	if wanted != "" {
		return wanted
	}
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}
		return '-'
	}, hostname)
	if clean = strings.Trim(clean, "-."); clean == "" {
		return "localhost"
	}
	return clean
}

// nodeAddress gives the address by which this machine reaches others, loopback's
// when there is none.
func nodeAddress() string {
	if c, err := net.Dial("udp", "192.0.2.1:9"); err == nil { // sends nothing
		defer c.Close()
		if a, ok := c.LocalAddr().(*net.UDPAddr); ok && !a.IP.IsLoopback() {
			return a.IP.String()
		}
	}
	addresses, err := net.InterfaceAddrs()
	if err == nil {
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
				return n.IP.String()
			}
		}
	}
	return "127.0.0.1"
}
