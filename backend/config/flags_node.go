package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Node is the node in this process and what runs its pods.
type Node struct {
	// Backend is one of NodeBackends.
	Backend string
	// Name is the Node's; blank for the host's.
	Name string
	// Address is the node's IP address; blank to find it out. The kubelet API of a
	// node in the API server's process listens on it then, else on loopback only.
	Address string
	// RuntimeEndpoint is the socket of a container runtime (CRI).
	RuntimeEndpoint string
	// AllowPrivileged lets pods of the builtin backend have privileged
	// containers, paths of the host and its namespaces.
	AllowPrivileged bool
	// PodCIDR is where the builtin backend takes pods' addresses from; blank for
	// a free range.
	PodCIDR string
	// MaxPods is how many pods the node takes; 0 for the backend's own number.
	MaxPods int64
}

// NodeBackends are the values that --node takes.
var NodeBackends = []string{"none", "auto", "cri", "builtin", "sim"}

func (o *Node) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Backend, "node", "none", "The node in this process: none; auto for what the machine can do; cri for a container runtime's socket; builtin for Linux containers without a daemon; sim for one that only pretends.")
	o.AddRuntimeFlags(fs)
}

// AddRuntimeFlags adds the flags that `pilothouse node` has too.
func (o *Node) AddRuntimeFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Name, "node-name", "", "The name of the node; the host's name unless it is set.")
	fs.StringVar(&o.Address, "node-ip", "", "The IP address of the node; found out unless it is set. With --node its kubelet API listens there, for metrics-server and the like; else only the API server reaches it.")
	fs.StringVar(&o.RuntimeEndpoint, "container-runtime-endpoint", "", "The socket of a container runtime (CRI) for --node=cri and auto: unix:///run/containerd/containerd.sock.")
	fs.BoolVar(&o.AllowPrivileged, "node-allow-privileged", false, "Lets pods on a builtin node have privileged containers, the host's paths and the host's namespaces: they are root on this machine then.")
	fs.StringVar(&o.PodCIDR, "pod-cidr", "", "The range of the addresses of pods on a builtin node, 10.244.3.0/24 say. Without it a free one is taken.")
	fs.Int64Var(&o.MaxPods, "max-pods", 0, "How many pods the node takes; 110 unless it is set, 10000 with sim.")
}

func (o *Node) check() error {
	if !slices.Contains(NodeBackends, o.Backend) {
		return fmt.Errorf("--node %q is none of %s", o.Backend, strings.Join(NodeBackends, ", "))
	}
	if o.Backend == "cri" && o.RuntimeEndpoint == "" {
		return fmt.Errorf("--node=cri needs --container-runtime-endpoint")
	}
	if o.Address != "" && net.ParseIP(o.Address) == nil {
		return fmt.Errorf("--node-ip %q is no IP address", o.Address)
	}
	if o.PodCIDR != "" {
		if p, err := netip.ParsePrefix(o.PodCIDR); err != nil || !p.Addr().Is4() || p.Bits() > 28 {
			return fmt.Errorf("--pod-cidr %q is no range of IPv4 addresses with at least 16 of them", o.PodCIDR)
		}
	}
	if o.MaxPods < 0 {
		return fmt.Errorf("--max-pods=%d: must not be negative", o.MaxPods)
	}
	return nil
}

// Check gives the first thing that is wrong with the options.
func (o *Node) Check() error { return o.check() }
