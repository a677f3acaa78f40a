package dns

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"pilothouse/backend/metrics"

	"github.com/miekg/dns"
	"k8s.io/klog/v2"
)

const (
	// atOnce is how many questions are answered at a time; more wait.
	atOnce = 256
	// patience is how long one of the node's resolvers may take.
	patience = 2 * time.Second
	// mostAliases bounds how many names are gone through for one question.
	mostAliases = 8
)

// Server answers the questions of pods.
type Server struct {
	// Upstream gives the node's own resolvers, as host:port.
	Upstream func() []string

	zone  atomic.Pointer[Zone]
	turns chan struct{}
}

// NewServer gives a Server that knows no service yet.
func NewServer(upstream func() []string) *Server {
	s := &Server{Upstream: upstream, turns: make(chan struct{}, atOnce)}
	s.Set(NewZone(nil, nil))
	return s
}

// Set has questions from now on answered from another zone.
func (s *Server) Set(z *Zone) { s.zone.Store(z) }

// Run answers until ctx ends; it closes both.
func (s *Server) Run(ctx context.Context, packets net.PacketConn, streams net.Listener) {
	servers := []*dns.Server{{PacketConn: packets, Handler: s}, {Listener: streams, Handler: s}}
	ended := make(chan error, len(servers))
	for _, server := range servers {
		go func() { ended <- metrics.Protected("node", server.ActivateAndServe) }()
	}
	<-ctx.Done()
	packets.Close()
	streams.Close()
	for range servers {
		<-ended
	}
}

// ServeDNS answers one question.
func (s *Server) ServeDNS(w dns.ResponseWriter, asked *dns.Msg) {
	s.turns <- struct{}{}
	defer func() { <-s.turns }()
	defer metrics.Caught("node") // the library's goroutine
	_, datagram := w.LocalAddr().(*net.UDPAddr)
	answer := s.answer(asked, datagram)
	if datagram {
		answer.Truncate(room(asked))
	}
	if err := w.WriteMsg(answer); err != nil {
		klog.V(4).InfoS("An answer does not go out", "err", err)
	}
}

// room is how long an answer may be in one packet.
func room(asked *dns.Msg) int {
	if o := asked.IsEdns0(); o != nil {
		return max(dns.MinMsgSize, min(int(o.UDPSize()), 4096))
	}
	return dns.MinMsgSize
}

func (s *Server) answer(asked *dns.Msg, datagram bool) *dns.Msg {
	m := new(dns.Msg)
	if len(asked.Question) != 1 || asked.Opcode != dns.OpcodeQuery {
		return m.SetRcode(asked, dns.RcodeNotImplemented)
	}
	q := asked.Question[0]
	name := strings.ToLower(q.Name)
	z := s.zone.Load()
	_, known := z.records[name]
	switch {
	case dns.IsSubDomain(Domain, name), known && dns.IsSubDomain(reverse, name):
		return s.local(z, asked, q)
	default:
		return s.forward(asked, datagram)
	}
}

// local answers from the zone.
func (s *Server) local(z *Zone, asked *dns.Msg, q dns.Question) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(asked)
	m.Authoritative, m.RecursionAvailable = true, true
	found, exists := z.find(strings.ToLower(q.Name), q.Qtype)
	for range mostAliases {
		m.Answer = append(m.Answer, found...)
		alias, ok := last(found)
		if !ok || q.Qtype == dns.TypeCNAME {
			break
		}
		if found, _ = z.find(strings.ToLower(alias.Target), q.Qtype); len(found) > 0 {
			continue
		}
		if !dns.IsSubDomain(Domain, alias.Target) {
			next := new(dns.Msg)
			next.SetQuestion(alias.Target, q.Qtype)
			m.Answer = append(m.Answer, s.forward(next, true).Answer...)
		}
		break
	}
	for _, rr := range m.Answer { // where what a SRV record names is
		if srv, ok := rr.(*dns.SRV); ok {
			more, _ := z.find(strings.ToLower(srv.Target), dns.TypeA)
			m.Extra = append(m.Extra, more...)
		}
	}
	if len(m.Answer) == 0 {
		if !exists {
			m.Rcode = dns.RcodeNameError
		}
		m.Ns = []dns.RR{&dns.SOA{
			Hdr: header(Domain, dns.TypeSOA), Ns: "ns.dns." + Domain, Mbox: "hostmaster." + Domain,
			Serial: uint32(time.Now().Unix()), Refresh: 7200, Retry: 1800, Expire: 86400, Minttl: ttl,
		}}
	}
	return m
}

func last(found []dns.RR) (*dns.CNAME, bool) {
	if len(found) == 0 {
		return nil, false
	}
	c, ok := found[len(found)-1].(*dns.CNAME)
	return c, ok
}

// forward asks the node's resolvers, one after the other.
func (s *Server) forward(asked *dns.Msg, datagram bool) *dns.Msg {
	client := &dns.Client{Net: "tcp", Timeout: patience}
	if datagram {
		client.Net = "udp"
	}
	for _, to := range s.Upstream() {
		answer, _, err := client.Exchange(asked, to)
		if err == nil {
			return answer
		}
		klog.V(2).InfoS("A resolver of the node does not answer", "resolver", to, "err", err)
	}
	m := new(dns.Msg)
	return m.SetRcode(asked, dns.RcodeServerFailure)
}
