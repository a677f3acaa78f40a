//go:build amd64 || arm64

package builtin

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"

	"pilothouse/backend/metrics"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"
)

// network is the bridge that pods are connected to, and the addresses that they
// have there. The node has the range's first one, so it and the pods reach each
// other; nothing of the machine's own network is changed.
type network struct {
	name string
	// host tells that pods have the node's network, for the reason in why.
	host bool
	why  string

	prefix  netip.Prefix
	gateway netip.Addr
	bridge  netlink.Link

	mu    sync.Mutex
	taken map[netip.Addr]string // by sandbox
}

// podRanges are what a free range is looked for in, a /24 at a time.
var podRanges = netip.MustParsePrefix("10.244.0.0/16")

// openNetwork makes the bridge anew. Where that is not allowed, pods have the
// node's network.
func openNetwork(name, cidr string) (*network, error) {
	n := &network{name: name, taken: map[netip.Addr]string{}}
	if old, err := netlink.LinkByName(name); err == nil {
		netlink.LinkDel(old) //nolint:errcheck // the new one tells
	}
	var err error
	if n.prefix, err = podPrefix(name, cidr); err != nil {
		return nil, err
	}
	n.gateway = n.prefix.Addr().Next()
	if err := n.makeBridge(); err != nil {
		if cidr != "" {
			return nil, fmt.Errorf("network of pods: %w", err)
		}
		n.host, n.why = true, "a bridge cannot be made here: "+err.Error()
		klog.InfoS("Pods have the node's own network", "why", n.why)
	}
	return n, nil
}

// podPrefix takes a range that no address of the machine is in. Several agents
// on one machine begin to look at different places.
func podPrefix(name, cidr string) (netip.Prefix, error) {
	if cidr != "" {
		p, err := netip.ParsePrefix(cidr)
		return p.Masked(), err
	}
	used, err := usedPrefixes()
	if err != nil {
		return netip.Prefix{}, err
	}
	h := fnv.New32a()
	h.Write([]byte(name)) //nolint:errcheck // never fails
	base := podRanges.Addr().As4()
	for i := range 256 {
		base[2] = byte(h.Sum32() + uint32(i))
		p := netip.PrefixFrom(netip.AddrFrom4(base), 24)
		free := true
		for _, u := range used {
			free = free && !u.Overlaps(p)
		}
		if free {
			return p, nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("no range of %s is free: --pod-cidr names another", podRanges)
}

func usedPrefixes() ([]netip.Prefix, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, nil //nolint:nilerr // what cannot be seen cannot be avoided
	}
	var out []netip.Prefix
	for _, r := range routes {
		if r.Dst == nil {
			continue
		}
		if p, err := netip.ParsePrefix(r.Dst.String()); err == nil && p.Bits() > 0 {
			out = append(out, p)
		}
	}
	return out, nil
}

func (n *network) makeBridge() error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = n.name
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := netlink.LinkAdd(bridge); err != nil {
		return err
	}
	n.bridge = bridge
	address := &netlink.Addr{IPNet: ipNet(n.gateway, n.prefix.Bits())}
	if err := netlink.AddrAdd(bridge, address); err != nil {
		return err
	}
	return netlink.LinkSetUp(bridge)
}

func ipNet(a netip.Addr, bits int) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(bits, a.BitLen())}
}

func (n *network) close() {
	if n != nil && n.bridge != nil {
		netlink.LinkDel(n.bridge) //nolint:errcheck // made anew at the next start
	}
}

// nodeIP is the node's address as pods that share its network have it.
func (n *network) nodeIP() string {
	if c, err := net.Dial("udp", "192.0.2.1:9"); err == nil { // sends nothing
		defer c.Close()
		if a, ok := c.LocalAddr().(*net.UDPAddr); ok {
			return a.IP.String()
		}
	}
	return "127.0.0.1"
}

// allocate takes the next free address.
func (n *network) allocate(sandbox string) (netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for a := n.gateway.Next(); n.prefix.Contains(a) && n.prefix.Contains(a.Next()); a = a.Next() {
		if _, taken := n.taken[a]; !taken {
			n.taken[a] = sandbox
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("all addresses of %s are taken", n.prefix)
}

// connect gives a pod's namespace a loopback, an interface on the bridge, an
// address and a way out.
func (n *network) connect(sandbox string, ns *os.File) (string, error) {
	ip, err := n.allocate(sandbox)
	if err != nil {
		return "", err
	}
	if err := n.plug(sandbox, ns, ip); err != nil {
		n.disconnect(sandbox)
		return "", err
	}
	return ip.String(), nil
}

func (n *network) plug(sandbox string, ns *os.File, ip netip.Addr) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "ph" + sandbox[:11]
	attrs.MasterIndex = n.bridge.Attrs().Index
	last := binary.BigEndian.Uint32(ip.AsSlice())
	mac := net.HardwareAddr{0x0a, 0x58, byte(last >> 24), byte(last >> 16), byte(last >> 8), byte(last)}
	pair := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerHardwareAddr: mac, PeerNamespace: netlink.NsFd(int(ns.Fd()))}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("connect to the bridge: %w", err)
	}
	if link, err := netlink.LinkByName(attrs.Name); err == nil {
		netlink.LinkSetHairpin(link, true) //nolint:errcheck // a pod may not reach itself by a service
		if err := netlink.LinkSetUp(link); err != nil {
			return err
		}
	} else {
		return err
	}
	return onThread(func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		for _, name := range []string{"lo", "eth0"} {
			link, err := netlink.LinkByName(name)
			if err != nil {
				return err
			}
			if name == "eth0" {
				if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet(ip, n.prefix.Bits())}); err != nil {
					return err
				}
			}
			if err := netlink.LinkSetUp(link); err != nil {
				return err
			}
		}
		return netlink.RouteAdd(&netlink.Route{Gw: n.gateway.AsSlice()})
	})
}

// disconnect frees a pod's address. Its interface goes with its namespace.
func (n *network) disconnect(sandbox string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for a, s := range n.taken {
		if s == sandbox {
			delete(n.taken, a)
		}
	}
	if len(sandbox) > 11 {
		if link, err := netlink.LinkByName("ph" + sandbox[:11]); err == nil {
			netlink.LinkDel(link) //nolint:errcheck // it goes with the namespace
		}
	}
}

// hostPort is a port of the node that leads to a pod.
type hostPort struct{ listener net.Listener }

// openPorts opens the TCP ports of the node that a pod asks for.
func (n *network) openPorts(list []*cri.PortMapping, ip string) []*hostPort {
	var out []*hostPort
	for _, m := range list {
		if m.Protocol != cri.Protocol_TCP {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(m.HostIp, strconv.Itoa(int(m.HostPort))))
		if err != nil {
			klog.ErrorS(err, "A host port is not opened", "port", m.HostPort)
			continue
		}
		p := &hostPort{l}
		out = append(out, p)
		to := net.JoinHostPort(ip, strconv.Itoa(int(m.ContainerPort)))
		go metrics.Guarded("node", func() { p.serve(to) })()
	}
	return out
}

func (p *hostPort) close() { p.listener.Close() }

func (p *hostPort) serve(to string) {
	for {
		c, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		go func() {
			defer metrics.Caught("node")
			defer c.Close()
			d, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			defer d.Close()
			go func() {
				defer metrics.Caught("node")
				io.Copy(d, c)                 //nolint:errcheck // one side is gone
				d.(*net.TCPConn).CloseWrite() //nolint:errcheck // the same
			}()
			io.Copy(c, d) //nolint:errcheck // one side is gone
		}()
	}
}
