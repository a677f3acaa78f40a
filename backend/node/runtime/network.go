package runtime

import (
	"net"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
)

// Networker is a Runtime whose pods have a network that it makes itself. The
// agent has names and services work in it, which elsewhere are the work of a
// cluster DNS and of a kube-proxy.
type Networker interface {
	// Gateway is the node's address in the pods' network; it is not valid where
	// pods have the node's own network.
	Gateway() netip.Addr
	// ListenNames listens where pods ask for names: on port 53 of the gateway.
	// Only pods reach it.
	ListenNames() (net.PacketConn, net.Listener, error)
	// Forward has a port of the gateway lead to an address that the node reaches,
	// for pods only, and gives the port's address.
	Forward(to string) (netip.AddrPort, error)
	// Translate has connections of all pods to virtual addresses lead to what is
	// behind them, until it is called again.
	Translate([]Virtual)
}

// Virtual is a virtual address and what is behind it, of which each connection
// gets one. With nothing behind it connections are refused.
type Virtual struct {
	Protocol corev1.Protocol
	At       netip.AddrPort
	Behind   []netip.AddrPort
	// Sticky has all connections of a pod go to the same one.
	Sticky bool
}
