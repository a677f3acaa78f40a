package server

import (
	"net/url"
	"strings"
	"testing"
)

// FuzzDecodePath checks that what gets through means one thing only: no part is
// "..", there is no NUL, and it is what one decoding gives.
func FuzzDecodePath(f *testing.F) {
	for _, raw := range []string{
		"/", "", "*", "/api/v1/pods", "/api/v1/pods/system%3Anode", "/a%2fb", "/a//b/", "/%2e%2e/x", "/a/..", "/..a", "/a%00b", "/%zz", "/%", "/%252e%252e/",
		"/a+b", "/%c3%28", "http://x/y",
	} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		path, err := decodePath(raw)
		if err != nil {
			if path != "" {
				t.Errorf("%q: a path with an error", raw)
			}
			return
		}
		if want, err := url.PathUnescape(raw); err != nil || path != want {
			t.Errorf("%q: %q, want %q %v", raw, path, want, err)
		}
		if !strings.HasPrefix(path, "/") || strings.ContainsRune(path, 0) {
			t.Errorf("%q: %q", raw, path)
		}
		for _, part := range strings.Split(path, "/") {
			if part == ".." {
				t.Errorf("%q: %q", raw, path)
			}
		}
	})
}
