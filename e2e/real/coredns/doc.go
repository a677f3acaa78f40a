// Package coredns is where CoreDNS (https://coredns.io), the DNS server of most
// clusters, is pinned as a tool of its own module.
package coredns
