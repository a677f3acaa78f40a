package stream_test

import (
	"bufio"
	"context"
	"net/http"
	"testing"
	"time"

	"pilothouse/backend/stream"

	"github.com/gorilla/websocket"
)

func TestLogIsTheKubelets(t *testing.T) {
	f := start(t)
	code, text := f.do("GET", "/api/v1/namespaces/ns/pods/p/log?container=d&tailLines=5&timestamps=true&sinceTime=2026-01-02T03:04:05Z", "")
	if code != 200 || text != "first\nsecond\n" {
		t.Errorf("%d %q", code, text)
	}
	seen := f.kubelet.seen.Load()
	if got, want := seen.URL.RequestURI(), "/containerLogs/ns/p/d?sinceTime=2026-01-02T03%3A04%3A05Z&tailLines=5&timestamps=true"; got != want {
		t.Errorf("asked for %s, want %s", got, want)
	}
	if len(seen.TLS.PeerCertificates) == 0 || seen.Header.Get("Authorization") != "" {
		t.Error("the kubelet was given no certificate, or the client's token")
	}
}

func TestFollowedLogComesLineByLineAndItsClientFreesTheNode(t *testing.T) {
	f := start(t, func(o *stream.Options) { o.Patience = 20 * time.Millisecond })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	// The kubelet says nothing before the first line, not even a status.
	resp := f.send(ctx, "GET", "/api/v1/namespaces/ns/pods/one/log?follow=true", "")
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/plain" {
		t.Fatalf("%v", resp)
	}
	lines := bufio.NewReader(resp.Body)
	for _, line := range []string{"one\n", "two\n"} {
		f.kubelet.lines <- line
		if got, err := lines.ReadString('\n'); err != nil || got != line {
			t.Fatalf("%q %v", got, err)
		}
	}
	cancel()
	await(t, "the end of the kubelet's request", f.kubelet.freed)
}

func TestSilentLogIsFreedWithItsClient(t *testing.T) {
	f := start(t, func(o *stream.Options) { o.Patience = 20 * time.Millisecond })
	ctx, cancel := context.WithCancel(context.Background())
	resp := f.send(ctx, "GET", "/api/v1/namespaces/ns/pods/one/log?follow=true", "")
	cancel()
	resp.Body.Close()
	await(t, "the end of the kubelet's request", f.kubelet.freed)
}

func TestLogOverAWebSocket(t *testing.T) {
	f := start(t)
	for protocol, want := range map[string]string{"": "first\nsecond\n", "binary.k8s.io": "first\nsecond\n", "base64.binary.k8s.io": "Zmlyc3QKc2Vjb25kCg=="} {
		ws := f.webSocket("/api/v1/namespaces/ns/pods/one/log", protocol)
		_, first, err := ws.ReadMessage()
		if err != nil || len(first) != 0 {
			t.Fatalf("%q %v", first, err)
		}
		if _, got, err := ws.ReadMessage(); err != nil || string(got) != want {
			t.Errorf("%s: %q %v", protocol, got, err)
		}
		if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
			t.Errorf("%s: %v", protocol, err)
		}
	}
}
