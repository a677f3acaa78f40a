package config

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/pflag"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// Serving is where the server listens and which certificate it shows.
type Serving struct {
	BindAddress      string
	SecurePort       int
	AdvertiseAddress string
	CertFile         string
	KeyFile          string
	// CertDir holds the server's own certificates; empty means the data
	// folder's pki.
	CertDir string
	// DashboardAddress is where plain HTTP for browsers is served; empty means
	// nowhere.
	DashboardAddress string
	// DeletionWait is how long a deletion that was confirmed in the dashboard
	// waits, in which it can be undone.
	DeletionWait time.Duration
	// NoHTTP2 offers clients HTTP/1.1 only. MaxStreams is how many requests an
	// HTTP/2 connection may have open.
	NoHTTP2    bool
	MaxStreams int
}

func (o *Serving) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.BindAddress, "bind-address", "127.0.0.1", "The IP address on which to listen for the --secure-port; 0.0.0.0 or :: for all.")
	fs.IntVar(&o.SecurePort, "secure-port", 6443, "The port on which to serve HTTPS; 0 for any free one.")
	fs.StringVar(&o.AdvertiseAddress, "advertise-address", "", "The IP address on which to advertise the server to members of the cluster. If blank, the --bind-address is used, or the host's address if that is 0.0.0.0 or ::.")
	fs.StringVar(&o.CertFile, "tls-cert-file", "", "File with the x509 certificate for HTTPS, and its CA certificates after it. If blank, the server makes one of its own.")
	fs.StringVar(&o.KeyFile, "tls-private-key-file", "", "File with the private key of --tls-cert-file.")
	fs.StringVar(&o.CertDir, "cert-dir", "", "The folder of the certificates that the server makes. If blank, pki in the --data-dir.")
	fs.StringVar(&o.DashboardAddress, "dashboard-address", "127.0.0.1:8080", "The loopback address and port on which the dashboard is served in plain HTTP; blank for none.")
	fs.DurationVar(&o.DeletionWait, "dashboard-deletion-wait", 10*time.Second, "How long a deletion that was confirmed in the dashboard waits, in which it can be undone.")
	fs.BoolVar(&o.NoHTTP2, "disable-http2-serving", true, "Offers HTTP/1.1 only, which costs half as much per request; false offers HTTP/2 too, where all requests of a client share one connection.")
	fs.IntVar(&o.MaxStreams, "http2-max-streams-per-connection", 1000, "How many requests and watches a client may have open on one HTTP/2 connection.")
}

// Protocols are the versions of HTTP that are offered, by their names in ALPN
// (RFC 7301).
func (o *Serving) Protocols() []string {
	if o.NoHTTP2 {
		return []string{"http/1.1"}
	}
	return []string{"h2", "http/1.1"}
}

func (o *Serving) check() error {
	if net.ParseIP(o.BindAddress) == nil {
		return fmt.Errorf("--bind-address %q is not an IP address", o.BindAddress)
	}
	if o.SecurePort < 0 || o.SecurePort > 65535 {
		return fmt.Errorf("--secure-port %d is not between 0 and 65535", o.SecurePort)
	}
	if o.AdvertiseAddress != "" && net.ParseIP(o.AdvertiseAddress) == nil {
		return fmt.Errorf("--advertise-address %q is not an IP address", o.AdvertiseAddress)
	}
	if o.MaxStreams < 1 {
		return fmt.Errorf("--http2-max-streams-per-connection %d is not positive", o.MaxStreams)
	}
	if o.DeletionWait <= 0 {
		return fmt.Errorf("--dashboard-deletion-wait %s is not positive", o.DeletionWait)
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		return errors.New("--tls-cert-file and --tls-private-key-file go together")
	}
	if o.DashboardAddress == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(o.DashboardAddress)
	if err != nil {
		return fmt.Errorf("--dashboard-address %q is not an address with a port", o.DashboardAddress)
	}
	if _, err := net.LookupPort("tcp", port); err != nil || port == "" {
		return fmt.Errorf("--dashboard-address %q has no valid port", o.DashboardAddress)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("--dashboard-address %q is not on loopback: plain HTTP is not served to other machines", o.DashboardAddress)
	}
	return nil
}

// Advertised is the IP address that other machines are told to find the server
// at; nil when it listens everywhere and the host has no address.
func (o *Serving) Advertised() net.IP {
	if o.AdvertiseAddress != "" {
		return net.ParseIP(o.AdvertiseAddress)
	}
	ip := net.ParseIP(o.BindAddress)
	if !ip.IsUnspecified() {
		return ip
	}
	host, err := utilnet.ResolveBindAddress(ip)
	if err != nil {
		return nil
	}
	return host
}
