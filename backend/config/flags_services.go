package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// Services are the addresses and ports that Services get.
type Services struct {
	ClusterIPRange string
	NodePortRange  string
}

func (o *Services) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.ClusterIPRange, "service-cluster-ip-range", "10.0.0.0/24", "A CIDR range from which Services get their cluster IPs.")
	fs.StringVar(&o.NodePortRange, "service-node-port-range", "30000-32767", "The range of ports for Services of type NodePort: the first, a dash, and the last.")
}

func (o *Services) check() error {
	prefix, err := o.Prefix()
	if err != nil {
		return err
	}
	if bits := prefix.Addr().BitLen() - prefix.Bits(); bits < 3 {
		return fmt.Errorf("--service-cluster-ip-range %q is too small: it must have at least 8 addresses", o.ClusterIPRange)
	} else if bits > 20 {
		return fmt.Errorf("--service-cluster-ip-range %q is too large: it must have at most 2^20 addresses", o.ClusterIPRange)
	}
	_, _, err = o.NodePorts()
	return err
}

// Prefix gives the range of cluster IPs.
func (o *Services) Prefix() (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(o.ClusterIPRange)
	if err != nil {
		return prefix, fmt.Errorf("--service-cluster-ip-range %q is not a CIDR range such as 10.0.0.0/24", o.ClusterIPRange)
	}
	return prefix.Masked(), nil
}

// NodePorts gives the first and the last port for Services of type NodePort.
func (o *Services) NodePorts() (first, last int, err error) {
	a, b, found := strings.Cut(o.NodePortRange, "-")
	first, errA := strconv.Atoi(strings.TrimSpace(a))
	last, errB := strconv.Atoi(strings.TrimSpace(b))
	if !found || errA != nil || errB != nil || first < 1 || last > 65535 || first > last {
		return 0, 0, fmt.Errorf("--service-node-port-range %q is not a range of ports such as 30000-32767", o.NodePortRange)
	}
	return first, last, nil
}
