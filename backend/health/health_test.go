package health

import (
	"context"
	"errors"
	"net/url"
	"testing"

	"pilothouse/backend/request"
)

func TestHealth(t *testing.T) {
	h := New()
	var storage error
	h.Add(Check{"etcd", func(context.Context) error { return storage }}, "healthz", "livez", "readyz")
	check := func(uri string, status int, body string) {
		t.Helper()
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		p, err := h.Handle(context.Background(), &request.Request{Method: "GET", Path: u.Path, RawQuery: u.RawQuery})
		if err != nil || p.Status != status || string(p.Body) != body {
			t.Errorf("%s: %d %q %v, want %d %q", uri, p.Status, p.Body, err, status, body)
		}
	}
	check("/healthz", 200, "ok")
	check("/livez/ping", 200, "ok")
	check("/livez/ping?verbose", 200, "ok")
	check("/livez/no-such-check", 404, "404 page not found\n")
	check("/livez/shutdown", 404, "404 page not found\n")
	check("/livez?verbose", 200, "[+]ping ok\n[+]etcd ok\nlivez check passed\n")
	check("/readyz?verbose&exclude=ping&exclude=x,y", 200,
		"[+]ping excluded: ok\n[+]shutdown ok\n[+]etcd ok\nwarn: some health checks cannot be excluded: no matches for \"x\",\"y\"\nreadyz check passed\n")
	storage = errors.New("s3cret")
	check("/livez", 500, "[+]ping ok\n[-]etcd failed: reason withheld\nlivez check failed\n")
	check("/livez?exclude=etcd", 200, "ok")
	check("/livez/etcd", 500, "internal server error: reason withheld\n")
	storage = nil
	h.Stopping()
	check("/livez", 200, "ok")
	check("/readyz", 500, "[+]ping ok\n[-]shutdown failed: reason withheld\n[+]etcd ok\nreadyz check failed\n")
}

func TestHandles(t *testing.T) {
	for path, want := range map[string]bool{"/healthz": true, "/livez/ping": true, "/healthzz": false, "/": false, "/api": false} {
		if Handles(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}
