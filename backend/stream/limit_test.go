package stream_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/stream"
)

func TestTooManyStreamsAreRefused(t *testing.T) {
	f := start(t, func(o *stream.Options) { o.MaxStreams = 2 })
	const path = "/api/v1/namespaces/ns/pods/one/log?follow=true"
	var open []*http.Response
	for range 2 {
		resp := f.send(t.Context(), http.MethodGet, path, "")
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("status %d", resp.StatusCode)
		}
		open = append(open, resp)
	}
	if got := f.message(http.MethodGet, path); got != "429 TooManyRequests: Too many streams are open, please try again later." {
		t.Errorf("got %s", got)
	}
	if got := f.message(http.MethodGet, "/api/v1/namespaces/ns/pods/nobody/log"); !strings.HasPrefix(got, "429 ") {
		t.Errorf("got %s", got)
	}
	for _, resp := range open {
		resp.Body.Close()
	}
	// The places are free again, also those of requests that went wrong.
	for range 5 {
		f.message(http.MethodGet, "/api/v1/namespaces/ns/pods/nobody/log")
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		resp := f.send(t.Context(), http.MethodGet, "/api/v1/namespaces/ns/pods/one/log", "")
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil && resp.StatusCode == http.StatusOK && string(text) == "first\nsecond\n" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("status %d %s", resp.StatusCode, text)
		}
	}
}
