//go:build amd64 || arm64

package builtin

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"os"
	"slices"

	"pilothouse/backend/metrics"

	noderuntime "pilothouse/backend/node/runtime"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
)

// Virtual addresses are translated where a connection begins: in the network
// namespace of each pod, by a table of nftables of its own. Nothing of the
// machine's own network is changed for it, the kernel forwards nothing, and a
// pod sees from which other pod it is called.

const (
	translations = "pilothouse"
	namesPort    = 53
)

// Gateway is the node's address among pods.
func (r *Runtime) Gateway() netip.Addr {
	if r.network.host {
		return netip.Addr{}
	}
	return r.network.gateway
}

// ListenNames listens on port 53 of the gateway; where somebody has that, on
// another one, to which pods' requests are translated.
func (r *Runtime) ListenNames() (net.PacketConn, net.Listener, error) {
	gateway := r.network.gateway
	packets, errUDP := net.ListenPacket("udp", netip.AddrPortFrom(gateway, namesPort).String())
	streams, errTCP := net.Listen("tcp", netip.AddrPortFrom(gateway, namesPort).String())
	if errUDP == nil && errTCP == nil {
		return r.network.onlyPodsAsk(packets), r.network.onlyPods(streams), nil
	}
	if errUDP == nil {
		packets.Close()
	}
	if errTCP == nil {
		streams.Close()
	}
	klog.InfoS("Port 53 is somebody's, names are answered elsewhere", "address", gateway, "err", errors.Join(errUDP, errTCP))
	packets, err := net.ListenPacket("udp", netip.AddrPortFrom(gateway, 0).String())
	if err != nil {
		return nil, nil, err
	}
	streams, err = net.Listen("tcp", netip.AddrPortFrom(gateway, 0).String())
	if err != nil {
		packets.Close()
		return nil, nil, err
	}
	at := netip.AddrPortFrom(gateway, namesPort)
	r.mu.Lock()
	r.moved = []noderuntime.Virtual{
		{Protocol: corev1.ProtocolUDP, At: at, Behind: []netip.AddrPort{packets.LocalAddr().(*net.UDPAddr).AddrPort()}},
		{Protocol: corev1.ProtocolTCP, At: at, Behind: []netip.AddrPort{streams.Addr().(*net.TCPAddr).AddrPort()}},
	}
	r.mu.Unlock()
	return r.network.onlyPodsAsk(packets), r.network.onlyPods(streams), nil
}

// Forward opens a port of the gateway that leads to an address of the node's.
func (r *Runtime) Forward(to string) (netip.AddrPort, error) {
	l, err := net.Listen("tcp", netip.AddrPortFrom(r.network.gateway, 0).String())
	if err != nil {
		return netip.AddrPort{}, err
	}
	p := &hostPort{r.network.onlyPods(l)}
	r.mu.Lock()
	r.forwards = append(r.forwards, p)
	r.mu.Unlock()
	go metrics.Guarded("node", func() { p.serve(to) })()
	return l.Addr().(*net.TCPAddr).AddrPort(), nil
}

// podsOnly is a listener that hangs up on whoever is not in the pods' network:
// a machine answers on all its addresses to whoever finds a way there.
type podsOnly struct {
	net.Listener
	prefix netip.Prefix
}

func (n *network) onlyPods(l net.Listener) net.Listener { return &podsOnly{l, n.prefix} }

// Accept gives the next connection of a pod.
func (l *podsOnly) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil || within(l.prefix, c.RemoteAddr()) {
			return c, err
		}
		c.Close()
	}
}

// podsAsk is podsOnly for packets.
type podsAsk struct {
	net.PacketConn
	prefix netip.Prefix
}

func (n *network) onlyPodsAsk(c net.PacketConn) net.PacketConn { return &podsAsk{c, n.prefix} }

// ReadFrom gives the next packet of a pod.
func (c *podsAsk) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.PacketConn.ReadFrom(b)
		if err != nil || within(c.prefix, from) {
			return n, from, err
		}
	}
}

func within(p netip.Prefix, a net.Addr) bool {
	from, err := netip.ParseAddrPort(a.String())
	return err == nil && p.Contains(from.Addr().Unmap())
}

// Translate gives all pods the table of virtual addresses.
func (r *Runtime) Translate(list []noderuntime.Virtual) {
	r.mu.Lock()
	r.virtual = slices.Concat(r.moved, list)
	r.edition++
	r.mu.Unlock()
	r.translating.Lock()
	defer r.translating.Unlock()
	r.mu.Lock()
	list = r.virtual // the newest, if another call was faster
	var all []*sandbox
	for _, s := range r.sandboxes {
		if s.ready && s.net != nil {
			all = append(all, s)
		}
	}
	r.mu.Unlock()
	for _, s := range all {
		if err := r.translateFor(s, list, true); err != nil {
			klog.ErrorS(err, "A pod does not learn of changed services", "sandbox", s.id)
		}
	}
}

// translate gives a new pod the table as it is, and tells its edition.
func (r *Runtime) translate(s *sandbox, again bool) (edition int, err error) {
	r.mu.Lock()
	list, edition := r.virtual, r.edition
	r.mu.Unlock()
	if len(list) == 0 {
		return edition, nil
	}
	return edition, r.translateFor(s, list, again)
}

// translateFor holds a descriptor of its own while it works: the pod may end.
func (r *Runtime) translateFor(s *sandbox, list []noderuntime.Virtual, again bool) error {
	if r.untranslated != "" {
		return nil
	}
	ns, err := s.netNamespace()
	if err != nil || ns == nil {
		return err
	}
	defer ns.Close()
	ip, err := netip.ParseAddr(s.ip)
	if err != nil {
		return err
	}
	return writeTable(ns, ip, list, again)
}

// probeTranslation says why nothing can be translated here, blank if it can.
func probeTranslation(ns *os.File) string {
	at := netip.MustParseAddrPort("192.0.2.1:1")
	err := writeTable(ns, at.Addr(), []noderuntime.Virtual{
		{Protocol: corev1.ProtocolTCP, At: at, Behind: []netip.AddrPort{at, at}}, {Protocol: corev1.ProtocolUDP, At: at},
	}, false)
	if err != nil {
		return "nftables: " + err.Error()
	}
	return ""
}

// writeTable writes the table into a network namespace; when again is set, in
// place of what is there, at once. That costs ten times as much: the kernel waits
// until nobody uses the old one.
func writeTable(ns *os.File, pod netip.Addr, list []noderuntime.Virtual, again bool) error {
	c, err := nftables.New(nftables.WithNetNSFd(int(ns.Fd())))
	if err != nil {
		return err
	}
	table := &nftables.Table{Family: nftables.TableFamilyIPv4, Name: translations}
	if again {
		c.AddTable(table) // so that there is one to delete
		c.DelTable(table)
	}
	c.AddTable(table)
	accept := nftables.ChainPolicyAccept
	nat := c.AddChain(&nftables.Chain{
		Name: "services", Table: table, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityNATDest, Policy: &accept,
	})
	filter := c.AddChain(&nftables.Chain{
		Name: "refused", Table: table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityFilter, Policy: &accept,
	})
	for _, v := range list {
		if !v.At.Addr().Is4() || v.Protocol != corev1.ProtocolTCP && v.Protocol != corev1.ProtocolUDP {
			continue
		}
		if len(v.Behind) == 0 {
			c.AddRule(&nftables.Rule{Table: table, Chain: filter, Exprs: append(matches(v), refuse(v.Protocol))})
			continue
		}
		behind := v.Behind
		if v.Sticky {
			behind = []netip.AddrPort{behind[sticky(pod, len(behind))]}
		}
		for i, to := range behind {
			c.AddRule(&nftables.Rule{Table: table, Chain: nat, Exprs: slices.Concat(matches(v), oneOf(len(behind)-i), leadTo(to))})
		}
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("services of the pod: %w", err)
	}
	return nil
}

func sticky(pod netip.Addr, n int) int {
	h := fnv.New32a()
	h.Write(pod.AsSlice()) //nolint:errcheck // never fails
	return int(h.Sum32() % uint32(n))
}

// matches compares protocol, address and port.
func matches(v noderuntime.Virtual) []expr.Any {
	protocol := byte(unix.IPPROTO_TCP)
	if v.Protocol == corev1.ProtocolUDP {
		protocol = unix.IPPROTO_UDP
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{protocol}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: v.At.Addr().AsSlice()},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.BigEndian.AppendUint16(nil, v.At.Port())},
	}
}

// oneOf lets one connection of n through.
func oneOf(n int) []expr.Any {
	if n <= 1 {
		return nil
	}
	return []expr.Any{
		&expr.Numgen{Register: 1, Modulus: uint32(n), Type: unix.NFT_NG_RANDOM},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(0)},
	}
}

func leadTo(to netip.AddrPort) []expr.Any {
	return []expr.Any{
		&expr.Immediate{Register: 1, Data: to.Addr().AsSlice()},
		&expr.Immediate{Register: 2, Data: binary.BigEndian.AppendUint16(nil, to.Port())},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1, RegProtoMin: 2},
	}
}

func refuse(p corev1.Protocol) expr.Any {
	if p == corev1.ProtocolTCP {
		return &expr.Reject{Type: unix.NFT_REJECT_TCP_RST}
	}
	return &expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: portUnreachable}
}

// portUnreachable is ICMP's code for a port that nobody listens on.
const portUnreachable = 3
