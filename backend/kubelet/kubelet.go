// Package kubelet owns how the API server reaches the kubelet of a node: which
// address and port, over which TLS connection, and under which path the kubelet
// serves a pod's logs and streams. A real kubelet, KWOK and the embedded node
// agent are the same to it. It starts no stream itself; see package stream.
package kubelet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// DefaultPort is the kubelet's port when a node's status names none.
const DefaultPort = 10250

// DefaultAddressTypes is the order of kube-apiserver's
// --kubelet-preferred-address-types.
var DefaultAddressTypes = []string{"Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP"}

const (
	dialTimeout      = 30 * time.Second
	handshakeTimeout = 10 * time.Second
	idleTimeout      = 90 * time.Second
	idlePerNode      = 25
)

// Options say how kubelets are reached.
type Options struct {
	// AddressTypes is the order in which the addresses of a node are preferred;
	// nil means DefaultAddressTypes.
	AddressTypes []string
	// Certificate gives the client certificate for each new connection; nil for
	// none.
	Certificate func() (*tls.Certificate, error)
	// Roots check the kubelets' serving certificates. Nil means that they are
	// not checked, as in kube-apiserver without a certificate authority.
	Roots *x509.CertPool
	// Dial makes the connections in place of a net.Dialer, so that nodes may be
	// reached in other ways than by their address.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client reaches the kubelets of all nodes.
type Client struct {
	types              []string
	transport, trusted *http.Transport
}

// Connection is the way to one node's kubelet.
type Connection struct {
	Scheme, Host, Port string
	// Transport speaks HTTP/1.1 only, since streams are upgrades of it.
	Transport *http.Transport
	// Insecure is Transport without a check of the kubelet's certificate, for
	// the logs of a client that asked for it.
	Insecure *http.Transport
}

// Address is host:port.
func (c *Connection) Address() string { return net.JoinHostPort(c.Host, c.Port) }

// New gives a Client.
func New(o Options) *Client {
	types := o.AddressTypes
	if types == nil {
		types = DefaultAddressTypes
	}
	return &Client{types: types, transport: newTransport(o, o.Roots), trusted: newTransport(o, nil)}
}

func newTransport(o Options, roots *x509.CertPool) *http.Transport {
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, InsecureSkipVerify: roots == nil} //nolint:gosec // without an authority there is nothing to check by
	if o.Certificate != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return o.Certificate() }
	}
	dial := o.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	}
	return &http.Transport{
		DialContext:         dial,
		TLSClientConfig:     config,
		TLSHandshakeTimeout: handshakeTimeout,
		IdleConnTimeout:     idleTimeout,
		MaxIdleConnsPerHost: idlePerNode,
		DisableCompression:  true,
	}
}

// Connection gives the way to a node. Its error is a plain one, in Kubernetes'
// words: the node has no address that may be used.
func (c *Client) Connection(node *corev1.Node) (*Connection, error) {
	host, err := address(node, c.types)
	if err != nil {
		return nil, err
	}
	port := int(node.Status.DaemonEndpoints.KubeletEndpoint.Port)
	if port <= 0 {
		port = DefaultPort
	}
	return &Connection{Scheme: "https", Host: host, Port: strconv.Itoa(port), Transport: c.transport, Insecure: c.trusted}, nil
}

// address gives the node's first address of the most preferred type that it
// has. The label of the host name stands in for a missing address of that type.
func address(node *corev1.Node, types []string) (string, error) {
	for _, t := range types {
		for _, a := range node.Status.Addresses {
			if string(a.Type) == t && a.Address != "" {
				return a.Address, nil
			}
		}
		if t == string(corev1.NodeHostName) {
			if name := node.Labels[corev1.LabelHostname]; name != "" {
				return name, nil
			}
		}
	}
	return "", fmt.Errorf("no preferred addresses found; known addresses: %v", node.Status.Addresses)
}

// CloseIdle closes the connections that no request uses.
func (c *Client) CloseIdle() {
	c.transport.CloseIdleConnections()
	c.trusted.CloseIdleConnections()
}
