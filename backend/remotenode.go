package backend

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/config"
	"pilothouse/backend/node"
	"pilothouse/backend/node/backends"
	"pilothouse/backend/pki"
	"pilothouse/backend/request"

	authenticationv1 "k8s.io/api/authentication/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// RemoteNode is a node on another machine than its API server.
type RemoteNode struct {
	config.Node
	// Kubeconfig leads to the API server, as the node or as somebody who may ask
	// for a node's certificate.
	Kubeconfig string
	// DataDir is the node's folder.
	DataDir string
	// Port is the kubelet API's.
	Port int
}

// certificateWait is how long a certificate is waited for.
const certificateWait = 2 * time.Minute

var (
	requestsResource = certificatesv1.SchemeGroupVersion.WithResource("certificatesigningrequests")
	reviewsResource  = authenticationv1.SchemeGroupVersion.WithResource("selfsubjectreviews")
)

// Run is the node's life: it lasts until ctx ends. ready is called once with
// what is to be told about the node.
func (o *RemoteNode) Run(ctx context.Context, ready func(said string)) error {
	if err := o.Check(); err != nil {
		return err
	}
	dir, err := filepath.Abs(o.DataDir)
	if err != nil {
		return err
	}
	if err := makeFolder(dir); err != nil {
		return err
	}
	hostname := hostName()
	name := nodeName(o.Name, hostname)
	api, err := o.api(ctx, name, dir)
	if err != nil {
		return err
	}
	address := o.Address
	if address == "" {
		address = nodeAddress()
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(o.Port)))
	if err != nil {
		return fmt.Errorf("the node's kubelet API: %w", err)
	}
	defer listener.Close()
	serving, err := o.serving(api, name, hostname, address)
	if err != nil {
		return err
	}
	choice, err := backends.Open(&o.Node, dir, time.Now)
	if err != nil {
		return err
	}
	agent, err := node.New(node.Options{
		Name: name, Client: client.New(client.Remote(api.base, api.http), node.User(name), node.Agents), API: api.address(), Runtime: choice.Runtime,
		Backend: choice.Backend, Why: choice.Why, Dir: dir, Address: address, Hostname: reachable(hostname, address), Listener: listener,
		TLS: serving, Callers: []string{kubeletUser}, Clock: time.Now, MaxPods: choice.MaxPods, Capacity: choice.Capacity,
	})
	if err != nil {
		return err
	}
	ready(fmt.Sprintf("Node %s is at work for %s.\n  Backend     %s: %s\n  kubelet     https://%s\n", name, api.base, choice.Backend, choice.Why, net.JoinHostPort(address, strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))))
	if err := agent.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// reachable gives the name of the host if others can be expected to find it by
// it, else its address: API servers try names first.
func reachable(hostname, address string) string {
	found, err := net.LookupHost(hostname)
	if err == nil && slices.Contains(found, address) && strings.Contains(hostname, ".") {
		return hostname
	}
	return address
}

// remoteAPI is the way to an API server.
type remoteAPI struct {
	base *url.URL
	http *http.Client
	ca   []byte
}

// address is the API server's, as host:port.
func (a *remoteAPI) address() string {
	port := a.base.Port()
	if port == "" {
		port = a.base.Scheme // a name of its port
	}
	return net.JoinHostPort(a.base.Hostname(), port)
}

func dialAPI(c *rest.Config) (*remoteAPI, error) {
	if err := rest.LoadTLSFiles(c); err != nil {
		return nil, err
	}
	h, err := rest.HTTPClientFor(c)
	if err != nil {
		return nil, err
	}
	host := c.Host
	if !strings.Contains(host, "://") {
		host = "https://" + host
	}
	base, err := url.Parse(host)
	return &remoteAPI{base: base, http: h, ca: c.CAData}, err
}

// api leads to the API server as the node: with the kubeconfig's credentials if
// they are the node's, else with a certificate that they ask for.
func (o *RemoteNode) api(ctx context.Context, name, dir string) (*remoteAPI, error) {
	c, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: o.Kubeconfig}, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("--kubeconfig: %w", err)
	}
	given, err := dialAPI(c)
	if err != nil {
		return nil, fmt.Errorf("--kubeconfig: %w", err)
	}
	own := rest.AnonymousClientConfig(c)
	own.CertFile, own.KeyFile = filepath.Join(dir, "kubelet-client.crt"), filepath.Join(dir, "kubelet-client.key")
	if good(own.CertFile, own.KeyFile, name, c.CAData) {
		return dialAPI(own)
	}
	asker := client.New(client.Remote(given.base, given.http), &request.User{}, "pilothouse-node")
	review := &authenticationv1.SelfSubjectReview{}
	if err := asker.Create(ctx, reviewsResource, "", review); err != nil {
		return nil, fmt.Errorf("ask %s who this is: %w", given.base, err)
	}
	if review.Status.UserInfo.Username == node.User(name).Name {
		return given, nil
	}
	if err := requestCertificate(ctx, asker, name, own.CertFile, own.KeyFile); err != nil {
		return nil, fmt.Errorf("a certificate for node %s: %w", name, err)
	}
	return dialAPI(own)
}

// good tells that there is a certificate of this node with a third of its life
// left, from one of the authorities.
func good(certFile, keyFile, name string, ca []byte) bool {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil || pair.Leaf.Subject.CommonName != node.User(name).Name {
		return false
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return false
	}
	life := pair.Leaf.NotAfter.Sub(pair.Leaf.NotBefore)
	return time.Now().Before(pair.Leaf.NotAfter.Add(-life / 3))
}

// requestCertificate asks for the node's client certificate and waits until it is
// signed. Who may ask for any node's gets it at once.
func requestCertificate(ctx context.Context, c *client.Client, name, certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: node.User(name).Name, Organization: []string{node.Group}},
	}, key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	r := &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "node-csr-"},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), SignerName: certificatesv1.KubeAPIServerClientKubeletSignerName,
			Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth},
		},
	}
	if err := c.Create(ctx, requestsResource, "", r); err != nil {
		return err
	}
	klog.InfoS("A certificate is asked for", "request", r.Name)
	for end := time.Now().Add(certificateWait); len(r.Status.Certificate) == 0; {
		for _, k := range r.Status.Conditions {
			if k.Type == certificatesv1.CertificateDenied || k.Type == certificatesv1.CertificateFailed {
				return fmt.Errorf("request %s: %s: %s", r.Name, k.Type, k.Message)
			}
		}
		if time.Now().After(end) {
			return fmt.Errorf("request %s is not signed: kubectl certificate approve %s", r.Name, r.Name)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
		if err := c.Get(ctx, requestsResource, "", r.Name, r); err != nil {
			return err
		}
	}
	if err := pki.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), 0o600); err != nil {
		return err
	}
	return pki.WriteFile(certFile, r.Status.Certificate, 0o644)
}

// serving gives the node's own serving certificate, which API servers do not
// check by default, and lets those in whom the cluster's authorities vouch for.
func (o *RemoteNode) serving(api *remoteAPI, name, hostname, address string) (*tls.Config, error) {
	own, err := pki.SelfSigned(name, []string{name, hostname}, []net.IP{net.ParseIP(address)}, time.Now)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(own.CertPEM, own.KeyPEM)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(api.ca) {
		return nil, errors.New("--kubeconfig has no certificate-authority: the node could not tell the API server from others")
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientCAs: roots}, nil
}
