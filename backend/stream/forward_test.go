package stream_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/stream"

	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
)

func (f *fixture) dialers(path string) map[string]httpstream.Dialer {
	f.t.Helper()
	transport, upgrader, err := spdy.RoundTripperFor(f.config("admin"))
	must(f.t, err)
	tunnel, err := portforward.NewSPDYOverWebsocketDialer(f.link(path), f.config("admin"))
	must(f.t, err)
	return map[string]httpstream.Dialer{
		"SPDY":   spdy.NewDialer(upgrader, &http.Client{Transport: transport}, "POST", f.link(path)),
		"tunnel": tunnel,
	}
}

func TestPortsAreForwarded(t *testing.T) {
	f := start(t)
	for name, dialer := range f.dialers("/api/v1/namespaces/ns/pods/one/portforward") {
		stop, ready := make(chan struct{}), make(chan struct{})
		var errOut bytes.Buffer
		forwarder, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, []string{"0:80"}, stop, ready, io.Discard, &errOut)
		must(t, err)
		done := make(chan error, 1)
		go func() { done <- forwarder.ForwardPorts() }()
		await(t, "forwarding over "+name, ready)
		ports, err := forwarder.GetPorts()
		must(t, err)
		for range 3 {
			conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", ports[0].Local))
			must(t, err)
			must(t, conn.SetDeadline(time.Now().Add(time.Minute)))
			fmt.Fprint(conn, "hello")
			got := make([]byte, 5)
			if _, err := io.ReadFull(conn, got); err != nil || string(got) != "HELLO" {
				t.Errorf("%s: %q %v %s", name, got, err, errOut.String())
			}
			conn.Close()
		}
		close(stop)
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		await(t, "the end of forwarding over "+name, f.kubelet.freed)
	}
}

func TestNodeProxy(t *testing.T) {
	f := start(t)
	base := "/api/v1/nodes/n/proxy"
	resp := f.send(context.Background(), "PUT", base+"/a/b/?x=1&path=other", "body", "Cookie", "k=v", "Impersonate-Extra-A", "")
	b, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode != 200 || string(b) != "PUT body" || resp.Header.Get("X-Seen") != "/a/b/?x=1&path=other" {
		t.Errorf("%v %s", resp, b)
	}
	seen := f.kubelet.seen.Load()
	if seen.Header.Get("Authorization") != "" || seen.Header.Get("X-Forwarded-For") != "127.0.0.1" || seen.Header.Get("Cookie") != "k=v" {
		t.Errorf("the kubelet saw %v", seen.Header)
	}
	if code, text := f.do("GET", base+"/page", ""); code != 200 || !strings.Contains(text, `href="`+base+`/other"`) {
		t.Errorf("links are not rewritten: %d %s", code, text)
	}
	resp = f.send(context.Background(), "GET", base+"?x=1", "")
	resp.Body.Close()
	if resp.StatusCode != http.StatusMovedPermanently || resp.Header.Get("Location") != base+"/?x=1" {
		t.Errorf("%v", resp)
	}
	if code, _ := f.do("HEAD", base+"/x", ""); code != 200 {
		t.Errorf("HEAD: %d", code)
	}
	port := fmt.Sprintf("/api/v1/nodes/https:n:%d/proxy/x", f.kubelet.port)
	if code, text := f.do("GET", port, ""); code != 200 || text != "GET " {
		t.Errorf("by its port: %d %s", code, text)
	}
}

func TestEndlessPageIsGivenUp(t *testing.T) {
	f := start(t, func(o *stream.Options) { o.Patience = time.Minute })
	if got, want := f.message("GET", "/api/v1/nodes/n/proxy/endless"), "503 ServiceUnavailable: error trying to reach service: the page is too long for its links to be rewritten"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	await(t, "the end of the page", f.kubelet.freed)
}

func TestLateAnswerIsHandedOn(t *testing.T) {
	f := start(t, func(o *stream.Options) { o.Patience = time.Millisecond })
	go func() { f.kubelet.lines <- "late" }()
	resp := f.send(context.Background(), "GET", "/api/v1/nodes/n/proxy/late", "")
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusTeapot || resp.Header.Get("Content-Type") != "text/tea" || string(b) != "late" {
		t.Errorf("%v %q %v", resp, b, err)
	}
}

func TestSlowBackendIsFreedWithItsClient(t *testing.T) {
	f := start(t, func(o *stream.Options) { o.Patience = 20 * time.Millisecond })
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", f.url+"/api/v1/nodes/n/proxy/slow", nil)
	must(t, err)
	req.Header.Set("Authorization", "Bearer admin")
	done := make(chan struct{})
	go func() {
		defer close(done)
		if resp, err := insecure.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	for f.kubelet.seen.Load() == nil || f.kubelet.seen.Load().URL.Path != "/slow" {
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-done
	await(t, "the end of the backend's request", f.kubelet.freed)
}
