package backend

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/config"
	"pilothouse/backend/controllers/apiaddress"
	"pilothouse/backend/request"
	"pilothouse/backend/storage"
)

// listeners are the ports of a server.
type listeners struct {
	secure, dashboard net.Listener
	bindAddress       string
}

func (s *Server) listen() (err error) {
	o := &s.options.Serving
	l := &s.listeners
	l.bindAddress = o.BindAddress
	address := net.JoinHostPort(o.BindAddress, strconv.Itoa(o.SecurePort))
	if l.secure, err = listen("--secure-port", address); err != nil {
		return err
	}
	if o.DashboardAddress != "" {
		l.dashboard, err = listen("--dashboard-address", o.DashboardAddress)
	}
	return err
}

func listen(flag, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s: %s is in use: is another server running?", flag, address)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return l, nil
}

func (l *listeners) close() {
	if l.secure != nil {
		l.secure.Close()
	}
	if l.dashboard != nil {
		l.dashboard.Close()
	}
}

// host is a name by which this machine reaches the secure port.
func (l *listeners) host() string {
	ip := net.ParseIP(l.bindAddress)
	switch {
	case ip.IsUnspecified() && ip.To4() == nil:
		return "::1"
	case ip.IsUnspecified():
		return "127.0.0.1"
	}
	return l.bindAddress
}

func (l *listeners) secureAddress() string {
	_, port, err := net.SplitHostPort(l.secure.Addr().String())
	if err != nil {
		return l.secure.Addr().String()
	}
	return net.JoinHostPort(l.host(), port)
}

// servingNames are the names and addresses that clients inside and outside of
// the cluster call the server by.
func servingNames(o *config.Options) (names []string, ips []net.IP, err error) {
	names = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	if host, err := os.Hostname(); err == nil && host != "" && host != "localhost" {
		names = append(names, host)
	}
	if namespace, name, port := o.Extension.Service(); port != 0 {
		names = append(names, name+"."+namespace+".svc")
	}
	prefix, err := o.Services.Prefix()
	if err != nil {
		return nil, nil, err
	}
	ips = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, net.IP(prefix.Addr().Next().AsSlice())}
	for _, ip := range []net.IP{net.ParseIP(o.Serving.BindAddress), o.Serving.Advertised()} {
		if ip != nil && !ip.IsUnspecified() && !contains(ips, ip) {
			ips = append(ips, ip)
		}
	}
	return names, ips, nil
}

func contains(ips []net.IP, ip net.IP) bool {
	for _, other := range ips {
		if other.Equal(ip) {
			return true
		}
	}
	return false
}

// port is that of the API.
func (l *listeners) port() int {
	if a, ok := l.secure.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// advertised is where clients in the cluster are told to find the API.
func (s *Server) advertised() string {
	host := s.listeners.host()
	if ip := s.options.Serving.Advertised(); ip != nil {
		host = ip.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(s.listeners.port()))
}

// newAddress gives what keeps this server among the endpoints of the API.
func (s *Server) newAddress() *apiaddress.Keeper {
	address, _ := netip.AddrFromSlice(s.options.Serving.Advertised())
	_, shared := s.engine.(storage.Shared)
	return apiaddress.New(apiaddress.Options{
		Client: client.New(s.chain, request.Server, "kube-apiserver"), Clock: time.Now,
		Address: address.Unmap(), Port: s.listeners.port(), Shared: shared,
	})
}
