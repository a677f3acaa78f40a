//go:build amd64 || arm64

package builtin

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	noderuntime "pilothouse/backend/node/runtime"

	"github.com/vishvananda/netlink"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// newNet makes a network namespace.
func newNet(t testing.TB) (ns *os.File) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	err := onThread(func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
			ns, err = os.Open("/proc/thread-self/ns/net")
		}
		return err
	})
	if err != nil {
		t.Skipf("network namespaces: %v", err)
	}
	return ns
}

func BenchmarkTable(b *testing.B) {
	at := netip.MustParseAddrPort("10.96.0.1:443")
	list := []noderuntime.Virtual{{Protocol: corev1.ProtocolTCP, At: at, Behind: []netip.AddrPort{at}}}
	for b.Loop() {
		b.StopTimer()
		ns := newNet(b)
		b.StartTimer()
		if err := writeTable(ns, at.Addr(), list, false); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		ns.Close()
		b.StartTimer()
	}
}

// TestConnectionsToVirtualAddresses has two listeners in a namespace behind an
// address that nobody has.
func TestConnectionsToVirtualAddresses(t *testing.T) {
	ns := newNet(t)
	defer ns.Close()
	if why := probeTranslation(ns); why != "" {
		t.Skip(why)
	}
	inside := func(f func() error) {
		t.Helper()
		err := onThread(func() error {
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			return f()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var behind []netip.AddrPort
	pod := netip.MustParseAddr("10.244.0.9")
	inside(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		if err := netlink.LinkSetUp(lo); err != nil {
			return err
		}
		if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "other"}); err != nil {
			return err
		}
		for _, name := range []string{"other", "eth0"} {
			link, err := netlink.LinkByName(name)
			if err != nil {
				return err
			}
			if err := netlink.LinkSetUp(link); err != nil {
				return err
			}
			if name == "eth0" {
				if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet(pod, 24)}); err != nil {
					return err
				}
			}
		}
		for range 2 {
			l, err := net.Listen("tcp4", netip.AddrPortFrom(pod, 0).String())
			if err != nil {
				return err
			}
			t.Cleanup(func() { l.Close() })
			behind = append(behind, l.Addr().(*net.TCPAddr).AddrPort())
			go func() {
				for c, err := l.Accept(); err == nil; c, err = l.Accept() {
					c.Write([]byte(l.Addr().String()))
					c.Close()
				}
			}()
		}
		return netlink.RouteAdd(&netlink.Route{Gw: pod.Next().AsSlice()})
	})
	at := netip.MustParseAddrPort("10.96.0.1:443")
	call := func(n int) (answered map[string]int, refused int) {
		answered = map[string]int{}
		inside(func() error {
			for range n {
				c, err := net.DialTimeout("tcp4", at.String(), time.Minute)
				if errors.Is(err, unix.ECONNREFUSED) {
					refused++
					continue
				}
				if err != nil {
					return err
				}
				b, _ := io.ReadAll(c)
				answered[string(b)]++
				c.Close()
			}
			return nil
		})
		return answered, refused
	}
	write := func(v noderuntime.Virtual, again bool) {
		t.Helper()
		v.Protocol, v.At = corev1.ProtocolTCP, at
		if err := writeTable(ns, pod, []noderuntime.Virtual{v}, again); err != nil {
			t.Fatal(err)
		}
	}
	write(noderuntime.Virtual{Behind: behind}, true)
	if answered, refused := call(64); refused > 0 || answered[behind[0].String()] == 0 || answered[behind[1].String()] == 0 {
		t.Errorf("two behind it: %v, %d refused", answered, refused)
	}
	write(noderuntime.Virtual{Behind: behind, Sticky: true}, true)
	if answered, refused := call(16); refused > 0 || len(answered) != 1 {
		t.Errorf("sticky: %v, %d refused", answered, refused)
	}
	write(noderuntime.Virtual{}, true)
	if answered, refused := call(2); refused != 2 {
		t.Errorf("nothing behind it: %v, %d refused", answered, refused)
	}
}
